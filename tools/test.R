# Runs tests/testthat against the installed package; the argument selects files by a pattern.
# Fails on a failed test; where the environment variable CI is set, on a skipped one too, and on a
# warning: a snapshot that is compared with nothing is one.

selected <- commandArgs(trailingOnly = TRUE)
pattern <- if (length(selected)) selected[[1]]
folder <- file.path("tests", "testthat")

if (!length(testthat::find_test_scripts(folder, filter = pattern))) {
  message("No file of ", folder, " matches ", pattern, ".")
  quit(status = if (is.null(pattern)) 1 else 0)
}

# Snapshots are compared only where this says that it is not CRAN that asks.
Sys.setenv(NOT_CRAN = "true")

results <- as.data.frame(testthat::test_dir(
  folder,
  filter = pattern, package = "metaflow", load_package = "installed",
  reporter = "summary", stop_on_failure = FALSE
))
failed <- sum(results$failed) + sum(results$error)
skipped <- sum(results$skipped)
warned <- sum(results$warning)
if (warned > 0) cat(sprintf("%d warnings\n", warned))
cat(sprintf("testthat: %d passed, %d failed, %d skipped\n", sum(results$passed), failed, skipped))

in_ci <- nzchar(Sys.getenv("CI"))
quit(status = if (failed > 0 || (in_ci && skipped + warned > 0)) 1 else 0)
