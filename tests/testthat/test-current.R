test_that("current() answers in a step, and only there", {
  expect_snapshot(current("run_id"), error = TRUE)

  before <- the$current
  withr::defer(the$current <- before)
  the$current <- list(run_id = "12", retry_count = 1L, tags = list("a", "b"), origin_run_id = NULL)

  expect_equal(current("run_id"), "12")
  expect_equal(current("retry_count"), 1L)
  expect_equal(current("tags"), c("a", "b"))
  expect_equal(current("parameter_names"), character())
  expect_null(current("origin_run_id"))
  expect_snapshot(error = TRUE, {
    current("runid")
    current(1)
  })
})
