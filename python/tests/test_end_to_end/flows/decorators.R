# What decorators do, side by side. Each attempt of a step leaves a line in attempts.txt.
library(metaflow)

note_attempt <- function() {
  cat(current("step_name"), current("retry_count"), "\n", file = "attempts.txt", append = TRUE)
}

fail_twice <- function(self) {
  note_attempt()
  if (current("retry_count") < 2) stop("attempt ", current("retry_count"), " fails on purpose")
  self$attempt <- current("retry_count")
}

fail <- function(self) {
  note_attempt()
  stop(structure(
    class = c("purpose", "error", "condition"),
    list(message = "fails on purpose", call = NULL, why = "a test")
  ))
}

kill_itself <- function(self) tools::pskill(Sys.getpid(), 9)

sleep_long <- function(self) {
  note_attempt()
  system("sleep 600", wait = FALSE)
  Sys.sleep(600)
}

read_environment <- function(self) {
  self$stage <- Sys.getenv("STAGE")
  self$threads <- Sys.getenv("MY_THREADS")
}

say <- function(name, value) cat(name, "=", value, "\n", sep = "")

join <- function(self, inputs) {
  say("retried", inputs$retried$attempt)
  for (step in c("caught", "once", "killed", "slow")) {
    problem <- inputs[[step]]$problem
    say(paste(step, "class"), class(problem)[1])
    say(paste(step, "is condition"), inherits(problem, "error"))
    say(paste(step, "message"), conditionMessage(problem))
  }
  say("why", inputs$caught$problem$why)
  say("no problem", is.null(inputs$retried$problem))
  say("stage", inputs$environment$stage)
  say("threads", inputs$environment$threads)
  say("stage here", Sys.getenv("STAGE"))
  say("project", current("project_name"))
  say("branch", current("branch_name"))
}

metaflow("DecoratorsFlow", project(name = "sales"), schedule(daily = TRUE)) |>
  step(step = "start", next_step = c("retried", "caught", "once", "killed", "slow", "environment")) |>
  step(step = "retried", retry(times = 2, minutes_between_retries = 0), catch(var = "problem"),
       r_function = fail_twice, next_step = "join") |>
  step(step = "caught", catch(var = "problem", print_exception = FALSE), r_function = fail,
       next_step = "join") |>
  step(step = "once", retry(times = 0), catch(var = "problem"), r_function = fail,
       next_step = "join") |>
  step(step = "killed", retry(times = 0), decorator("catch", var = "problem"),
       r_function = kill_itself, next_step = "join") |>
  step(step = "slow", retry(times = 0), timeout(seconds = 2), catch(var = "problem"),
       r_function = sleep_long, next_step = "join") |>
  step(step = "environment", environment_variables(STAGE = "a test", MY_THREADS = 2),
       r_function = read_environment, next_step = "join") |>
  step(step = "join", r_function = join, join = TRUE, next_step = "end") |>
  step(step = "end") |>
  run()
