# The least flow there is.
library(metaflow, warn.conflicts = FALSE)

metaflow("EmptyFlow") |>
  step(step = "start", next_step = "end") |>
  step(step = "end") |>
  run()
