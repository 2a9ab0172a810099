# Attempts in the session that asked for the run, so that debuggers and profilers see them.
#
# The core calls back into R for each; `inst/python/metaflow_core/compute/inline.py` is the other
# side. A task sees the session, and leaves it as it was: its options, its variables, its directory.

# Runs one attempt. `hear()` gives the core's next message and `say(bytes)` takes one. Returns 0 if
# the step succeeded, 1 if it failed, and NULL if the user interrupted it.
serve_inline <- function(payload, hear, say) {
  restore <- keep_session()
  on.exit(restore())
  the$payload <- payload
  channel <- list(receive = function() unserialize(as.raw(hear())), send = function(bytes) {
    say(bytes)
    TRUE
  })
  log <- new_inline_log(channel)
  on.exit(log$close(), add = TRUE, after = FALSE)
  .Call(mf_catch_interrupts)
  on.exit(.Call(mf_leave_interrupts), add = TRUE, after = FALSE)
  tryCatch(
    serve_attempt(channel, run = function(task, channel) attempt_inline(task, channel, log)),
    interrupt = function(interrupt) NULL
  )
}

attempt_inline <- function(task, channel, log) {
  # As in a worker: a warning is told when it is raised.
  if (getOption("warn") == 0) options(warn = 1)
  began_s <- proc.time()[["elapsed"]]
  if (!is.null(task$timeout_s)) {
    setTimeLimit(elapsed = task$timeout_s)
    .Call(mf_wake, task$timeout_s)
    on.exit({
      .Call(mf_let_wait)
      setTimeLimit()
    })
  }
  depth <- sys.nframe()
  result <- run_attempt(task, channel, call = function(...) {
    withCallingHandlers(
      with_log(log, call_step(...)),
      error = function(error) enter_debugger(error, depth)
    )
    # C code does not look at the limit.
    if (proc.time()[["elapsed"]] - began_s > (task$timeout_s %||% Inf)) {
      stop("reached elapsed time limit", call. = FALSE)
    }
  })
  if (!isFALSE(task$print_error)) log$add(failure_text(result$failure))
  log$flush()
  result
}

# What the steps need, as `load_payload()` returns it, but of this session: its helpers are here,
# and a function is the very object that `debug()` or a breakpoint has marked.
inline_payload <- function(flow, script = script_functions()) {
  give_helpers_source(script)
  steps <- lapply(flow$steps, function(step) {
    list(label = step$label, cases = step$cases, fun = session_function(step, script))
  })
  names(steps) <- vapply(flow$steps, function(step) step$name, "")
  list(flow = flow$name, steps = steps)
}

# Gives the functions that a script has made in this session their lines, as those that travel have
# them; one that is being debugged stays the object that was marked.
give_helpers_source <- function(script) {
  for (name in setdiff(vapply(script, function(one) one$name, ""), "")) {
    fun <- get0(name, globalenv(), mode = "function", inherits = FALSE)
    if (is.null(fun) || isdebugged(fun) || knows_source(fun)) next
    assign(name, with_source(fun, name, script), envir = globalenv())
  }
}

# The function of a step; as it is now, if `trace()` or an editor has put breakpoints into it since
# the step was made.
session_function <- function(step, script) {
  fun <- step$fun
  if (is.null(fun) || is.primitive(fun)) return(fun)
  here <- if (nzchar(step$label)) get0(step$label, globalenv(), mode = "function")
  if (inherits(here, "functionWithTrace") && identical(here@original, fun)) return(here)
  if (isdebugged(fun)) fun else with_source(fun, step$label, script)
}

# Does what `options(error = )` asks for, at the error: it is caught further out, and R would not.
# `recover()` would list our own frames first: the frames to choose from are those of the user's
# that are deeper than `depth`.
enter_debugger <- function(error, depth) {
  handler <- getOption("error")
  if (is.null(handler)) return()
  functions <- lapply(seq_len(sys.nframe()), sys.function)
  frames <- user_frames(sys.calls(), sys.parents(), functions, depth)
  cat(failure_text(new_failure(error, "error", frames)), file = stderr())
  if (!length(frames) || !is_recover(handler) || !has_prompt()) return(eval(handler, globalenv()))
  choose_frame(frame_labels(as_frames(frames)), sys.frames()[own_frames(functions, depth)])
}

# Whether `options(error = )` has `recover`, or a call of it.
is_recover <- function(handler) {
  if (is.expression(handler) && length(handler) == 1) handler <- handler[[1]]
  calls <- list(as.call(list(utils::recover)), quote(recover()), quote(utils::recover()))
  any(vapply(calls, identical, NA, handler))
}

# The log of an attempt. What it prints is seen at once, and handed over with the next message or
# warning and at the end; `add` takes a text of the error stream, which has been seen, too.
new_inline_log <- function(channel) {
  path <- tempfile("log-")
  file <- file(path, "wb")
  sinks <- sink.number()
  sink(file, split = TRUE)
  sent_bytes <- 0
  flush <- function() {
    # A step may have closed all connections.
    try(base::flush(file), silent = TRUE)
    bytes <- read_from(path, sent_bytes)
    sent_bytes <<- sent_bytes + length(bytes)
    if (length(bytes)) say_output(channel, "stdout", bytes)
  }
  add <- function(text) {
    flush()
    if (length(text)) say_output(channel, "stderr", charToRaw(enc2utf8(text)))
  }
  close <- function() {
    while (sink.number() > sinks) sink()
    try(base::close(file), silent = TRUE)
    unlink(path)
  }
  list(flush = flush, add = add, close = close)
}

# Evaluates `code`; its messages and warnings, which are seen as ever, are in the log, too.
with_log <- function(log, code) {
  withCallingHandlers(
    code,
    message = function(message) log$add(conditionMessage(message)),
    warning = function(warning) log$add(warning_text(warning))
  )
}

read_from <- function(path, position) {
  file <- file(path, "rb")
  on.exit(close(file))
  seek(file, position)
  readBin(file, "raw", max(0, file.size(path) - position))
}

say_output <- function(channel, stream, bytes) {
  send(channel, list(type = "output", stream = stream, bytes = bytes))
}

# A warning as R tells it.
warning_text <- function(warning) {
  call <- conditionCall(warning)
  head <- if (is.null(call)) "Warning: " else sprintf("Warning in %s : ", one_line(call))
  paste0(head, conditionMessage(warning), "\n")
}

# Remembers what a task may change in this session; returns what puts it back. Packages that it
# loads stay loaded, and what it assigns in the global environment stays there.
keep_session <- function() {
  directory <- getwd()
  options <- options()
  variables <- Sys.getenv()
  seed <- get0(".Random.seed", globalenv(), inherits = FALSE)
  attached <- search()
  devices <- dev.list()
  tasks <- ls(the$tasks)
  function() {
    the$payload <- the$current <- NULL
    rm(list = setdiff(ls(the$tasks), tasks), envir = the$tasks)
    close_files(setdiff(dev.list(), devices))
    for (name in setdiff(search(), attached)) detach(name, character.only = TRUE)
    restore_seed(seed)
    restore_variables(variables)
    restore_options(options)
    setwd(directory)
  }
}

# Completes plots in files; those on the screen are for the user to look at.
close_files <- function(devices) {
  names <- names(dev.list())[match(devices, dev.list())]
  for (device in devices[!names %in% grDevices::deviceIsInteractive()]) grDevices::dev.off(device)
}

restore_seed <- function(seed) {
  if (is.null(seed)) return(set.seed(NULL))
  assign(".Random.seed", seed, envir = globalenv())
  # Reads it. Else reticulate, which is still on the stack, writes R's own copy over it at its end.
  RNGkind()
}

restore_variables <- function(variables) {
  now <- Sys.getenv()
  Sys.unsetenv(setdiff(names(now), names(variables)))
  changed <- variables[!names(variables) %in% names(now) | now[names(variables)] != variables]
  if (length(changed)) do.call(Sys.setenv, as.list(changed))
}

restore_options <- function(options) {
  now <- options()
  added <- setdiff(names(now), names(options))
  changed <- Filter(function(name) !identical(now[[name]], options[[name]]), names(options))
  options(c(options[changed], stats::setNames(vector("list", length(added)), added)))
}
