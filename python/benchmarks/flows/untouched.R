# Passes an artifact of BENCH_MB megabytes on. Prints how many bytes the task after it, and the
# session, have read in all.
library(metaflow, warn.conflicts = FALSE)

bytes_read <- function() sub("rchar: ", "", readLines("/proc/self/io", n = 1))

metaflow("UntouchedFlow") |>
  step(step = "start", next_step = "carry", r_function = function(self) {
    self$value <- runif(as.numeric(Sys.getenv("BENCH_MB")) * 1e6 / 8)
  }) |>
  step(step = "carry", next_step = "end", r_function = function(self) {
    cat("read-by-task", bytes_read(), "\n")
  }) |>
  step(step = "end") |>
  run()

cat("read-by-session", bytes_read(), "\n")
