library(metaflow)

draw <- function(self) {
  cat(current("step_name"), " ", self$index, "=", format(runif(1), digits = 15), "\n", sep = "")
}

start <- function(self) {
  draw(self)
  self$items <- 1:2
}

metaflow("RandomFlow") |>
  step(step = "start", r_function = start, foreach = "items", next_step = "body") |>
  step(step = "body", r_function = draw, next_step = "join") |>
  step(step = "join", join = TRUE, next_step = "end") |>
  step(step = "end", r_function = function(self) {
    draw(self)
    cat("namespace=", current("namespace"), "\n", sep = "")
    cat("tags=", toString(current("tags")), "\n", sep = "")
  }) |>
  run()
