library(metaflow)

metaflow("PassingFlow") |>
  step(step = "start", next_step = "middle") |>
  step(step = "middle", next_step = "end") |>
  step(step = "end") |>
  run()
