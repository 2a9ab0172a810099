# What `Rscript` is given to be the process that tasks are forked from: its arguments are the core's
# pid and the file descriptor of the control socket. The global environment is the steps'.
local({
  arguments <- as.integer(commandArgs(trailingOnly = TRUE))
  metaflow:::zygote_main(arguments[[1]], arguments[[2]])
})
