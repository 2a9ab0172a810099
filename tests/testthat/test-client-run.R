test_that("a run is opened by its flow and id, or by its pathspec", {
  runs <- local_store()
  flow <- flow_client$new("TrainFlow")
  id <- basename(runs$successful)

  expect_identical(run_client$new(runs$successful)$id, id)
  expect_identical(run_client$new(flow, id)$id, id)
  expect_identical(run_client$new(flow, as.numeric(id))$id, id)
  expect_identical(run_client$new("TrainFlow", id)$id, id)
  expect_identical(run_client$new(flow, "latest_run")$pathspec, runs$running)
  expect_identical(run_client$new("TrainFlow/latest_successful_run")$pathspec, runs$successful)
})

test_that("a run that succeeded has everything", {
  runs <- local_store()
  run <- run_client$new(runs$successful)

  expect_true(run$finished)
  expect_true(run$successful)
  expect_identical(run$status, "successful")
  expect_gte(run$finished_at, run$created_at)
  expect_identical(run$parent, "TrainFlow")
  expect_identical(run$get_parent()$pathspec, "TrainFlow")
  expect_identical(run$user, "ada")
  expect_identical(run$end_task, "6")
  expect_identical(run$failed_tasks, character())
  expect_null(run$code)
  expect_null(run$origin_run_id)
  expect_setequal(run$tags, c("experiment", "runtime:dev", "user:ada", "r_version:4.2.2"))
  expect_identical(run$user_tags, "experiment")
})

test_that("a run's results are those of its end step, as they were", {
  runs <- local_store()
  run <- run_client$new(runs$successful)

  expect_setequal(run$artifacts, names(end_artifacts))
  expect_identical(run$artifact("accuracy"), end_artifacts$accuracy)
  expect_identical(run$artifact(names(end_artifacts)), end_artifacts)
})

test_that("a run knows the values of its parameters", {
  runs <- local_store()

  expect_identical(run_client$new(runs$successful)$parameters, list(alpha = 0.1, label = "first"))
})

test_that("a run in progress, and one that failed, can be looked at", {
  runs <- local_store()
  running <- run_client$new(runs$running)
  failed <- run_client$new(runs$failed)

  expect_identical(running$status, "running")
  expect_false(running$finished)
  expect_false(running$successful)
  expect_null(running$finished_at)
  expect_null(running$end_task)
  expect_identical(running$artifacts, character())
  expect_identical(running$steps, c("start", "fit"))
  expect_identical(failed$status, "failed")
  expect_identical(failed$failed_tasks, paste0(runs$failed, "/fit/3"))
})

test_that("a result that is not there yet is an error with the next thing to do", {
  runs <- local_store()

  expect_error(run_client$new(runs$running)$artifact("x"), class = "metaflow_task_not_found")
  expect_error(run_client$new(runs$successful)$artifact("x"), class = "metaflow_artifact_not_found")
  expect_snapshot(error = TRUE, transform = hide_volatile, {
    run_client$new(runs$running)$artifact("accuracy")
    run_client$new(runs$successful)$artifact("acuracy")
  })
})

test_that("constructors fail clearly", {
  local_store()

  expect_error(run_client$new("TrainFlow/99"), class = "metaflow_run_not_found")
  expect_error(run_client$new("TrainFlow"), class = "metaflow_invalid_pathspec")
  expect_error(run_client$new("NoFlow", "latest_run"), class = "metaflow_flow_not_found")
  expect_snapshot(error = TRUE, transform = hide_volatile, {
    run_client$new()
    run_client$new("TrainFlow", "12", "start")
    run_client$new(mtcars)
    run_client$new(flow_client$new("TrainFlow"), NA)
    run_client$new(run_client$new("TrainFlow/latest_run"), "12")
    run_client$new("TrainFlow/99")
    run_client$new("TrainFlow")
  })
})

test_that("a run prints in a few lines; one that failed says where to look", {
  runs <- local_store()

  expect_snapshot(run_client$new(runs$successful), transform = hide_volatile)
  expect_snapshot(run_client$new(runs$failed), transform = hide_volatile)
  expect_snapshot(run_client$new(runs$running), transform = hide_volatile)
  expect_snapshot(run_client$new(runs$successful)$summary(), transform = hide_volatile)
  expect_snapshot(run_client$new(runs$failed)$summary(), transform = hide_volatile)
  expect_snapshot(cat(format(run_client$new(runs$failed))), transform = hide_volatile)
})

test_that("tags are added, removed and replaced", {
  runs <- local_store_copy()
  run <- run_client$new(runs$successful)

  run$add_tag(c("published", "good"))
  expect_setequal(run$user_tags, c("experiment", "published", "good"))
  run$remove_tag("good")
  expect_setequal(run$user_tags, c("experiment", "published"))
  run$replace_tags("published", "retracted")
  expect_setequal(run$user_tags, c("experiment", "retracted"))
  expect_setequal(run_client$new(runs$successful)$user_tags, c("experiment", "retracted"))
})

test_that("a tag change returns the run invisibly, and a wrong one is an error", {
  runs <- local_store_copy()
  run <- run_client$new(runs$successful)

  expect_identical(expect_invisible(run$add_tag("a")), run)
  expect_error(run$remove_tag("user:ada"), class = "metaflow_invalid_tag")
  expect_error(run$add_tag(""), class = "metaflow_invalid_tag")
  expect_error(run$add_tag(1), class = "metaflow_invalid_argument")
})

test_that("the state of a live run tells what runs and what waits, and why", {
  runs <- local_store()
  state <- run_client$new(runs$running)$state()

  expect_identical(state$status, "running")
  expect_identical(state$pid, 4711L)
  expect_s3_class(state$at, "POSIXct")
  expect_identical(state$tasks, c(running = 1L, successful = 1L))
  expect_identical(state$running$worker, "pid 4712")
  expect_identical(state$waiting$why, "max_workers is reached")
  expect_snapshot(state, transform = hide_volatile)
})

test_that("the state of a run that is over runs nothing", {
  runs <- local_store()
  state <- run_client$new(runs$successful)$state()

  expect_identical(state$status, "successful")
  expect_identical(nrow(state$running), 0L)
  expect_identical(nrow(state$waiting), 0L)
  expect_snapshot(state, transform = hide_volatile)
})
