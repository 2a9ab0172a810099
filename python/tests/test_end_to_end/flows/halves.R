library(metaflow)

half_of <- function(x) {
  doubled <- 2 * x
  doubled / 4
}

start <- function(self) {
  self$numbers <- list(1, "two", 3)
  self$unit <- "m"
}

halve <- function(self) {
  self$seen <- self$input
  self$draw <- runif(1)
  self$half <- half_of(self$input) * self$scale
}

total <- function(self, inputs) {
  self$total <- sum(unlist(gather_inputs(inputs, "half")))
  merge_artifacts(self, inputs, include = "unit")
}

metaflow("HalvesFlow") |>
  parameter("scale", default = 10) |>
  step(step = "start", r_function = start, next_step = "halve", foreach = "numbers") |>
  step(
    environment_variables(HALVES_MODE = "exact"),
    step = "halve", r_function = halve, next_step = "total"
  ) |>
  step(step = "total", r_function = total, next_step = "end", join = TRUE) |>
  step(step = "end") |>
  run()
