# All ways in which a step can print.
library(metaflow)

talk <- function(self) {
  print("1 print")
  message("2 message")
  warning("3 warning")
  cat("4 cat\n")
  system("echo 5 child; echo 6 child error >&2")
  writeLines("7 stdout", stdout())
  cat("8 stderr\n", file = stderr())
  # Printed by C code.
  optim(c(1, 1), function(x) sum(x^2), method = "BFGS", control = list(trace = 1))
  cat("9 \u00e4\u2603\n")
  cat("10 without a line end")
}

overflow <- function(self) {
  cat(strrep("x", 1e6))
  system("printf '\\377\\376\\000binary\\n'")
  cat("\nafter it\n")
}

mistreat <- function(self) {
  self$here <- getwd()
  setwd("/")
  rm(list = ls(globalenv()), envir = globalenv())
  options(warn = 2)
  system("sleep 600 &")
  system("sleep 600 >/dev/null 2>&1 &")
  sink(nullfile())
  cat("not seen\n")
  parallel:::closeStdout()
  self$done <- TRUE
}

join <- function(self, inputs) {
  cat("here=", inputs$mistreat$here, "\n", sep = "")
  cat("done=", inputs$mistreat$done, "\n", sep = "")
}

metaflow("OutputFlow") |>
  step(step = "start", next_step = c("talk", "overflow", "mistreat")) |>
  step(step = "talk", r_function = talk, next_step = "join") |>
  step(step = "overflow", r_function = overflow, next_step = "join") |>
  step(step = "mistreat", r_function = mistreat, next_step = "join") |>
  step(step = "join", r_function = join, join = TRUE, next_step = "end") |>
  step(step = "end") |>
  run()
