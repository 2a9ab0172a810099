test_that("a flow lists its runs, newest first", {
  runs <- local_store()
  flow <- flow_client$new("TrainFlow")

  expect_identical(flow$runs, basename(c(runs$running, runs$failed, runs$successful)))
  expect_identical(flow$latest_run, basename(runs$running))
  expect_identical(flow$latest_successful_run, basename(runs$successful))
})

test_that("a flow has the fields of every object, and no parent", {
  local_store()
  flow <- flow_client$new("TrainFlow")

  expect_identical(flow$id, "TrainFlow")
  expect_identical(flow$pathspec, "TrainFlow")
  expect_null(flow$parent)
  expect_null(flow$get_parent())
  expect_s3_class(flow$created_at, "POSIXct")
  expect_identical(attr(flow$created_at, "tzone"), "UTC")
  expect_identical(flow$get_values(), flow$runs)
})

test_that("a run is reached by its id, and by what it is", {
  runs <- local_store()
  flow <- flow_client$new("TrainFlow")

  expect_identical(flow$run(basename(runs$failed))$pathspec, runs$failed)
  expect_identical(flow$run("latest_run")$pathspec, runs$running)
  expect_identical(flow$run("latest_successful_run")$pathspec, runs$successful)
})

test_that("runs with all of some tags are a list of run clients", {
  runs <- local_store()
  flow <- flow_client$new("TrainFlow")
  pathspecs <- function(found) vapply(found, function(run) run$pathspec, "")

  expect_identical(pathspecs(flow$runs_with_tags("experiment")), c(runs$failed, runs$successful))
  expect_identical(pathspecs(flow$runs_with_tags("experiment", "nightly")), runs$failed)
  expect_identical(flow$runs_with_tags("absent"), list())
  expect_s3_class(flow$runs_with_tags("nightly")[[1]], "RunClient")
})

test_that("a flow prints in a few lines", {
  local_store()
  flow <- flow_client$new("TrainFlow")

  expect_snapshot(flow, transform = hide_volatile)
  expect_snapshot(cat(format(flow)), transform = hide_volatile)
  expect_snapshot(flow$summary(), transform = hide_volatile)
})

test_that("a flow that is not there, and a name that is none, are errors that say so", {
  local_store()

  expect_error(flow_client$new("NoFlow"), class = "metaflow_flow_not_found")
  expect_error(flow_client$new("NoFlow"), class = "metaflow_not_found")
  expect_snapshot(error = TRUE, transform = hide_volatile, {
    flow_client$new("NoFlow")
    flow_client$new(NULL)
    flow_client$new(c("A", "B"))
    flow_client$new("TrainFlow")$run("99")
  })
})

test_that("new_flow() to new_task() open the object of these ids", {
  runs <- local_store()
  run <- basename(runs$successful)

  expect_identical(new_flow("TrainFlow")$pathspec, "TrainFlow")
  expect_identical(new_run("TrainFlow", run)$pathspec, runs$successful)
  expect_identical(
    new_step("TrainFlow", run, "start")$pathspec, paste0(runs$successful, "/start")
  )
  expect_identical(
    new_task("TrainFlow", run, "start", "1")$pathspec, paste0(runs$successful, "/start/1")
  )
})

test_that("list_flows() names the flows of the namespace", {
  local_store()
  expect_identical(list_flows(), "TrainFlow")

  set_namespace(NULL)
  expect_identical(list_flows(), c("OtherFlow", "TrainFlow"))
})
