# Tasks that meet, and tasks that must not: each says when it began and ended.
library(metaflow)

body <- function(self) {
  began <- as.numeric(Sys.time())
  if (nzchar(Sys.getenv("MEET")) && current("step_name") %in% c("left", "right")) meet()
  cat(sprintf("interval=%.6f %.6f\n", began, as.numeric(Sys.time())))
}

# Waits for the other of two steps.
meet <- function() {
  other <- setdiff(c("left", "right"), current("step_name"))
  file.create(current("step_name"))
  deadline <- Sys.time() + 60
  while (!file.exists(other) && Sys.time() < deadline) Sys.sleep(0.02)
  cat("met=", file.exists(other), "\n", sep = "")
}

metaflow("ConcurrencyFlow") |>
  step(step = "start", next_step = c("left", "right", "heavy_a", "heavy_b")) |>
  step(step = "left", r_function = body, next_step = "join") |>
  step(step = "right", r_function = body, next_step = "join") |>
  step(step = "heavy_a", resources(cpu = parallel::detectCores()), r_function = body,
       next_step = "join") |>
  step(step = "heavy_b", resources(cpu = parallel::detectCores()), r_function = body,
       next_step = "join") |>
  step(step = "join", join = TRUE, next_step = "end") |>
  step(step = "end") |>
  run()
