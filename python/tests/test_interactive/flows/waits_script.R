library(metaflow)
source("waits.R")
run(waits)
