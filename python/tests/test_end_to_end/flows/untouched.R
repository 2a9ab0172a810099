# Passes two large artifacts on, whose files are put away meanwhile: one is stored raw, one packed.
library(metaflow)

put_away <- function(files) if (!all(file.rename(files, paste0(files, ".away")))) stop("not there")
large_files <- function(pattern) {
  files <- list.files(".metaflow/UntouchedFlow/data", pattern, recursive = TRUE, full.names = TRUE)
  files[file.size(files) > 1e5]
}

metaflow("UntouchedFlow") |>
  step(step = "start", next_step = "hide", r_function = function(self) {
    set.seed(1)
    self$doubles <- runif(2e5)
    self$texts <- sprintf("text %d", seq_len(2e5))
  }) |>
  step(step = "hide", next_step = "carry", r_function = function(self) {
    files <- large_files("^[0-9a-f]{40}$")
    cat("hidden=", length(files), "\n", sep = "")
    put_away(files)
  }) |>
  step(step = "carry", next_step = "end", r_function = function(self) {
    cat("names=", toString(intersect(names(self), c("doubles", "texts"))), "\n", sep = "")
  }) |>
  step(step = "end", r_function = function(self) {
    away <- large_files("[.]away$")
    file.rename(away, sub("[.]away$", "", away))
    set.seed(1)
    cat("doubles=", identical(self$doubles, runif(2e5)), "\n", sep = "")
    cat("texts=", identical(self$texts, sprintf("text %d", seq_len(2e5))), "\n", sep = "")
  }) |>
  run()
