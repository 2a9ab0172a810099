#' Workflows that remember every run
#'
#' Write a workflow as a value with [metaflow()], [step()] and [parameter()], start it with [run()],
#' and read what it made with the clients, such as [run_client]. Inside of a step, `self` holds the
#' artifacts (see [artifacts]), [current()] tells where the step runs, and a join reads its `inputs`
#' with [gather_inputs()] and [merge_artifacts()].
#'
# Not "_PACKAGE": roxygen2 would give this page the alias `metaflow`, which is a function's.
#' @name metaflow-package
#' @aliases metaflow-package
#' @keywords internal
#' @importFrom R6 R6Class
#' @importFrom grDevices dev.list graphics.off
#' @useDynLib metaflow, .registration = TRUE
NULL
