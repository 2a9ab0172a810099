#' Enter a task of the past
#'
#' Makes this session that of a task of any run that can be read, whoever made it, wherever it ran
#' and however it ended: its artifacts or inputs, which load when they are used, its step's function
#' and helpers, parameters, item of the foreach, [current()], random numbers, environment variables
#' and packages. Nothing is run, and nothing that is stored changes.
#'
#' @inheritParams rerun_task
#' @param mode `[character(1)]` How to enter, see below.
#' @param code `[character(1)]` Which function `$fun` is: `"run"`, the one that the run was made
#'   with, or `"script"`, the one that its script holds now (which is evaluated up to its call of
#'   [run()]). Or a flow, for that flow's.
#' @param attempt `[integer(1)]` The attempt, from 0; by default the last one.
#' @param r_function `[function]` What `$fun` is in place of the step's function, as in
#'   [rerun_task()].
#'
#' @return An object that prints what it is and what to type next, with
#' * `$self` what the step's function got: the artifacts at the task's *start*. What is assigned to
#'   it stays in this session.
#' * `$inputs` of a join, else `NULL`.
#' * `$wrote` what the task left when it *ended*, well or not: the artifacts that it had assigned
#'   until then, and those that it had from before. Read-only.
#' * `$fun` the step's function. Its helpers are in an environment between it and the global one, so
#'   the global environment is not touched: a helper that is defined there is not used by `$fun`.
#'   Functions from `code = "script"`, a flow, or [rerun_task()] find the global environment's
#'   first.
#' * `$run(fun = task$fun)` runs the step, as [rerun_task()] does.
#' * `$frames` the frames of your own functions that were kept when it failed, outermost first: an
#'   environment each, with the function's variables, in which `self` is `$wrote`.
#' * `$condition` the R condition that it failed with, or `NULL`.
#' * `$pathspec`, `$attempt`.
#' * `$leave()` undoes what entering changed in this session: environment variables, random numbers,
#'   [current()]. Entering another task does it too.
#'
#' @section Modes:
#' * `"load"` makes everything ready and returns.
#' * `"browser"` runs the step here and stops in the browser at the line of your code that fails,
#'   with the variables that are there.
#' * `"recover"` opens, as [utils::recover()] does, the frames that were kept when the task failed;
#'   nothing is run again. Variables that look like secrets, and what is too large, were left out.
#' * `"source"` puts `self` and `inputs` (or what the function calls them) into the global
#'   environment and the helpers on the search path, and prints the code of the step, to be run line
#'   by line. `$leave()` takes them away.
#'
#' Where there is no prompt to stop at, in a script or a notebook, `"browser"` and `"recover"` say
#' what to do in their place, and return as `"load"` does.
#'
#' A failed task keeps its frames, up to 64 MB of them. `options(metaflow.keep_frames = FALSE)` in
#' the script, or `METAFLOW_KEEP_FRAMES=0`, turns that off.
#'
#' @section Errors:
#' `metaflow_no_frames` if `$frames` is asked for and none were kept;
#' `metaflow_task_not_found`, `metaflow_not_in_namespace`, `metaflow_no_code`; and
#' `metaflow_usage_error` where a step has several tasks to choose from, or its run did not record
#' its graph.
#' @seealso [rerun_task()], `vignette("debugging")`.
#' @examplesIf metaflow:::has_core()
#' old <- setwd(tempdir())
#' flow <- metaflow("DebugFlow") |>
#'   step(step = "start", next_step = "end", r_function = function(self) {
#'     self$x <- 1
#'     self$y <- log("x")
#'   }) |>
#'   step(step = "end")
#' try(run(flow))
#'
#' task <- debug_task("DebugFlow/latest_run/start")
#' task
#' task$wrote$x
#' task$fun
#' task$leave()
#' setwd(old)
#' @export
debug_task <- function(pathspec = NULL, mode = c("load", "browser", "recover", "source"),
                       code = "run", attempt = NULL, r_function = NULL) {
  if (identical(mode, debug_modes)) mode <- "load"
  check_code(code)
  check_count(attempt, "attempt", null = TRUE)
  check_function(r_function, "r_function", null = TRUE)
  call <- rlang::current_env()
  if (!is_string(mode) || !mode %in% debug_modes) {
    abort_argument("mode", sprintf("one of %s", toString(dQuote(debug_modes, FALSE))), mode)
  }
  scene <- enter_task(task_pathspec(pathspec, call), attempt, call)
  scene$given <- code_arguments(match.call())
  entered <- new_entered_task(scene, code_to_call(scene, r_function, code, call), call)
  switch(mode,
    load = entered,
    browser = stop_at_failure(entered, scene, call),
    recover = open_frames(entered),
    source = set_out(entered)
  )
}

debug_modes <- c("load", "browser", "recover", "source")

# The object that stands for a task that was entered.
new_entered_task <- function(scene, fun, call) {
  task <- scene$task
  if (!is.null(the$leave)) the$leave()
  undo <- adopt_session(scene)
  left <- FALSE
  the$leave <- function() {
    if (!left) undo()
    left <<- TRUE
    the$leave <- NULL
    invisible()
  }
  entered <- list2env(
    list(
      pathspec = task$pathspec,
      attempt = task$attempt,
      self = task_self(task, scene$channel),
      inputs = if (task$is_join) task_inputs(task, scene$channel),
      wrote = left_by(scene),
      condition = as_exception(task$exception),
      leave = the$leave
    ),
    parent = emptyenv()
  )
  entered$fun <- fun
  delayedAssign("frames", kept_frames(scene, fun, call), assign.env = entered)
  entered$run <- function(fun = entered$fun) {
    check_function(fun, "fun")
    if (identical(fun, entered$fun)) return(rerun(scene, fun, call))
    scene$given <- code_arguments(list(r_function = substitute(fun)))
    rerun(scene, in_reach(fun, scene), call)
  }
  structure(entered, class = "metaflow_entered_task", scene = scene)
}

#' @export
`$.metaflow_entered_task` <- function(x, name) {
  if (!exists(name, envir = x, inherits = FALSE)) {
    abort_unknown_name(
      sprintf("A task that was entered has no `%s`.", name), name, sort(names(x)),
      class = "unknown_name", call = parent.frame()
    )
  }
  get(name, envir = x, inherits = FALSE)
}

#' @export
format.metaflow_entered_task <- function(x, ...) {
  scene <- attr(x, "scene")
  task <- scene$task
  fields <- list(
    error = describe_exception(task$exception),
    split = describe_split(list(foreach_stack = task$frames)),
    self = some_of(names(x$self)),
    inputs = if (task$is_join) trimws(format(x$inputs)[-1]),
    wrote = some_of(as_text(task$wrote)),
    fun = describe_function(x$fun),
    helpers = some_of(names(scene$payload$helpers)),
    folder = other_folder(scene$payload$directory),
    resumed = if (!is.null(task$origin_pathspec)) paste("cloned from", task$origin_pathspec)
  )
  c(
    sprintf("<entered task %s: %s>", task$pathspec, task$status),
    field_lines(fields, indent = 2),
    "With `task` for this object:",
    field_lines(next_words(task), indent = 2)
  )
}

#' @export
print.metaflow_entered_task <- function(x, ...) {
  cat(format(x, ...), sep = "\n")
  invisible(x)
}

describe_function <- function(fun) {
  if (is.null(fun)) return("none: the step passes through")
  where <- function_source(fun)
  head <- trimws(sub(" *NULL$", "", paste(trimws(deparse(args(fun))), collapse = " ")))
  if (nzchar(where$file)) sprintf("%s at %s:%d", head, where$file, where$line) else head
}

# Where the run was made, if it is not here.
other_folder <- function(directory) {
  if (is.null(directory) || identical(directory, getwd())) return(NULL)
  if (!dir.exists(directory)) return(paste(directory, "(not there)"))
  paste0(directory, "; `$run()` goes there and comes back")
}

next_words <- function(task) {
  arguments <- if (task$is_join) "task$self, task$inputs" else "task$self"
  failed <- identical(task$status, "failed")
  c(list(
    "task$run()" = "run the step here; shows what would differ",
    "debug(task$fun)" = sprintf("then `task$fun(%s)`: go line by line", arguments),
    "task$wrote" = "what it left when it ended"
  ), if (failed) list("task$frames" = "your functions' variables when it failed"))
}
