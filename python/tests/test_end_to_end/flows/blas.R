# What BLAS does in a task; with HAZARD=blas, after a package has used it in what is forked.
library(metaflow)
if (nzchar(Sys.getenv("HAZARD"))) library(hazard)

threads <- function() {
  sub("Threads:\\s*", "", grep("^Threads:", readLines("/proc/self/status"), value = TRUE))
}

multiply <- function(self) {
  product <- crossprod(matrix(sin(seq_len(1e6)), 1000))
  cat("build=", basename(dirname(La_library())), "\n", sep = "")
  cat("threads=", threads(), "\n", sep = "")
  cat("sum=", sprintf("%a", sum(product)), "\n", sep = "")
}

metaflow("BlasFlow") |>
  step(step = "start", r_function = multiply, next_step = "end") |>
  step(step = "end", r_function = multiply) |>
  run()
