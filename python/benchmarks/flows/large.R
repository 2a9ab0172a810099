# Makes BENCH_COUNT large values, BENCH_KIND, and does with them what BENCH_DO says: nothing, save
# them, or save and load them.
library(metaflow, warn.conflicts = FALSE)

kind <- Sys.getenv("BENCH_KIND")
todo <- Sys.getenv("BENCH_DO")
names <- paste0("value_", seq_len(as.integer(Sys.getenv("BENCH_COUNT"))))

make_value <- function() {
  if (kind == "matrix") return(matrix(runif(12.5e6), ncol = 100))
  rows <- 1e6
  data.frame(id = seq_len(rows), x = runif(rows), label = sprintf("label %d", seq_len(rows)))
}

metaflow("LargeFlow") |>
  step(step = "start", next_step = "end", r_function = function(self) {
    value <- make_value()
    for (i in seq_along(names)) {
      # Another value, for little: making random numbers is not what is measured.
      value[1, 1] <- i
      if (todo != "nothing") self[[names[[i]]]] <- value
    }
  }) |>
  step(step = "end", r_function = function(self) {
    if (todo == "load") for (name in names) cat("size", length(self[[name]]), "\n")
  }) |>
  run()
