test_that("the namespace is set, told and reset", {
  local_store()

  expect_identical(get_namespace(), "user:ada")
  expect_identical(expect_invisible(set_namespace("production:x")), "production:x")
  expect_identical(get_namespace(), "production:x")
  expect_null(set_namespace())
  expect_null(get_namespace())
  expect_match(set_default_namespace(), "^user:")
})

test_that("the metadata provider is set, told and reset", {
  local_store()
  directory <- normalizePath(store()$directory)

  expect_identical(get_metadata(), paste0("local@", directory))
  expect_identical(expect_invisible(set_metadata(paste0("local@", directory))), get_metadata())
  default <- reset_default_metadata()
  expect_identical(get_metadata(), default)
  set_metadata(directory)
  expect_identical(set_metadata(NULL), default)
})

test_that("a namespace or a provider that cannot be is an error", {
  expect_error(set_namespace(1), class = "metaflow_invalid_argument")
  expect_error(set_metadata(c("a", "b")), class = "metaflow_invalid_argument")
  expect_error(set_metadata(file.path(tempdir(), "absent")), class = "metaflow_store_unavailable")
})

test_that("mf_client opens objects at every level, and prints where it looks", {
  runs <- local_store()
  client <- mf_client$new()
  flow <- client$flow("TrainFlow")
  run <- client$run(flow, "latest_successful_run")
  step <- client$step(run, "end")

  expect_identical(client$task(step, "6")$pathspec, paste0(runs$successful, "/end/6"))
  expect_snapshot(client, transform = hide_volatile)
  expect_snapshot(cat(format(client)), transform = hide_volatile)
})
