test_that("versions print one a line, and say what is missing", {
  info <- structure(
    list(package = "0.1.0", r = "4.2.2", python = NULL, core = NULL),
    class = "metaflow_version_info"
  )

  expect_snapshot(info)
})

test_that("versions of this installation are told", {
  info <- version_info()

  expect_equal(info$r, r_version())
  expect_match(info$python, "^3[.]")
  expect_equal(info$core, info$package)
})

test_that("the container image is as configured, else one of this R", {
  withr::local_envvar(METAFLOW_BATCH_CONTAINER_IMAGE = "mine:1")
  expect_equal(container_image(), "mine:1")

  withr::local_envvar(METAFLOW_BATCH_CONTAINER_IMAGE = NA)
  expect_match(container_image(), r_version(), fixed = TRUE)
})

test_that("tutorials are copied, and what is there is kept", {
  folder <- withr::local_tempdir()
  writeLines("mine", file.path(folder, "debugflow.R"))

  copied <- pull_tutorials(folder)

  expect_true(all(file.exists(copied)))
  expect_equal(readLines(file.path(folder, "debugflow.R")), "mine")
  expect_true(dir.exists(metaflow_location()))
})
