test_that("two runs are compared, and what differs is printed", {
  runs <- local_store()
  found <- diff_runs(runs$successful, run_client$new(runs$failed))

  expect_s3_class(found, "metaflow_diff")
  expect_type(found$tasks$place, "character")
  expect_equal(found$steps$step, unique(found$tasks$step))
  expect_true(all(found$artifacts$change %in% c("changed", "only a", "only b")))
  expect_snapshot(found, transform = function(lines) {
    lines <- gsub("[0-9]{16}", "<run>", lines)
    gsub("after [0-9.]+ s", "after <time>", lines)
  })
})

test_that("values are loaded only if asked for", {
  runs <- local_store()
  found <- diff_runs(runs$successful, runs$failed, values = TRUE)

  expect_false("difference" %in% names(diff_runs(runs$successful, runs$failed)$artifacts))
  changed <- found$artifacts$change == "changed"
  expect_false(anyNA(found$artifacts$difference[changed]))
  expect_true(all(is.na(found$artifacts$difference[!changed])))
})

test_that("a run does not differ from itself", {
  run <- local_store()$successful
  found <- diff_runs(run, run)

  differing <- c("parameters", "versions", "code", "artifacts")
  expect_equal(vapply(found[differing], nrow, 0L, USE.NAMES = FALSE), rep(0L, 4))
  expect_output(print(found), "They do not differ.", fixed = TRUE)
})

test_that("a run is compared with the flow's last one", {
  runs <- local_store()
  last <- sub("/.*", "/latest_run", runs$failed)

  expect_equal(diff_runs(runs$successful)$b, diff_runs(runs$successful, last)$b)
})

test_that("code is the text that was written, and of values what they are", {
  written <- eval(parse(text = "function(self)   self$x # as written", keep.source = TRUE))
  expect_equal(code_lines(written), list("function(self)   self$x"))
  expect_equal(code_lines(utils::removeSource(function(x) x + 1)), list("function (x) ", "x + 1"))
  expect_false(identical(code_lines(1:3), code_lines(3:1)))
})
