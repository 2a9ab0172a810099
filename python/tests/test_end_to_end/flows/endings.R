# Steps that end R, or assign what cannot be stored.
library(metaflow)

connection <- function(self) {
  self$fine <- 1
  self$handle <- file(tempfile(), "w")
}

explode <- function(self) {
  .Call <- NULL
  tools::pskill(Sys.getpid(), 11)
  Sys.sleep(60)
}

join <- function(self, inputs) {
  for (step in c("quits", "shot", "crashed", "connection")) {
    problem <- inputs[[step]]$problem
    cat(step, "=", encodeString(conditionMessage(problem)), "\n", sep = "")
  }
}

metaflow("EndingsFlow") |>
  step(step = "start", next_step = c("quits", "shot", "crashed", "connection")) |>
  step(step = "quits", catch(var = "problem"), r_function = function(self) quit(status = 0),
       next_step = "join") |>
  step(step = "shot", catch(var = "problem"),
       r_function = function(self) tools::pskill(Sys.getpid(), 9), next_step = "join") |>
  step(step = "crashed", catch(var = "problem"), r_function = explode, next_step = "join") |>
  step(step = "connection", catch(var = "problem"), r_function = connection, next_step = "join") |>
  step(step = "join", r_function = join, join = TRUE, next_step = "end") |>
  step(step = "end") |>
  run()
