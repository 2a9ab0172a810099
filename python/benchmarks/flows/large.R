# Makes a large value, BENCH_KIND, and does with it what BENCH_DO says: nothing, save it, or save
# and load it.
library(metaflow, warn.conflicts = FALSE)

kind <- Sys.getenv("BENCH_KIND")
todo <- Sys.getenv("BENCH_DO")

make_value <- function() {
  set.seed(1)
  if (kind == "matrix") return(matrix(runif(12.5e6), ncol = 100))
  rows <- 1e6
  data.frame(id = seq_len(rows), x = runif(rows), label = sprintf("label %d", seq_len(rows)))
}

metaflow("LargeFlow") |>
  step(step = "start", next_step = "end", r_function = function(self) {
    value <- make_value()
    if (todo != "nothing") self$value <- value
  }) |>
  step(step = "end", r_function = function(self) {
    if (todo == "load") cat("size", length(self$value), "\n")
  }) |>
  run()
