# Steps that end badly, each in its own way.
library(metaflow)

forever <- function(n) forever(n + 1)

ways <- list(
  quits = function(self) quit(status = 3),
  recursion = function(self) forever(1),
  memory = function(self) self$x <- numeric(1e14),
  segfault = function(self) {
    tools::pskill(Sys.getpid(), 11)
    Sys.sleep(60)
  },
  killed = function(self) {
    x <- numeric(1e8) + 1
    tools::pskill(Sys.getpid(), tools::SIGKILL)
    Sys.sleep(60)
  },
  aborts = function(self) {
    tools::pskill(Sys.getpid(), 6)
    Sys.sleep(60)
  },
  error = function(self) stop("an R error")
)

join <- function(self, inputs) {
  cat("temporary=", file.create(tempfile()), "\n", sep = "")
  for (name in names(ways)) {
    message <- conditionMessage(inputs[[name]]$problem)
    cat(name, "=", encodeString(strsplit(message, "\n")[[1]][[1]]), "\n", sep = "")
  }
}

flow <- metaflow("EndsFlow") |> step(step = "start", next_step = names(ways))
for (name in names(ways)) {
  flow <- flow |>
    step(step = name, catch(var = "problem"), r_function = ways[[name]], next_step = "join")
}
flow |>
  step(step = "join", r_function = join, join = TRUE, next_step = "end") |>
  step(step = "end") |>
  run()
