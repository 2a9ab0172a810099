#' The newest task that failed
#'
#' Of all runs in the current namespace, see [set_namespace()]. A failure that [catch()] has caught
#' does not count.
#'
#' @param flow `[character(1)]` Name of the flow to look at; `NULL` is all flows.
#' @return A [task_client]; printed, it shows the error, where it came from, and how to enter the
#'   task. Where a run has several failed tasks, it is the one that failed last.
#' @section Errors:
#' `metaflow_not_found` if there is none, or no such flow.
#' @seealso [debug_task()] and [rerun_task()], which take it if they are told no task.
#' @examplesIf metaflow:::has_core()
#' old <- setwd(tempdir())
#' flow <- metaflow("LastFlow") |>
#'   step(step = "start", r_function = function(self) stop("not today"), next_step = "end") |>
#'   step(step = "end")
#' try(run(flow))
#'
#' last_failure("LastFlow")
#' task <- debug_task(last_failure())
#' task$leave()
#' setwd(old)
#' @export
last_failure <- function(flow = NULL) {
  check_string(flow, "flow", null = TRUE)
  task_client$new(last_failed(flow, rlang::current_env()))
}

# Its pathspec.
last_failed <- function(flow, call) {
  pathspec <- ask("last_failure", flow = flow, call = call)
  if (!is.null(pathspec)) return(pathspec)
  where <- if (is.null(flow)) "No task" else sprintf("No task of %s", flow)
  abort(
    c(
      sprintf("%s has failed in the namespace %s.", where, get_namespace() %||% "of all"),
      i = "`set_namespace(NULL)` looks at everybody's runs, `set_metadata()` at another store."
    ),
    class = "not_found", call = call
  )
}
