#' Look at a step of a run
#'
#' A view of the tasks of one step: one task, or in a foreach one for each item.
#'
#' @inheritSection metaflow_object Errors
#' @seealso [tasks()] for the tasks as a data frame.
#' @examplesIf metaflow:::has_core()
#' old <- setwd(tempdir())
#' metaflow("HelloFlow") |>
#'   step(step = "start", r_function = function(self) self$x <- 1, next_step = "end") |>
#'   step(step = "end") |>
#'   run()
#'
#' step <- step_client$new("HelloFlow/latest_run/start")
#' step
#' step$tasks
#' step$task(step$a_task)$artifact("x")
#'
#' # The same, from the run
#' step <- step_client$new(run_client$new("HelloFlow/latest_run"), "start")
#' setwd(old)
#' @export
step_client <- R6::R6Class("StepClient",
  inherit = metaflow_object,
  cloneable = FALSE,
  public = list(
    #' @description Look a step up.
    #' @param ... Either a pathspec such as `"HelloFlow/12/start"`, or a [run_client] and the name
    #'   of one of its steps.
    initialize = function(...) {
      super$initialize(child_pathspec(list(...), "step", "run"))
    },

    #' @description A task of this step.
    #' @param task_id `[character(1)]` Id of the task.
    #' @return A [task_client].
    task = function(task_id) {
      task_client$new(self, task_id)
    },

    #' @description The tasks as a data frame, see [tasks()].
    #' @return A data frame.
    list_tasks = function() {
      tasks(self)
    },

    #' @description The run of this step.
    #' @return A [run_client].
    get_parent = function() {
      run_client$new(parent_pathspec(self$pathspec))
    },

    #' @description One line about the step.
    #' @param ... Not used.
    #' @return `[character(1)]`
    format = function(...) {
      sprintf("<step %s: %s>", self$pathspec, count_of(length(self$tasks), "task"))
    },

    #' @description Print the step in a few lines; if tasks failed, where to look next.
    #' @param ... Not used.
    #' @return The step, invisibly.
    print = function(...) {
      now <- private$now()
      failed <- as_text(now$failed_tasks)
      print_card("step", now$pathspec, describe_status(now), list(
        created = format_time(as_time(now$created_at)),
        tasks = some_of(mark(as_text(now$tasks), basename(failed))),
        tags = some_of(as_text(now$user_tags))
      ))
      hint_at_failure(failed)
      invisible(self)
    },

    #' @description Print how many tasks the step has and when they ran.
    #' @return The step, invisibly.
    summary = function() {
      now <- private$now()
      print_summary("Step", now$pathspec, list(
        "# Tasks" = length(now$tasks),
        "Failed tasks" = some_of(basename(as_text(now$failed_tasks)), Inf),
        "Created at" = format_time(as_time(now$created_at)),
        "Finished at" = format_time(as_time(now$finished_at)),
        "Time" = format_duration(duration_s(now))
      ))
      invisible(self)
    }
  ),
  private = list(
    kind = "step",
    child_ids = "tasks",
    python_class = "Step",
    child = function(id) self$task(id)
  ),
  active = list(
    #' @field super_ The methods of the base class, [metaflow_object].
    super_ = function() super,

    #' @field finished_at `[POSIXct(1)]` When the last of its tasks finished, UTC; `NULL` if one
    #'   has not.
    finished_at = function() as_time(private$fact("finished_at")),

    #' @field status `[character(1)]` `"running"`, `"successful"`, `"failed"` or `"unknown"`, after
    #'   its tasks.
    status = function() private$fact("status"),

    #' @field a_task `[character(1)]` Id of one of the tasks: the first. `NULL` if there is none.
    a_task = function() private$fact("a_task"),

    #' @field tasks `[character]` Ids of all tasks, in the order of the foreach.
    tasks = function() self$get_values(),

    #' @field parent_steps `[character]` Names of the steps that lead to this one.
    parent_steps = function() as_text(private$fact("parent_steps")),

    #' @field child_steps `[character]` Names of the steps that this one leads to.
    child_steps = function() as_text(private$fact("child_steps"))
  )
)
