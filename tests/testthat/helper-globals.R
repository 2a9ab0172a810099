# Evaluates definitions in the global environment, as a script does, and removes them after the
# test.
local_globals <- function(definitions, frame = parent.frame()) {
  before <- ls(globalenv(), all.names = TRUE)
  suppressMessages(eval(definitions, globalenv()))
  withr::defer(
    rm(list = setdiff(ls(globalenv(), all.names = TRUE), before), envir = globalenv()),
    envir = frame
  )
}
