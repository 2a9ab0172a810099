#' Look at a flow and its runs
#'
#' A view of all runs of a flow, those in progress and those that failed too.
#'
#' @inheritSection metaflow_object Errors
#' @seealso [runs()] for the runs as a data frame, [list_flows()] for the flows that there are.
#' @examplesIf metaflow:::has_core()
#' old <- setwd(tempdir())
#' metaflow("HelloFlow") |>
#'   step(step = "start", r_function = function(self) self$x <- 1, next_step = "end") |>
#'   step(step = "end") |>
#'   run(tag = "experiment")
#'
#' flow <- flow_client$new("HelloFlow")
#' flow
#' flow$runs
#' flow$run("latest_run")$successful
#' flow$runs_with_tags("experiment")
#' flow$list_runs(status = "successful", limit = 5)
#' setwd(old)
#' @export
flow_client <- R6::R6Class("FlowClient",
  inherit = metaflow_object,
  cloneable = FALSE,
  public = list(
    #' @description Look a flow up.
    #' @param flow_id `[character(1)]` Name of the flow.
    initialize = function(flow_id) {
      super$initialize(as_id(flow_id, "flow_id", quote(flow_client$new())))
    },

    #' @description A run of this flow.
    #' @param run_id `[character(1)]` Id of the run, or `"latest_run"`, or
    #'   `"latest_successful_run"`.
    #' @return A [run_client].
    run = function(run_id) {
      run_client$new(self, run_id)
    },

    #' @description The runs that have all of some tags, newest first.
    #' @param ... `[character]` Tags.
    #' @return A list of [run_client]s.
    runs_with_tags = function(...) {
      found <- self$list_runs(tags = c(...))
      lapply(found$pathspec, run_client$new)
    },

    #' @description The runs as a data frame, see [runs()].
    #' @param tags,since,until,status,limit Which runs, see [runs()].
    #' @return A data frame.
    list_runs = function(tags = NULL, since = NULL, until = NULL, status = NULL, limit = NULL) {
      runs(self, tags, since, until, status, limit)
    },

    #' @description One line about the flow.
    #' @param ... Not used.
    #' @return `[character(1)]`
    format = function(...) {
      sprintf("<flow %s: %s>", self$id, count_of(length(self$runs), "run"))
    },

    #' @description Print the flow in a few lines.
    #' @param ... Not used.
    #' @return The flow, invisibly.
    print = function(...) {
      now <- private$now()
      print_card("flow", now$pathspec, "", list(
        runs = length(now$runs),
        latest = now$latest_run,
        successful = now$latest_successful_run,
        created = format_time(as_time(now$created_at))
      ))
      invisible(self)
    },

    #' @description Print when the flow was made, its latest runs and how many there are.
    #' @return The flow, invisibly.
    summary = function() {
      now <- private$now()
      print_summary("Flow", now$id, list(
        "Created at" = format_time(as_time(now$created_at)),
        "Latest run" = now$latest_run,
        "Latest successful run" = now$latest_successful_run,
        "Runs" = length(now$runs)
      ))
      invisible(self)
    }
  ),
  private = list(
    kind = "flow",
    child_ids = "runs",
    python_class = "Flow",
    child = function(id) self$run(id)
  ),
  active = list(
    #' @field super_ The methods of the base class, [metaflow_object].
    super_ = function() super,

    #' @field finished_at `[POSIXct(1)]` When the newest run reached its end, UTC; `NULL` if it has
    #'   not.
    finished_at = function() as_time(private$fact("finished_at")),

    #' @field latest_run `[character(1)]` Id of the newest run, finished or not; `NULL` if there is
    #'   none.
    latest_run = function() private$fact("latest_run"),

    #' @field latest_successful_run `[character(1)]` Id of the newest run that succeeded; `NULL` if
    #'   none has.
    latest_successful_run = function() private$fact("latest_successful_run"),

    #' @field runs `[character]` Ids of all runs, newest first.
    runs = function() self$get_values()
  )
)

#' Open a flow, a run, a step or a task by its ids
#'
#' The same as [flow_client], [run_client], [step_client] and [task_client] with `$new()`.
#'
#' @param flow_id `[character(1)]` Name of the flow.
#' @param run_id `[character(1)]` Id of the run, or `"latest_run"`, or `"latest_successful_run"`.
#' @param step_id `[character(1)]` Name of the step.
#' @param task_id `[character(1)]` Id of the task.
#' @return A [flow_client], [run_client], [step_client] or [task_client].
#' @inheritSection metaflow_object Errors
#' @examplesIf metaflow:::has_core()
#' old <- setwd(tempdir())
#' metaflow("HelloFlow") |>
#'   step(step = "start", r_function = function(self) self$x <- 1, next_step = "end") |>
#'   step(step = "end") |>
#'   run()
#'
#' new_flow("HelloFlow")
#' new_task("HelloFlow", "latest_run", "start", "1")$artifacts
#' setwd(old)
#' @export
new_flow <- function(flow_id) {
  flow_client$new(flow_id)
}

#' @rdname new_flow
#' @export
new_run <- function(flow_id, run_id) {
  run_client$new(flow_id, run_id)
}

#' @rdname new_flow
#' @export
new_step <- function(flow_id, run_id, step_id) {
  step_client$new(new_run(flow_id, run_id), step_id)
}

#' @rdname new_flow
#' @export
new_task <- function(flow_id, run_id, step_id, task_id) {
  task_client$new(new_step(flow_id, run_id, step_id), task_id)
}

#' Names of the flows that have been run
#'
#' @return `[character]` Names of all flows in the datastore; in a namespace, of those with a run
#'   in it.
#' @seealso [set_namespace()], [set_metadata()]
#' @examplesIf metaflow:::has_core()
#' old <- setwd(tempdir())
#' metaflow("HelloFlow") |>
#'   step(step = "start", r_function = function(self) self$x <- 1, next_step = "end") |>
#'   step(step = "end") |>
#'   run()
#'
#' list_flows()
#' setwd(old)
#' @export
list_flows <- function() {
  as_text(ask("list_flows"))
}
