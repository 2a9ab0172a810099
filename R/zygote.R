# The process that forked tasks are copies of: it has loaded all that every task needs, and waits.
#
# It is started once a run, before there is a core that knows the flow (see R/ahead.R). Each task is
# a fork of it with its own process group, temporary directory, random stream, standard output and
# standard error; `src/fork.c` does what R cannot.

# Serves requests to fork on a socket until the core closes it. First it is told where the payload
# is, and says what would make a forked task behave otherwise than a fresh process: at once if there
# is anything, for then none may be wanted, else when nothing can end this process any more before
# it forks.
zygote_main <- function(core_pid, control_fd) {
  options(warn = 1)
  .Call(mf_end_with, core_pid)
  cheapen_forks(warm_up)
  shared <- cheapen_forks(share_memory)
  load <- await_load(control_fd)
  set_environment(load$environment)
  the$payload <- load_payload(load$payload)
  start_threads <- park_threads()
  hazards <- paste(fork_hazards(control_fd), collapse = "; ")
  say_ready <- function() .Call(mf_write, control_fd, charToRaw(paste("ready", hazards)))
  if (nzchar(hazards)) say_ready()
  cheapen_forks(function() share_memory(load$payload, shared))
  # Each child makes its own: tempdir(check = TRUE) does where the one that it knows is not there.
  unlink(tempdir(), recursive = TRUE)
  if (!nzchar(hazards)) say_ready()
  descriptors <- .Call(mf_serve_forks, control_fd)
  if (is.null(descriptors)) .Call(mf_exit, 0L)
  tempdir(check = TRUE)
  start_threads()
  status <- serve_attempt(pipes(descriptors[[1]], descriptors[[2]]))
  end_task(status)
}

# Waits until the core has written the payload, and returns what it says of it; ends this process
# where there is none, after all.
await_load <- function(control_fd) {
  load <- .Call(mf_receive, control_fd)
  if (!is.null(load)) return(load)
  unlink(tempdir(), recursive = TRUE)
  .Call(mf_exit, 0L)
}

# Sets the environment variables that have a value, and unsets the others.
set_environment <- function(variables) {
  is_set <- !vapply(variables, is.null, NA)
  Sys.unsetenv(names(variables)[!is_set])
  if (any(is_set)) do.call(Sys.setenv, variables[is_set])
}

# Ends a worker as `quit()` would, at a third of its cost: devices are closed, finalizers run, the
# temporary directory goes; and so does what the step left running.
end_task <- function(status) {
  if (length(dev.list())) graphics.off()
  .Call(mf_run_finalizers)
  clear_tempdir()
  .Call(mf_end_others)
  .Call(mf_exit, status)
}

# Removes what a task left in its temporary directory. An empty one goes with the run's own folder:
# on ext4, making files gets dearer with each that was removed in the last minute.
clear_tempdir <- function() if (!is_empty(tempdir())) unlink(tempdir(), recursive = TRUE)

is_empty <- function(folder) !length(dir(folder, all.files = TRUE, no.. = TRUE))

# Without these measures forks cost more, and nothing else: an error in one does not end the zygote.
cheapen_forks <- function(measure) {
  tryCatch(measure(), error = function(error) {
    message("Forks stay dear: ", conditionMessage(error))
  })
}

# Does once what each task does, so that no child has to: functions of packages are read from disk
# at their first use, and compiled at their second. What each child does anew it pays for with pages
# of memory that it can no longer share.
warm_up <- function() {
  payload <- the$payload
  seed <- get0(".Random.seed", globalenv(), inherits = FALSE)
  on.exit({
    the$payload <- payload
    the$current <- NULL
    the$tasks <- new.env(parent = emptyenv())
    set_seed_back(seed)
  })
  the$payload <- list(steps = list(rehearsal = list(fun = rehearsed_step, label = "rehearsal")))
  for (i in 1:3) rehearse()
  is_empty(tempdir())
  # After what all tasks need, which then lies together.
  namespace <- environment(warm_up)
  for (name in ls(namespace, all.names = TRUE)) get(name, namespace)
}

set_seed_back <- function(seed) {
  if (is.null(seed)) {
    suppressWarnings(rm(".Random.seed", envir = globalenv()))
  } else {
    assign(".Random.seed", seed, envir = globalenv())
  }
}

# Keeps R from counting references in what all tasks use, the path of the payload among it, as
# `src/share.c` says. It is done while nobody waits for it, and once more for what has come since:
# `shared` are the packages that were there, which it returns.
share_memory <- function(payload = NULL, shared = NULL) {
  packages <- loadedNamespaces()
  namespaces <- lapply(setdiff(packages, shared), asNamespace)
  attached <- lapply(setdiff(search(), paste0("package:", shared)), as.environment)
  flow <- c(payload, the$payload)
  .Call(mf_share, c(flow, attached, namespaces, lapply(namespaces, parent.env)))
  packages
}

# One attempt, from its first message to its last, with this process in the core's place.
rehearse <- function() {
  to_worker <- .Call(mf_pipe)
  to_core <- .Call(mf_pipe)
  core <- pipes(to_core[[1]], to_worker[[2]])
  send(core, rehearsed_task())
  send(core, list(type = "artifact", found = TRUE, name = "items", kind = "native", value = 1L))
  serve_attempt(pipes(to_worker[[1]], to_core[[2]]))
  for (i in 1:2) receive(core)
  for (fd in c(to_worker, to_core)) .Call(mf_close, fd)
}

rehearsed_task <- function() {
  list(
    type = "task", step = "rehearsal", is_join = FALSE, spool = tempdir(),
    inline_limit_bytes = 65536L, room_bytes = 36L, current = list(pathspec = "rehearsal"),
    artifacts = list("items"), parameters = list(), seed = raw(4 * 624),
    frames = list(list(step = "start", var = "items", num_splits = 1L, index = 0L, value = "1")),
    item = list(found = TRUE, name = "items", is_item = TRUE, kind = "native", value = 1L),
    environment = structure(list(), names = character()), print_error = TRUE
  )
}

rehearsed_step <- function(self) {
  cat("")
  self$x <- self$input
  self$y <- list(self$x, self$items)
}

# What in this process a fork would not take along as it is, in words; empty if there is nothing.
#
# Each was seen to make a forked task hang, crash, or quietly do something else: see the vignette
# on design, "Forks".
fork_hazards <- function(control_fd = -1L) {
  c(
    thread_hazard(), package_hazards(), python_hazard(), connection_hazard(),
    descriptor_hazards(control_fd), device_hazard(), process_hazard()
  )
}

# Packages that watch for a fork, or keep something that does not survive one.
fork_shy <- c(
  arrow = "keeps thread pools", h2o = "keeps a connection", rJava = "keeps a Java machine",
  RcppParallel = "keeps thread pools", sparklyr = "keeps a connection",
  tcltk = "keeps a window system's connection", tensorflow = "keeps thread pools",
  torch = "keeps thread pools"
)

package_hazards <- function(loaded = loadedNamespaces()) {
  found <- intersect(names(fork_shy), loaded)
  if (length(found)) sprintf("package %s %s", found, fork_shy[found])
}

python_hazard <- function(loaded = loadedNamespaces()) {
  if ("reticulate" %in% loaded && reticulate::py_available()) {
    "package reticulate has started Python"
  }
}

connection_hazard <- function(open = connections()) {
  if (length(open)) sprintf("connections are open (%s)", paste(open, collapse = ", "))
}

# Descriptions of the connections that are open. showConnections() closes those that nobody knows of
# any more, for which it collects garbage: it is asked only where there are any.
connections <- function() {
  standard <- 0:2
  if (length(setdiff(getAllConnections(), standard))) showConnections()[, "description"]
}

# What is open and no connection of R: a database's file, or the pipe that an event loop wakes by.
descriptor_hazards <- function(control_fd, open = open_descriptors(c(0:2, control_fd))) {
  files <- open[startsWith(open, "/")]
  c(
    if (length(files)) sprintf("files are open (%s)", paste(basename(files), collapse = ", ")),
    if (any(startsWith(open, "socket:"))) "a network connection is open",
    if (any(startsWith(open, "pipe:"))) "a pipe is open"
  )
}

# What the other descriptors of this process are of; its own script and R's connections are not
# among them, nor are devices such as /dev/urandom.
open_descriptors <- function(except) {
  open <- list.files("/proc/self/fd", full.names = TRUE)
  targets <- Sys.readlink(open[!basename(open) %in% except])
  script <- sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE))
  known <- normalizePath(c(script, connections()), mustWork = FALSE)
  targets[!is.na(targets) & !targets %in% known & !startsWith(targets, "/dev/")]
}

device_hazard <- function() {
  if (length(dev.list())) "a graphics device is open"
}

# A fork has none of its parent's processes, but the same means to end them.
process_hazard <- function() {
  path <- sprintf("/proc/self/task/%d/children", Sys.getpid())
  has_children <- file.exists(path) && length(scan(path, integer(), quiet = TRUE))
  if (has_children || .Call(mf_count_others) > 0) {
    "what the script loads has started processes"
  }
}
