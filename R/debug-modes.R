# The ways to enter a task beside loading it; see `debug_task()`. Each returns the entered task.

# Whether a browser can be opened: not in a script, a document or a notebook.
has_prompt <- function() {
  interactive() && !isTRUE(getOption("knitr.in.progress")) &&
    !isTRUE(getOption("jupyter.in_kernel"))
}

# Runs the step and stops in the frame of the user's that fails.
stop_at_failure <- function(entered, scene, call) {
  if (!has_prompt()) {
    tell_no_prompt("browser", entered, "`task$run()` runs the step and raises its error.")
    return(entered)
  }
  depth <- sys.nframe()
  failed <- FALSE
  tryCatch(
    perform(scene, entered$fun, function(error, self) {
      failed <<- TRUE
      functions <- lapply(seq_len(sys.nframe()), sys.function)
      frames <- user_frames(sys.calls(), sys.parents(), functions, depth)
      own <- own_frames(functions, depth)
      cat(failure_text(new_failure(error, "error", frames)))
      if (length(own)) browse(sys.frames()[[utils::tail(own, 1)]])
    }),
    error = function(error) if (!failed) stop(error)
  )
  if (!failed) {
    writeLines(sprintf("Task %s does not fail here: see `task$run()`.", scene$task$pathspec))
  }
  invisible(entered)
}

# Opens the browser in an environment; `c` leaves it, `Q` ends all.
browse <- function(env) {
  cat("Its variables: ", toString(ls(env)), "\n", sep = "")
  cat("`c` goes on, `Q` quits.\n")
  eval(quote(browser()), env)
}

# Lets the user choose among the frames that were kept, and look around in them.
open_frames <- function(entered) {
  frames <- entered$frames
  if (!has_prompt()) {
    tell_no_prompt("recover", entered, "`task$frames[[1]]` is an environment with its variables.")
    print(frames)
    return(entered)
  }
  writeLines(conditionMessage(entered$condition))
  choose_frame(frame_labels(attr(frames, "about")), frames)
  invisible(entered)
}

# Lets the user look around in frames until they choose none.
choose_frame <- function(labels, environments) {
  repeat {
    chosen <- utils::menu(labels, title = "\nEnter a frame number, or 0 to exit")
    if (chosen == 0) return(invisible())
    browse(environments[[chosen]])
  }
}

# Sets out the arguments of the step's function and its code, to be run line by line.
set_out <- function(entered) {
  fun <- entered$fun
  if (!is.function(fun)) {
    writeLines("The step passes through: it has no function.")
    return(invisible(entered))
  }
  values <- list(entered$self, entered$inputs)
  arguments <- setdiff(names(formals(args(fun))), "...")
  names <- utils::head(arguments, sum(lengths(list("self", entered$inputs)) > 0))
  taken <- mget(names, globalenv(), ifnotfound = list(NULL))
  for (i in seq_along(names)) assign(names[[i]], values[[i]], envir = globalenv())
  place <- sprintf("metaflow:%s", entered$pathspec)
  attach_helpers(environment(fun), place)
  leave <- the$leave
  the$leave <- entered$leave <- function() {
    if (place %in% search()) detach(place, character.only = TRUE)
    for (name in names) {
      if (is.null(taken[[name]])) {
        suppressWarnings(rm(list = name, envir = globalenv()))
      } else {
        assign(name, taken[[name]], envir = globalenv())
      }
    }
    leave()
  }
  writeLines(c(
    sprintf("# In the global environment: %s. `task$leave()` takes them away.", toString(names)),
    code_with_place(fun)
  ))
  invisible(entered)
}

attach_helpers <- function(env, place) {
  if (is_shared_environment(env) || place %in% search()) return(invisible())
  helpers <- as.list(env, all.names = TRUE)
  # To have them on the search path is what the user asks for.
  attach(helpers, name = place, warn.conflicts = FALSE) # nolint: undesirable_function_linter.
}

# The code below a line that tells where it was written.
code_with_place <- function(fun) {
  srcref <- attr(fun, "srcref")
  if (is.null(srcref)) return(deparse(fun))
  where <- function_source(fun)
  c(sprintf("# %s:%d", where$file, where$line), as.character(srcref))
}

tell_no_prompt <- function(mode, entered, hint) {
  message(sprintf(
    "There is no prompt here for mode = \"%s\". %s\nIn R in a terminal: %s", mode, hint,
    sprintf(
      "metaflow::debug_task(\"%s\", mode = \"%s\"%s)", entered$pathspec, mode,
      attr(entered, "scene")$given %||% ""
    )
  ))
}
