# Packages with threads, attached by the script or used by a step alone, have them in a task.
library(metaflow)
for (package in strsplit(Sys.getenv("ATTACHED"), " ")[[1]]) library(package, character.only = TRUE)

# Whether cli's thread tells progress bars to move.
ticks <- function(cli = asNamespace("cli")) {
  .Call(cli$clic_tick_reset)
  for (i in 1:1000) if (.Call(cli$clic_update_due)) return(TRUE) else Sys.sleep(0.01)
  FALSE
}

count <- function(self) {
  table <- data.table::data.table(x = 1:1e6, by = 1:10)
  total <- table[, sum(as.numeric(x)), by = by]$V1
  status <- readLines("/proc/self/status")
  cat("threads=", data.table::getDTthreads(), "\n", sep = "")
  cat("total=", sum(total), "\n", sep = "")
  cat("ticks=", ticks(), "\n", sep = "")
  cat("running=", sub("\\D+", "", grep("^Threads:", status, value = TRUE)), "\n", sep = "")
}

metaflow("ThreadsFlow") |>
  step(step = "start", r_function = count, next_step = "end") |>
  step(step = "end", r_function = count) |>
  run()
