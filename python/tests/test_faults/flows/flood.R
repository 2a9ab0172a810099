# A step that prints 100 MB; the flow tells by how much the core's memory has grown meanwhile.
library(metaflow)

core_peak_mb <- function() {
  core <- commandArgs(trailingOnly = TRUE)[[1]]
  lines <- readLines(file.path("/proc", core, "status"))
  as.numeric(gsub("\\D", "", grep("^VmHWM:", lines, value = TRUE))) / 1024
}

flood <- function(self) {
  self$before_mb <- core_peak_mb()
  line <- strrep("0123456789", 8)
  for (i in 1:100) writeLines(rep(line, 12500))
}

metaflow("FloodFlow") |>
  step(step = "start", r_function = flood, next_step = "end") |>
  step(
    step = "end",
    r_function = function(self) cat("grown_mb=", core_peak_mb() - self$before_mb, "\n", sep = "")
  ) |>
  run()
