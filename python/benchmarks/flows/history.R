# What looking at a store takes, in seconds of wall time, after Python has been started.
library(metaflow, warn.conflicts = FALSE)

invisible(get_namespace())
wall_s <- function(name, code) cat(name, system.time(code)[["elapsed"]], "\n")

wall_s("latest", latest <- flow_client$new("HistoryFlow")$latest_run)
wall_s("runs", listed <- runs("HistoryFlow"))
wall_s("artifact", run_client$new(paste0("HistoryFlow/", latest))$artifact("x"))
stopifnot(nrow(listed) > 10)
