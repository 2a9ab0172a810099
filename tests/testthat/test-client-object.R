test_that("single brackets give ids, double brackets give children", {
  runs <- local_store()
  flow <- flow_client$new("TrainFlow")
  run <- run_client$new(runs$successful)

  expect_identical(flow[1:2], basename(c(runs$running, runs$failed)))
  expect_identical(flow[-1], flow$runs[-1])
  expect_identical(run[1], "start")
  expect_identical(flow[[1]]$pathspec, runs$running)
  expect_identical(flow[[basename(runs$failed)]]$pathspec, runs$failed)
  expect_identical(run[["fit"]][["3"]]$pathspec, paste0(runs$successful, "/fit/3"))
  expect_identical(run[["end"]][[1]][["accuracy"]], end_artifacts$accuracy)
})

test_that("double brackets with the name of a field give the field", {
  runs <- local_store()
  run <- run_client$new(runs$successful)

  expect_identical(run[["id"]], run$id)
  expect_identical(run[["steps"]], run$steps)
})

test_that("a child that is not there is an error", {
  runs <- local_store()
  run <- run_client$new(runs$successful)

  expect_error(run[["absent"]], class = "metaflow_step_not_found")
  expect_error(run[[9]], class = "metaflow_invalid_argument")
  expect_error(run[[c("start", "end")]], class = "metaflow_invalid_argument")
})

test_that("an object knows whether it is in the namespace", {
  runs <- local_store()
  flow <- flow_client$new("TrainFlow")
  task <- task_client$new(paste0(runs$successful, "/end/6"))

  expect_true(flow$is_in_namespace())
  expect_true(task$is_in_namespace())
  set_namespace("user:grace")
  expect_false(flow$is_in_namespace())
  expect_false(task$is_in_namespace())
  set_namespace(NULL)
  expect_true(task$is_in_namespace())
})

test_that("what is in another namespace is an error that says so", {
  runs <- local_store()

  expect_error(run_client$new(runs$other), class = "metaflow_not_in_namespace")
  expect_error(flow_client$new("OtherFlow"), class = "metaflow_not_in_namespace")
  set_namespace("user:grace")
  expect_true(run_client$new(runs$other)$successful)
})

test_that("get_obj() gives the object of the Python client", {
  runs <- local_store()
  run <- run_client$new(runs$successful)$get_obj()

  expect_s3_class(run, "python.builtin.object")
  expect_identical(run$pathspec, runs$successful)
  expect_identical(run$end_task$data$accuracy, end_artifacts$accuracy)
})

test_that("super_ reaches the base class, as in the old package", {
  local_store()
  flow <- flow_client$new("TrainFlow")

  expect_identical(flow$super_$get_values(), flow$runs)
})

test_that("fields cannot be assigned", {
  runs <- local_store()
  run <- run_client$new(runs$successful)

  expect_error(run$successful <- FALSE)
})

test_that("summary() of an object prints its summary", {
  runs <- local_store()
  run <- run_client$new(runs$successful)

  expect_output(expect_invisible(summary(run)), "Run Summary")
})
