# A step that leaves a process in the background, and a core that cannot see how the step ends.
library(metaflow)

metaflow("OrphanFlow") |>
  step(
    step = "start",
    r_function = function(self) {
      system("sleep 300 & echo $! > child")
      core <- as.integer(commandArgs(trailingOnly = TRUE)[[1]])
      tools::pskill(core, tools::SIGSTOP)
    },
    next_step = "end"
  ) |>
  step(step = "end") |>
  run()
