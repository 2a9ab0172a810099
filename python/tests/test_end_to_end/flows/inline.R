# Steps that draw random numbers, print in each way, and leave the session otherwise than it was.
library(metaflow)

helper <- function(x) {
  message("a message")
  warning("a warning")
  x + 1
}

start <- function(self) {
  cat("printed\n")
  self$drawn <- c(runif(2), rnorm(1), sample(100, 2))
  self$helped <- helper(1)
  self$items <- 1:3
}

body <- function(self) {
  self$before <- c(
    getOption("digits"), basename(getwd()) == "flows", Sys.getenv("INLINE_TEST", "unset") == "unset",
    "attached here" %in% search(), sink.number(type = "message"), length(dev.list())
  )
  options(digits = 3, inline.test = 1)
  Sys.setenv(INLINE_TEST = "set")
  setwd("/")
  attach(list(attached = 1), name = "attached here")
  pdf(NULL)
  sink(tempfile())
  self$drawn <- c(runif(2), rnorm(1), sample(100, 2))
  self$number <- self$input
  set.seed(1)
}

join <- function(self, inputs) {
  self$all <- unlist(gather_inputs(inputs, "drawn"))
  self$before <- unlist(gather_inputs(inputs, "before"))
  self$coefficients <- coef(lm(dist ~ speed, cars))
}

surroundings <- function() {
  toString(c(
    getOption("digits"), getOption("warn"), is.null(getOption("inline.test")), basename(getwd()),
    Sys.getenv("INLINE_TEST", "unset"), "attached here" %in% search(), sink.number(),
    length(dev.list()), nrow(showConnections()), runif(1)
  ))
}

set.seed(17)
cat("before: ", surroundings(), "\n", sep = "")
set.seed(17)
metaflow("InlineFlow") |>
  step(step = "start", r_function = start, foreach = "items", next_step = "body") |>
  step(step = "body", r_function = body, next_step = "join") |>
  step(step = "join", r_function = join, join = TRUE, next_step = "end") |>
  step(step = "end") |>
  run()
cat("after: ", surroundings(), "\n", sep = "")
