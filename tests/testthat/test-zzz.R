test_that("attaching the package says nothing", {
  rscript <- file.path(R.home("bin"), "Rscript")
  said <- system2(
    rscript, c("--vanilla", "-e", shQuote("library(metaflow)")),
    stdout = TRUE, stderr = TRUE, env = paste0("R_LIBS=", paste(.libPaths(), collapse = ":"))
  )

  expect_equal(said, character())
})
