# What a task could see of others, or of how it was started, if it were not kept apart from them.
library(metaflow)

before <- 1

tell <- function(...) {
  facts <- list(...)
  prefix <- paste(c(current("step_name"), self_index()), collapse = " ")
  for (name in names(facts)) cat(prefix, " ", name, "=", toString(facts[[name]]), "\n", sep = "")
}

self_index <- function() {
  frame <- get("self", envir = parent.frame(2))$index
  if (is.null(frame)) NULL else frame
}

# What is the same in each fresh process.
surroundings <- function() {
  list(
    `working directory` = basename(getwd()),
    variable = Sys.getenv("ISOLATION_TEST", "unset"),
    memory = Sys.getenv(c("GLIBC_TUNABLES", "R_NSIZE", "R_VSIZE"), "unset"),
    digits = getOption("digits"),
    warn = getOption("warn"),
    globals = ls(globalenv()),
    attached = search(),
    devices = length(dev.list()),
    connections = nrow(showConnections()),
    `temporary files` = length(list.files(tempdir(), all.files = TRUE, no.. = TRUE)),
    `temporary directory` = Sys.getenv("R_SESSION_TMPDIR") == tempdir(),
    `random kind` = RNGkind(),
    jit = compiler::enableJIT(-1),
    interactive = interactive(),
    input = length(readLines(file("stdin"))),
    locale = Sys.getlocale("LC_COLLATE")
  )
}

start <- function(self) {
  do.call(tell, surroundings())
  tell(random = runif(2))
  self$items <- 1:4
}

# Leaves everything otherwise than it was.
body <- function(self) {
  do.call(tell, surroundings())
  tell(random = runif(2), sampled = sample(100, 3), normal = rnorm(1))
  set.seed(1)
  options(digits = 3, warn = 2)
  Sys.setenv(ISOLATION_TEST = "set", R_NSIZE = "1")
  assign("leftover", 1, envir = globalenv())
  assign("before", 2, envir = globalenv())
  attach(list(attached = 1), name = "attached here")
  writeLines("x", tempfile())
  writeLines("not closed", file(sprintf("open-%d.txt", self$index), "w"))
  pdf(sprintf("plot-%d.pdf", self$index))
  plot(1)
  reg.finalizer(environment(), onexit = TRUE, function(e) cat("finalizer ran\n"))
  on.exit(cat("on.exit ran\n"))
  system("sleep 600 &")
  setwd("/")
  self$directory <- tempdir()
  self$file <- tempfile()
  self$before <- before
}

join <- function(self, inputs) {
  do.call(tell, surroundings())
  tell(
    before = c(before, unlist(gather_inputs(inputs, "before"))),
    directories = anyDuplicated(unlist(gather_inputs(inputs, "directory"))),
    files = anyDuplicated(unlist(gather_inputs(inputs, "file"))),
    `there yet` = file.exists(unlist(gather_inputs(inputs, "directory"))),
    mine = tempdir() %in% unlist(gather_inputs(inputs, "directory"))
  )
  program <- "cat(Sys.getenv(c('GLIBC_TUNABLES', 'R_NSIZE', 'R_VSIZE'), 'unset'))"
  rscript <- file.path(R.home("bin"), "Rscript")
  tell(child = system2(rscript, c("--vanilla", "-e", shQuote(program)), stdout = TRUE))
  tell(cores = unlist(parallel::mclapply(1:2, function(i) 10 * i, mc.cores = 2)))
}

metaflow("IsolationFlow") |>
  step(step = "start", r_function = start, foreach = "items", next_step = "body") |>
  step(step = "body", r_function = body, next_step = "join") |>
  step(step = "join", r_function = join, join = TRUE, next_step = "end") |>
  step(step = "end") |>
  run()
