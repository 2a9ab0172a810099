test_that("a step is opened by its run and name, or by its pathspec", {
  runs <- local_store()
  pathspec <- paste0(runs$successful, "/fit")

  expect_identical(step_client$new(pathspec)$id, "fit")
  expect_identical(step_client$new(run_client$new(runs$successful), "fit")$pathspec, pathspec)
  expect_identical(run_client$new(runs$successful)$step("fit")$pathspec, pathspec)
})

test_that("a step has its tasks, in the order of the foreach", {
  runs <- local_store()
  step <- step_client$new(paste0(runs$successful, "/fit"))

  expect_identical(step$tasks, c("2", "3", "4"))
  expect_identical(step$a_task, "2")
  expect_identical(step$status, "successful")
  expect_gte(step$finished_at, step$created_at)
  expect_identical(step$parent, basename(runs$successful))
  expect_identical(step$get_parent()$pathspec, runs$successful)
  expect_identical(step$parent_steps, "start")
  expect_identical(step$child_steps, "join")
})

test_that("a step that has not finished has no time of its end", {
  runs <- local_store()

  expect_null(step_client$new(paste0(runs$running, "/fit"))$finished_at)
})

test_that("a step prints in a few lines", {
  runs <- local_store()

  expect_snapshot(step_client$new(paste0(runs$successful, "/fit")), transform = hide_volatile)
  failed <- step_client$new(paste0(runs$failed, "/fit"))
  expect_snapshot(failed, transform = hide_volatile)
  expect_snapshot(failed$summary(), transform = hide_volatile)
  expect_snapshot(cat(format(failed)), transform = hide_volatile)
})

test_that("a step that is not there is an error that says so", {
  runs <- local_store()

  expect_error(
    step_client$new(runs$successful, "absent"), class = "metaflow_step_not_found"
  )
  expect_error(step_client$new(runs$successful), class = "metaflow_invalid_pathspec")
  expect_error(
    step_client$new(flow_client$new("TrainFlow"), "start"), class = "metaflow_invalid_argument"
  )
})
