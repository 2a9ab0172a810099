library(metaflow)

log_file <- file(tempfile(), "w")
write_log <- function(text) writeLines(text, log_file)

metaflow("ConnectionFlow") |>
  step(step = "start", r_function = function(self) write_log("begin"), next_step = "end") |>
  step(step = "end") |>
  run()
