#' Try a step as it is now
#'
#' Runs one step of a flow in this session, with the functions that the flow has now and the inputs
#' that a task of a past run had. No run is started and nothing is stored, so it is quick to repeat
#' while a step is being written. On the command line it is `Rscript flow.R spin fit`.
#'
#' @param flow A flow, see [metaflow()].
#' @param step `[character(1)]` The step; where the flow was given it again, as it was given last.
#'   Its inputs are those of the task that failed in the last run that has come to this step, or of
#'   its first task there. If no run has come to it, what the step before it left in the last run.
#' @param pathspec `[character(1)]` The task whose inputs to take, in place of `step`.
#' @param skip_decorators `[logical(1)]` Whether to leave out the step's environment variables.
#'
#' @return What [rerun_task()] returns: a named list of the artifacts that the step writes, which
#'   prints how each compares with what the task wrote.
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
spin <- function(flow, step = NULL, pathspec = NULL, skip_decorators = FALSE) {
  check_flow(flow)
  check_flag(skip_decorators, "skip_decorators")
  if (is.null(pathspec)) check_string(step, "step") else check_string(pathspec, "pathspec")
  spin_task(flow, script_functions(), pathspec %||% step, skip_decorators, rlang::current_env())
}

# `given` is a step or a pathspec, with or without the flow's name.
spin_task <- function(flow, script, given, skip_decorators, call) {
  if (!grepl("/", given, fixed = TRUE)) step_of(flow, given, call)
  pathspec <- ask("spin_pathspec", flow = flow$name, given = given, call = call)
  scene <- enter_task(pathspec, call = call)
  step <- step_of(flow, scene$task$step, call)
  scene$task["foreach"] <- list(step$foreach)
  scene$task["condition"] <- list(step$condition)
  if (skip_decorators) scene$task$environment <- list()
  rerun_now(flow, step, scene, script, call)
}

# In a script, the functions with their lines, as a run would get them; in a session, its own, which
# may be marked for the debugger.
rerun_now <- function(flow, step, scene, script, call) {
  if (length(script)) {
    scene$payload <- unserialize(payload(flow, script))
    return(rerun(scene, step_function(scene, "run"), call))
  }
  scene$payload$packages <- character()
  scene$payload$steps[[step$name]] <- list(label = step$label, cases = step$cases)
  rerun(scene, in_reach(session_function(step, script), scene), call)
}
