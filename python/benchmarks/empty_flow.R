library(metaflow)

metaflow("EmptyFlow") |>
  step(step = "start", next_step = "end") |>
  step(step = "end") |>
  run()
