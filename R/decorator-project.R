#' Put a flow into a project
#'
#' Flows of one project share a namespace for each branch; `current("project_name")` and
#' `current("branch_name")` tell which it is.
#'
#' @param name `[character(1)]` Lower-case letters, digits and underscores.
#' @param branch `[character(1)]` Branch of the project; by default the user's own.
#' @param production `[logical(1)]` Whether it is the production branch.
#' @return A decorator for [metaflow()].
#' @section Errors:
#' `metaflow_invalid_argument` for a value that is not of its kind.
#' @examples
#' metaflow("TrainFlow", project(name = "churn"))
#' @export
project <- function(name, branch = NULL, production = FALSE) {
  if (missing(name)) abort_argument("name", "the project's name")
  wrap_decorator("project")
}
