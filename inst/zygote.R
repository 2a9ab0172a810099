# What `Rscript` is given to be the process that tasks are forked from: its arguments are the core's
# pid, the file descriptor of the control socket, the path of the flow's payload, and the names of
# environment variables that are not the tasks'. The global environment is the steps'.
local({
  arguments <- commandArgs(trailingOnly = TRUE)
  metaflow:::zygote_main(
    as.integer(arguments[[1]]), as.integer(arguments[[2]]), arguments[[3]], arguments[-(1:3)]
  )
})
