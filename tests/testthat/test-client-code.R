test_that("code of a run prints what it was made of", {
  code <- structure(
    list(
      run = "DebugFlow/12", functions = list(start = NULL, a = function(self) NULL),
      helpers = list(scale = 2), packages = c("stats", "metaflow"),
      script = list(path = "debugflow.R", lines = "library(metaflow)"), package = NULL
    ),
    class = "metaflow_code"
  )

  expect_snapshot(code)
})

test_that("a pathspec is cut to its run", {
  expect_equal(run_of("F/12/start/3"), "F/12")
  expect_equal(run_of("F/12"), "F/12")
})

test_that("a payload keeps the script's lines, and does without a script", {
  script <- withr::local_tempfile(lines = c("library(metaflow)", "x <- 1"))

  expect_equal(script_text(script)$lines, c("library(metaflow)", "x <- 1"))
  expect_null(script_text(""))
})
