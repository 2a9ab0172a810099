#' Workflows that remember every run
#'
#' Write a workflow as a value with [metaflow()], [step()] and [parameter()], start it with [run()],
#' and read what it made with the clients, such as [run_client]. Inside of a step, `self` holds the
#' artifacts (see [artifacts]), [current()] tells where the step runs, and a join reads its `inputs`
#' with [gather_inputs()] and [merge_artifacts()].
#'
#' @keywords internal
"_PACKAGE"
