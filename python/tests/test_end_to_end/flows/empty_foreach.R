library(metaflow)

metaflow("EmptyFlow") |>
  step(step = "start", r_function = function(self) self$items <- character(),
       foreach = "items", next_step = "body") |>
  step(step = "body", next_step = "join") |>
  step(step = "join", join = TRUE, next_step = "end") |>
  step(step = "end") |>
  run()
