# One of three items cannot be halved.
half_of <- function(x) {
  doubled <- 2 * x
  doubled / 4
}

start <- function(self) {
  self$numbers <- list(1, "two", 3)
}

halve <- function(self) {
  message("halving ", self$input)
  self$half <- half_of(self$input)
}

total <- function(self, inputs) {
  self$total <- sum(unlist(gather_inputs(inputs, "half")))
}

halves <- metaflow("HalvesFlow") |>
  step(step = "start", r_function = start, next_step = "halve", foreach = "numbers") |>
  step(step = "halve", r_function = halve, next_step = "total") |>
  step(step = "total", r_function = total, next_step = "end", join = TRUE) |>
  step(step = "end")
