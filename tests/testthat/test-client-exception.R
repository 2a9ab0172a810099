test_that("no error is no condition", {
  expect_null(as_exception(NULL))
})

test_that("a condition that could not be serialized is made from its description", {
  described <- list(
    kind = "error", message = "no luck", call = "fit(x, y)",
    classes = list("my_error", "error", "condition"), frames = list(), condition = raw()
  )
  exception <- as_exception(described)

  expect_s3_class(exception, c("my_error", "error", "condition"), exact = TRUE)
  expect_identical(conditionMessage(exception), "no luck")
  expect_identical(conditionCall(exception), quote(fit(x, y)))
  expect_identical(nrow(exception$frames), 0L)
})

test_that("a condition whose bytes cannot be read is made from its description", {
  described <- list(
    kind = "error", message = "no luck", call = "", classes = list("error", "condition"),
    frames = list(), condition = as.raw(1:4)
  )

  expect_identical(conditionMessage(as_exception(described)), "no luck")
  expect_null(conditionCall(as_exception(described)))
})

test_that("a task that was killed has a condition that says so", {
  described <- list(
    kind = "killed", message = "The worker was killed by signal 9.", call = "", classes = list(),
    frames = list(), condition = raw()
  )

  expect_s3_class(
    as_exception(described),
    c("metaflow_task_killed", "metaflow_task_failed", "metaflow_error", "error", "condition"),
    exact = TRUE
  )
})

test_that("a call that R cannot parse is kept as it is", {
  expect_identical(as_call("fit(x, "), as.name("fit(x, "))
})

test_that("the rebuilt condition can be raised and caught by its class", {
  runs <- local_store()
  exception <- task_client$new(paste0(runs$failed, "/fit/3"))$exception

  expect_identical(tryCatch(stop(exception), singular_matrix = function(e) e$rank), 2L)
})

test_that("rlang shows the frames of a condition that R or rlang raised", {
  described <- list(
    kind = "error", message = "no luck", call = "fit(x, y)", classes = list("error", "condition"),
    frames = list(
      list(call = "start(self)", file = "flow.R", line = 12L),
      list(call = "fit(x, y)", file = "R/fit.R", line = 3L),
      list(call = "(function (y) { no call", file = "", line = 0L)
    ),
    condition = raw()
  )
  error <- rlang::error_cnd(
    "metaflow_run_failed", message = "Step start failed.", parent = as_exception(described)
  )

  expect_snapshot(cat(format(error, simplify = "none")))
})
