test_that("runs() is a data frame with a row for each run, newest first", {
  runs <- local_store()
  found <- runs("TrainFlow")

  expect_s3_class(found, "data.frame", exact = TRUE)
  expect_identical(found$pathspec, c(runs$running, runs$failed, runs$successful))
  expect_identical(found$run_id, basename(found$pathspec))
  expect_identical(found$status, c("running", "failed", "successful"))
  expect_identical(found$user, rep("ada", 3))
  expect_identical(found$tags, list(character(), c("experiment", "nightly"), "experiment"))
  expect_s3_class(found$created_at, "POSIXct")
  expect_identical(is.na(found$finished_at), c(TRUE, TRUE, FALSE))
  expect_type(found$duration_s, "double")
})

test_that("runs() takes a flow client, and a flow client has runs", {
  local_store()
  flow <- flow_client$new("TrainFlow")

  expect_identical(runs(flow)$pathspec, runs("TrainFlow")$pathspec)
  expect_identical(flow$list_runs()$pathspec, runs("TrainFlow")$pathspec)
})

test_that("runs() filters by tags, status and number", {
  store <- local_store()
  found <- function(...) runs("TrainFlow", ...)$pathspec

  expect_identical(found(tags = "experiment"), c(store$failed, store$successful))
  expect_identical(found(tags = c("experiment", "nightly")), store$failed)
  expect_identical(found(tags = "user:ada", status = "running"), store$running)
  expect_identical(found(status = c("failed", "successful")), c(store$failed, store$successful))
  expect_identical(found(limit = 1), store$running)
  expect_identical(found(limit = 1, status = "successful"), store$successful)
})

test_that("runs() filters by time, in every form that a time has", {
  store <- local_store()
  found <- function(...) runs("TrainFlow", ...)$pathspec
  second <- run_client$new(store$failed)$created_at

  expect_identical(found(since = second), c(store$running, store$failed))
  expect_identical(found(until = second), store$successful)
  expect_length(found(since = as.Date("2020-01-01")), 3)
  expect_length(found(until = "2020-01-01 12:00"), 0)
})

test_that("no runs are a data frame with no rows and the same columns", {
  local_store()
  none <- runs("TrainFlow", tags = "absent")

  expect_identical(dim(none), dim(runs("TrainFlow")) * 0:1)
  expect_identical(lapply(none, class), lapply(runs("TrainFlow"), class))
})

test_that("tasks() is a data frame with a row for each task, in order", {
  store <- local_store()
  found <- tasks(store$failed)

  expect_identical(found$step, c("start", "fit", "fit", "fit"))
  expect_identical(found$task_id, c("1", "2", "3", "4"))
  expect_identical(found$index, c(NA, 0:2))
  expect_identical(found$status, c("successful", "successful", "failed", "successful"))
  expect_identical(found$attempt, c(0L, 0L, 1L, 0L))
  expect_identical(found$message, c(NA, NA, "the matrix is singular", NA))
  expect_s3_class(found$finished_at, "POSIXct")
})

test_that("tasks() takes a run or a step, and both have tasks", {
  store <- local_store()
  run <- run_client$new(store$failed)

  expect_identical(tasks(run)$task_id, run$tasks()$task_id)
  expect_identical(tasks(run$step("fit"))$task_id, c("2", "3", "4"))
  expect_identical(run$step("fit")$list_tasks()$task_id, c("2", "3", "4"))
})

test_that("what cannot be filtered by is an error", {
  local_store()

  expect_snapshot(error = TRUE, {
    runs("TrainFlow", since = "yesterday")
    runs("TrainFlow", tags = 1)
    runs("TrainFlow", limit = "all")
    runs("TrainFlow", status = "green")
    runs(list())
    tasks("TrainFlow")
    tasks(flow_client$new("TrainFlow"))
  })
})
