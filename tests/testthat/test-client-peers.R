# Client rows of what the older R package gets wrong.

test_that("task$summary() works", {
  runs <- local_store()

  expect_output(task_client$new(paste0(runs$successful, "/end/6"))$summary(), "accuracy")
})

test_that("run$artifacts names the results", {
  runs <- local_store()

  expect_setequal(run_client$new(runs$successful)$artifacts, names(end_artifacts))
})

test_that("flow$finished_at works", {
  runs <- local_store()
  expect_null(flow_client$new("TrainFlow")$finished_at)

  set_namespace("user:grace")
  expect_identical(
    flow_client$new("OtherFlow")$finished_at, run_client$new(runs$other)$finished_at
  )
})

test_that("printing a client shows no internals", {
  runs <- local_store()
  task <- task_client$new(paste0(runs$successful, "/end/6"))
  for (client in list(flow_client$new("TrainFlow"), task$get_parent(), task, mf_client$new())) {
    printed <- capture.output(print(client))

    expect_lt(length(printed), 8)
    expect_no_match(printed, "environment|function|Inherits|Private|Public")
  }
})

test_that("steps are listed in the order of the graph", {
  runs <- local_store()

  expect_identical(run_client$new(runs$successful)$steps, c("start", "fit", "join", "end"))
})

test_that("task$exception is the R condition with its frames, not a Python traceback", {
  runs <- local_store()
  exception <- task_client$new(paste0(runs$failed, "/fit/3"))$exception

  expect_s3_class(exception, "singular_matrix")
  expect_identical(exception$frames$file[[1]], "train.R")
  expect_identical(exception$frames$line[[1]], 12L)
})
