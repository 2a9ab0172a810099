library(metaflow)

metaflow("NamedFlow") |>
  parameter("name", default = "x") |>
  step(step = "start", next_step = "end") |>
  step(step = "end") |>
  run()
