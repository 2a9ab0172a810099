# Steps that delete their working directory, and print more than anybody reads.
library(metaflow)

gone <- function(self) {
  directory <- file.path(getwd(), "own")
  dir.create(directory)
  setwd(directory)
  unlink(directory, recursive = TRUE)
  self$x <- 1
}

loud <- function(self) {
  line <- strrep("0123456789", 8)
  for (i in 1:10) writeLines(rep(line, 12500))
}

metaflow("HostileFlow") |>
  step(step = "start", r_function = gone, next_step = "loud") |>
  step(step = "loud", r_function = loud, next_step = "end") |>
  step(step = "end", r_function = function(self) cat("x=", self$x, "\n", sep = "")) |>
  run()
