# The second step waits for the file `go`.
wait <- function(self) {
  message("ready")
  deadline <- Sys.time() + 100
  while (!file.exists("go") && Sys.time() < deadline) Sys.sleep(0.05)
  if (!file.exists("go")) stop("nobody said go")
  message("went on")
}

waits <- metaflow("WaitsFlow") |>
  step(step = "start", r_function = function(self) self$x <- 1, next_step = "wait") |>
  step(step = "wait", r_function = wait, next_step = "end") |>
  step(step = "end", r_function = function(self) message("x is ", self$x))
