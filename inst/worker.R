# What `Rscript` is given for one attempt of a task: its arguments are the core's pid and two file
# descriptors, to read messages from the core and to write messages to it. `R_LIBS` names the
# libraries. Nothing of it is in the global environment, which is the step's.
local({
  arguments <- as.integer(commandArgs(trailingOnly = TRUE))
  metaflow:::worker_main(arguments[[1]], arguments[[2]], arguments[[3]])
})
