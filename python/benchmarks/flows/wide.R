# A foreach of BENCH_SPLITS tasks that do next to nothing: each prints a line and has one artifact.
# With BENCH_FAILS the join fails, so that there is something to resume.
library(metaflow, warn.conflicts = FALSE)

size <- as.integer(Sys.getenv("BENCH_SPLITS"))
isolation <- Sys.getenv("BENCH_ISOLATION", "auto")

metaflow("WideFlow") |>
  step(
    step = "start", next_step = "work", foreach = "items",
    r_function = function(self) self$items <- seq_len(size)
  ) |>
  step(step = "work", next_step = "gather", r_function = function(self) {
    cat("task", self$input, "\n")
    self$x <- self$input
  }) |>
  step(
    step = "gather", join = TRUE, next_step = "end",
    r_function = function(self, inputs) {
      joined <- length(inputs)
      if (nzchar(Sys.getenv("BENCH_FAILS"))) stop("something to resume")
    }
  ) |>
  step(step = "end") |>
  run(max_num_splits = size, isolation = isolation)
