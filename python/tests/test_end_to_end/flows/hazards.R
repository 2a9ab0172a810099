# A package that does, when it is loaded, what HAZARD says, attached by the script or, with ALONE,
# used by a step.
library(metaflow)
if (!nzchar(Sys.getenv("ALONE"))) library(hazard)

# Pages that this process got and did not share.
pages <- function() as.numeric(strsplit(readLines("/proc/self/stat"), " ")[[1]][[10]])

start <- function(self) {
  cat("threads=", hazard::threads(), "\n", sep = "")
  large <- hazard::kept$large
  cat("large=", if (is.null(large)) 0 else sum(large[1:10]) + length(large), "\n", sep = "")
  cat("devices=", length(grDevices::dev.list()), "\n", sep = "")
  cat("pages=", pages(), "\n", sep = "")
}

metaflow("HazardsFlow") |>
  step(step = "start", r_function = start, next_step = "end") |>
  step(step = "end", r_function = start) |>
  run()
