# data.table, attached by the script or used by a step alone, has all its threads in a task.
library(metaflow)
if (nzchar(Sys.getenv("ATTACHED"))) library(data.table)

count <- function(self) {
  table <- data.table::data.table(x = 1:1e6, by = 1:10)
  total <- table[, sum(as.numeric(x)), by = by]$V1
  cat("threads=", data.table::getDTthreads(), "\n", sep = "")
  cat("total=", sum(total), "\n", sep = "")
}

metaflow("ThreadsFlow") |>
  step(step = "start", r_function = count, next_step = "end") |>
  step(step = "end", r_function = count) |>
  run()
