library(metaflow)

metaflow("TangledFlow") |>
  step(step = "start", next_step = c("fit", "score")) |>
  step(step = "fit", next_step = "end") |>
  step(step = "score", next_step = "raport") |>
  step(step = "report", next_step = "end") |>
  step(step = "end") |>
  run()
