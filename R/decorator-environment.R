#' Set environment variables for a step
#'
#' They are set in the step's process before its function runs, and in no other step's.
#'
#' @param ... `[character(1)]` One value for each variable, by name. Numbers and logicals are
#'   turned into text as `as.character()` does.
#' @return A decorator for [step()].
#' @section Errors:
#' `metaflow_invalid_argument` for a value without a name, or that is not one value.
#' @examples
#' environment_variables(OMP_NUM_THREADS = 1, STAGE = "test")
#' @export
environment_variables <- function(...) {
  new_decorator("environment", list(vars = list(...)), call = environment())
}
