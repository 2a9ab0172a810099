library(metaflow)

metaflow("RequiredFlow") |>
  parameter("who", required = TRUE, help = "who it's for") |>
  parameter("times", type = "int") |>
  step(step = "start", r_function = function(self) cat("who=", self$who, "\n", sep = ""),
       next_step = "end") |>
  step(step = "end") |>
  run()
