# The second step waits for the file `go`, with a child of its own.
library(metaflow)

wait <- function(self) {
  system("sleep 600", wait = FALSE)
  cat("ready\n")
  deadline <- Sys.time() + 100
  while (!file.exists("go") && Sys.time() < deadline) Sys.sleep(0.05)
  if (!file.exists("go")) stop("nobody said go")
  cat("went on\n")
}

metaflow("WaitsFlow") |>
  step(step = "start", r_function = function(self) self$x <- 1, next_step = "wait") |>
  step(step = "wait", r_function = wait, next_step = "end") |>
  step(step = "end", r_function = function(self) cat("x=", self$x, "\n", sep = "")) |>
  run()
