#' Try a step as it is now
#'
#' Runs one step of a flow in this session, with the functions that the flow has now and the inputs
#' that a task of a past run had. No run is started, so it is quick to repeat while a step is being
#' written, and nothing is stored unless `persist` asks for it. On the command line it is `Rscript
#' flow.R spin fit`.
#'
#' @param flow A flow, see [metaflow()].
#' @param step `[character(1)]` The step; where the flow was given it again, as it was given last.
#'   Its inputs are those of the task that failed in the last run that has come to this step, or of
#'   its first task there. If no run has come to it, what the step before it left in the last run.
#' @param pathspec `[character(1)]` The task whose inputs to take, in place of `step`.
#' @param skip_decorators `[logical(1)]` Whether to leave out the step's environment variables,
#'   which are those that the flow has now.
#' @param persist `[logical(1)]` Whether to keep what the step writes and prints, also if it fails,
#'   as a run of its own in the folder `.metaflow_spin` beside `.metaflow`. [inspect_spin()] makes
#'   the client look there.
#'
#' @return What [rerun_task()] returns: a named list of the artifacts that the step writes, which
#'   prints how each compares with what the task wrote. With `persist`, its attribute `kept` has
#'   the `pathspec` of what is kept, and the `directory`.
#' @section Errors:
#' Those of [rerun_task()]; `metaflow_unknown_step` if the flow has no such step.
#' @seealso [rerun_task()] for a function that is in no flow, [debug_task()] to look around.
#' @examplesIf metaflow:::has_core()
#' old <- setwd(tempdir())
#' flow <- metaflow("SpinFlow") |>
#'   step(step = "start", r_function = function(self) self$x <- 1, next_step = "end") |>
#'   step(step = "end", r_function = function(self) self$y <- self$x + 1)
#' run(flow)
#'
#' flow <- step(flow, step = "end", r_function = function(self) self$y <- self$x + 10)
#' spin(flow, "end")
#' setwd(old)
#' @export
spin <- function(flow, step = NULL, pathspec = NULL, skip_decorators = FALSE,
                 persist = FALSE) {
  check_flow(flow)
  check_flag(skip_decorators, "skip_decorators")
  check_flag(persist, "persist")
  keep <- if (persist) list()
  if (is.null(pathspec)) check_string(step, "step") else check_string(pathspec, "pathspec")
  call <- rlang::current_env()
  code <- code_arguments(list(code = substitute(flow)))
  spin_task(flow, script_functions(), pathspec %||% step, skip_decorators, keep, call, code)
}

# `given` is a step or a pathspec, with or without the flow's name. `keep` is NULL, or a list of
# `run_id_file` for what is to be kept. `code` is the flow as `code_arguments()` tells it.
spin_task <- function(flow, script, given, skip_decorators, keep, call, code) {
  if (!grepl("/", given, fixed = TRUE)) step_of(flow, given, call)
  pathspec <- ask("spin_pathspec", flow = flow$name, given = given, call = call)
  scene <- enter_task(pathspec, call = call)
  scene$given <- code
  step <- step_of(flow, scene$task$step, call)
  scene$task["foreach"] <- list(step$foreach)
  scene$task["condition"] <- list(step$condition)
  scene$task$environment <- if (skip_decorators) list() else environment_of(step)
  if (is.null(keep)) return(rerun_now(flow, step, scene, script, call))
  keeper <- new_keeper(scene, keep$run_id_file, call)
  on.exit(keeper$close())
  rerun <- rerun_now(flow, step, scene, script, call, keeper)
  structure(rerun, kept = keeper$kept())
}

# In a script, the functions with their lines, as a run would get them; in a session, its own, which
# may be marked for the debugger.
rerun_now <- function(flow, step, scene, script, call, keep = no_keeper) {
  if (length(script)) {
    scene$payload <- unserialize(payload(flow, script))
    return(rerun(scene, step_function(scene, "run"), call, keep))
  }
  scene$payload$packages <- character()
  scene$payload$steps[[step$name]] <- list(label = step$label, cases = step$cases)
  rerun(scene, in_reach(session_function(step, script), scene), call, keep)
}

# The environment variables that a step's decorators set.
environment_of <- function(step) {
  is_environment <- vapply(step$decorators, function(each) each$name == "environment", NA)
  lapply(unlist(lapply(step$decorators[is_environment], environment_vars), FALSE), as.character)
}

environment_vars <- function(decorator) decorator$attributes$vars

# Keeping ----------------------------------------------------------------------------------------

no_keeper <- list(
  failed = function(self, error, frames) NULL, made = function(...) NULL, around = identity
)

# Collects what a step prints, and hands it over to the core with what the step made of it.
new_keeper <- function(scene, run_id_file, call) {
  output <- list()
  log <- new_inline_log(list(send = function(bytes) {
    output[[length(output) + 1]] <<- unserialize(bytes)[c("stream", "bytes")]
    TRUE
  }))
  kept <- NULL
  keep <- function(self, failure, outcome = NULL) {
    task <- scene$task
    saved <- save_artifacts(self, task)
    failure <- failure %||% saved$failure
    if (!is.null(failure)) log$add(failure_text(failure))
    log$close()
    kept <<- ask(
      "keep_spin", store = task$store, pathspec = task$pathspec, attempt = task$attempt,
      spool = task$spool, output = output, run_id_file = run_id_file, call = call,
      result = list(
        type = "result", ok = is.null(failure), artifacts = saved$artifacts,
        removed = as.list(saved$removed), outcome = outcome, failure = failure
      )
    )
    tell_kept(kept)
  }
  list(
    failed = function(self, error, frames) keep(self, new_failure(error, "error", frames)),
    made = function(self, task, outcome) keep(self, NULL, outcome),
    around = function(code) with_log(log, code),
    kept = function() kept,
    close = log$close
  )
}

tell_kept <- function(kept) {
  message(
    sprintf("Kept as %s in %s.\n", kept$pathspec, file.path(kept$directory, ".metaflow_spin")),
    sprintf("To look at it: `inspect_spin(\"%s\")`, ", kept$directory),
    sprintf("then `task_client$new(\"%s\")`.", kept$pathspec)
  )
}
