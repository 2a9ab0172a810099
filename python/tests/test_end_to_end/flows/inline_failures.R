# Failures of each kind, in the session; tries are counted in its global environment.
library(metaflow)

tries <- 0
options(error = quote(cat("the handler was called\n")))
broken <- function(x) stop("broken at ", x)

flaky <- function(self) {
  tries <<- tries + 1
  if (tries < 3) stop("try ", tries)
  self$tries <- tries
}

slow <- function(self) {
  repeat {}
}

sleeps <- function(self) Sys.sleep(60)

ends <- function(self) {
  tools::pskill(Sys.getpid(), tools::SIGINT)
  Sys.sleep(60)
}

join <- function(self, inputs) {
  self$own <- inputs$own$pid != Sys.getpid()
  self$tries <- inputs$own$tries
  for (step in c("slow", "sleeps", "fails")) {
    cat(step, "=", conditionMessage(inputs[[step]]$problem), "\n", sep = "")
  }
}

metaflow("FailuresFlow") |>
  step(step = "start", retry(times = 2, minutes_between_retries = 0), r_function = flaky,
       next_step = c("slow", "sleeps", "fails", "own")) |>
  step(step = "slow", timeout(seconds = 0.1), catch(var = "problem"), r_function = slow,
       next_step = "join") |>
  step(step = "sleeps", timeout(seconds = 0.1), catch(var = "problem"), r_function = sleeps,
       next_step = "join") |>
  step(step = "fails", catch(var = "problem"), r_function = function(self) broken(1),
       next_step = "join") |>
  step(step = "own", isolation("process"), r_function = function(self) self$pid <- Sys.getpid(),
       next_step = "join") |>
  step(step = "join", r_function = join, join = TRUE, next_step = "interrupt") |>
  step(step = "interrupt", timeout(hours = 1), r_function = ends, next_step = "end") |>
  step(step = "end") |>
  run()
