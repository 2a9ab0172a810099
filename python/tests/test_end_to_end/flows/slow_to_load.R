# The script attaches a package that loads at once here, and never in the process of the tasks.
.libPaths(c("library", .libPaths()))
library(slowpkg)
library(metaflow)
Sys.setenv(SLOW_TO_LOAD = "yes")

metaflow("SlowFlow") |>
  step(step = "start", next_step = "end") |>
  step(step = "end") |>
  run()
