# A foreach that is large enough for its progress to be told.
library(metaflow)

metaflow("WideFlow") |>
  step(
    step = "start", next_step = "fit", foreach = "items",
    r_function = function(self) self$items <- 1:60
  ) |>
  step(step = "fit", next_step = "join", r_function = function(self) Sys.sleep(0.15)) |>
  step(step = "join", join = TRUE, next_step = "end", r_function = function(self, inputs) NULL) |>
  step(step = "end") |>
  run(max_workers = 4)
