# Steps whose C code ends badly.
library(metaflow)

ways <- list(
  crash = function(self) hazard::crash(),
  deep = function(self) hazard::deep(),
  exhaust = function(self) {
    hazard::limit_memory(1.5e9)
    hoard <- list()
    repeat hoard[[length(hoard) + 1]] <- numeric(2e7) + 1
  }
)

join <- function(self, inputs) {
  for (name in names(ways)) {
    message <- conditionMessage(inputs[[name]]$problem)
    cat(name, "=", encodeString(strsplit(message, "\n")[[1]][[1]]), "\n", sep = "")
  }
}

flow <- metaflow("NativeEndsFlow") |> step(step = "start", next_step = names(ways))
for (name in names(ways)) {
  flow <- flow |>
    step(step = name, catch(var = "problem"), r_function = ways[[name]], next_step = "join")
}
flow |>
  step(step = "join", r_function = join, join = TRUE, next_step = "end") |>
  step(step = "end") |>
  run()
