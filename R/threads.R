# Threads, which a fork does not take along: those of packages that can have them again in the fork,
# and those that are in its way.

# Ends threads that can be started again, and returns the function that starts them in a fork.
park_threads <- function() {
  starts <- c(park_cli(), park_data_table())
  function() for (start in starts) start()
}

# cli, and with it whoever loads a package of the tidyverse, has a thread that tells progress bars
# when to move. It does nothing else, and cli's own end stops it in the same way.
park_cli <- function() {
  if (!isNamespaceLoaded("cli")) return()
  cli <- asNamespace("cli")
  routines <- list(stop = cli$clic_stop_thread, start = cli$clic_start_thread)
  if (is.null(routines$stop) || !identical(routines$start$numParameters, 3L)) return()
  # By do.call(): R CMD check wants each .Call() that it sees to be of this package.
  do.call(.Call, list(routines$stop))
  function() {
    do.call(.Call, list(routines$start, cli, cli$clienv$tick_time, cli$clienv$speed_time))
  }
}

# data.table has one thread after a fork, lest OpenMP hang in it: it does where it was used before.
park_data_table <- function() {
  if (!isNamespaceLoaded("data.table") || !is.null(thread_hazard())) return()
  threads <- data.table::getDTthreads()
  function() data.table::setDTthreads(threads)
}

# OpenBLAS with pthreads ends its threads before each fork, and starts them again where they are
# next of use, in the fork as in this process: a fork that does nothing leaves those of others.
thread_hazard <- function(status = "/proc/self/status", openblas = openblas_threads()) {
  if (identical(openblas, "pthreads") && count_threads(status) > 1) .Call(mf_fork_once)
  threads <- settled_threads(status)
  if (threads > 1) {
    sprintf("%s has started threads (%d run)", thread_starter(openblas), threads)
  }
}

# Who may have started them: nothing tells whose a thread is.
thread_starter <- function(openblas, loaded = threaded_libraries(openblas)) {
  perhaps <- sprintf(", perhaps %s,", paste(loaded, collapse = " or "))
  paste0("what the script loads", if (length(loaded)) perhaps)
}

count_threads <- function(status = "/proc/self/status") {
  lines <- if (file.exists(status)) readLines(status, warn = FALSE)
  line <- grep("^Threads:", lines, value = TRUE)
  if (length(line)) as.integer(sub("Threads:\\s*", "", line)) else 1L
}

# The system counts a thread that has ended for a moment more.
settled_threads <- function(status) {
  for (i in 1:50) if (count_threads(status) > 1) Sys.sleep(0.001)
  count_threads(status)
}

# What the OpenBLAS of this process has threads of; NA where R uses another BLAS.
openblas_threads <- function() c("none", "pthreads", "OpenMP")[.Call(mf_openblas_parallel) + 1L]

# Loaded libraries, by the names of their files, that start threads when they are first used. GNU's
# OpenMP is not among them: R itself loads it.
thread_starters <- c(
  libmkl_ = "MKL", libiomp5 = "Intel OpenMP", libomp = "LLVM OpenMP", libtbb = "TBB"
)

threaded_libraries <- function(openblas, maps = "/proc/self/maps") {
  lines <- if (file.exists(maps)) readLines(maps, warn = FALSE) else character()
  files <- basename(sub("^[^/]*", "", lines))
  is_loaded <- vapply(names(thread_starters), function(name) any(startsWith(files, name)), TRUE)
  c(if (identical(openblas, "OpenMP")) "OpenBLAS (OpenMP)", unname(thread_starters[is_loaded]))
}
