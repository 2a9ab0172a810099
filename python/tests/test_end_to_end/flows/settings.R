# `run()` with settings of its own: SETTING names one.
library(metaflow)

flow <- metaflow("SettingsFlow") |>
  step(step = "start", r_function = function(self) {
    cat("namespace=", current("namespace"), "\n", sep = "")
  }, next_step = "end") |>
  step(step = "end")

switch(Sys.getenv("SETTING"),
  namespace = run(flow, datastore = "local", metadata = "local", namespace = "team:blue"),
  datastore = run(flow, datastore = "gs"),
  metadata = run(flow, metadata = "spin"),
  root = run(flow, datastore_root = "elsewhere"),
  unknown = run(flow, max_worker = 2)
)
