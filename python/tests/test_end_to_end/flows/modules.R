# Tells which of Python's modules a command has loaded.
library(metaflow)

metaflow("ModulesFlow") |>
  step(step = "start", next_step = "end", r_function = function(self) self$x <- numeric(1e5)) |>
  step(step = "end", r_function = function(self) length(self$x)) |>
  run()

loaded <- names(reticulate::import("sys")$modules)
cat("modules:", unique(sub("[.].*", "", loaded)), "\n")
cat("packages:", loadedNamespaces(), "\n")
