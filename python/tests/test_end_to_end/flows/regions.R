# Sales by region and quarter. Two quarters have no numbers until MENDED is set, when the flow has
# also gained a step and a step that failed has changed.
library(metaflow)

mended <- nzchar(Sys.getenv("MENDED"))

start <- function(self) {
  self$regions <- c("north", "south")
}

by_region <- function(self) {
  self$region <- self$input
  self$quarters <- 1:3
}

by_quarter <- function(self) {
  missing <- self$region == "south" && self$input == 2 || self$region == "north" && self$input == 3
  if (missing && !mended) stop("no numbers for ", self$region, " in quarter ", self$input)
  self$sales <- nchar(self$region) * 10 + self$input * self$factor
}

sum_region <- function(self, inputs) {
  self$sales <- sum(unlist(gather_inputs(inputs, "sales")))
  merge_artifacts(self, inputs, include = "region")
}

sum_all <- function(self, inputs) {
  self$sales <- sum(unlist(gather_inputs(inputs, "sales")))
}

publish <- function(self) {
  cat("sales=", self$sales, "\n", sep = "")
  cat("factor=", self$factor, "\n", sep = "")
  cat("origin=", current("origin_run_id"), "\n", sep = "")
}

flow <- metaflow("RegionsFlow") |>
  parameter("factor", default = 1) |>
  step(step = "start", r_function = start, foreach = "regions", next_step = "by_region") |>
  step(step = "by_region", r_function = by_region, foreach = "quarters",
       next_step = "by_quarter") |>
  step(step = "by_quarter", r_function = by_quarter, next_step = "sum_region") |>
  step(step = "sum_region", r_function = sum_region, join = TRUE, next_step = "sum_all") |>
  step(step = "sum_all", r_function = sum_all, join = TRUE,
       next_step = if (mended) "publish" else "end")

if (mended) flow <- step(flow, step = "publish", r_function = publish, next_step = "end")

flow |>
  step(step = "end") |>
  run(on_error = "continue")
