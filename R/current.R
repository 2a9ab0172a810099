#' Where this step runs
#'
#' @param value `[character(1)]` What to tell:
#'   `"flow_name"`, `"run_id"`, `"origin_run_id"` (of a resumed run, else NULL), `"step_name"`,
#'   `"task_id"`, `"pathspec"` (`"Flow/run/step/task"`), `"namespace"`, `"username"`,
#'   `"retry_count"` (which attempt, from 0), `"project_name"` and `"branch_name"` (in a
#'   [project()], else NULL), `"tags"` and `"parameter_names"` (character vectors).
#'
#' @return The value; a string, an integer for `"retry_count"`.
#'
#' @section Errors:
#' `metaflow_outside_step` outside of a step; `metaflow_unknown_name` for any other name.
#'
#' @examples
#' start <- function(self) {
#'   self$made_by <- current("pathspec")
#' }
#' @export
current <- function(value) {
  check_string(value, "value")
  if (is.null(the$current)) {
    abort(
      c(
        sprintf("`current(\"%s\")` has an answer only inside of a step.", value),
        i = "Call it in a step's function, while a run is going on."
      ),
      class = "outside_step"
    )
  }
  if (!value %in% current_names) {
    abort_unknown_name(
      sprintf("`current()` does not know `%s`.", value), value, current_names,
      class = "unknown_name"
    )
  }
  answer <- the$current[[value]]
  if (value %in% c("tags", "parameter_names")) as.character(unlist(answer)) else answer
}

current_names <- c(
  "flow_name", "run_id", "origin_run_id", "step_name", "task_id", "pathspec", "namespace",
  "username", "retry_count", "project_name", "branch_name", "tags", "parameter_names"
)
