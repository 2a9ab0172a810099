#' Open flows, runs, steps and tasks from one object
#'
#' Another way to write `flow_client$new()`, `run_client$new()` and so on.
#'
#' @examplesIf metaflow:::has_core()
#' old <- setwd(tempdir())
#' metaflow("HelloFlow") |>
#'   step(step = "start", r_function = function(self) self$x <- 1, next_step = "end") |>
#'   step(step = "end") |>
#'   run()
#'
#' client <- mf_client$new()
#' client
#' client$flow("HelloFlow")$run("latest_run")$step("start")
#' setwd(old)
#' @export
mf_client <- R6::R6Class("MetaflowClient",
  cloneable = FALSE,
  public = list(
    #' @description A flow.
    #' @param flow_id `[character(1)]` Name of the flow.
    #' @return A [flow_client].
    flow = function(flow_id) {
      flow_client$new(flow_id)
    },

    #' @description A run of a flow.
    #' @param flow_client A [flow_client], or the name of a flow.
    #' @param run_id `[character(1)]` Id of the run, or `"latest_run"`, or
    #'   `"latest_successful_run"`.
    #' @return A [run_client].
    run = function(flow_client, run_id) {
      run_client$new(flow_client, run_id)
    },

    #' @description A step of a run.
    #' @param run_client A [run_client], or the pathspec of a run.
    #' @param step_id `[character(1)]` Name of the step.
    #' @return A [step_client].
    step = function(run_client, step_id) {
      step_client$new(run_client, step_id)
    },

    #' @description A task of a step.
    #' @param step_client A [step_client], or the pathspec of a step.
    #' @param task_id `[character(1)]` Id of the task.
    #' @return A [task_client].
    task = function(step_client, task_id) {
      task_client$new(step_client, task_id)
    },

    #' @description One line about what can be seen.
    #' @param ... Not used.
    #' @return `[character(1)]`
    format = function(...) {
      sprintf("<metaflow client: %s>", get_metadata())
    },

    #' @description Print where the client looks, its namespace and the flows there.
    #' @param ... Not used.
    #' @return The client, invisibly.
    print = function(...) {
      print_card("metaflow client", get_metadata(), "", list(
        namespace = get_namespace() %||% "global",
        flows = some_of(list_flows())
      ))
      invisible(self)
    }
  )
)
