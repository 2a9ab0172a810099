# What `Rscript` is given for one attempt of a task: its arguments are two file descriptors, to read
# messages from the core and to write messages to it. `R_LIBS` names the libraries.
descriptors <- as.integer(commandArgs(trailingOnly = TRUE))
metaflow:::worker_main(descriptors[[1]], descriptors[[2]])
