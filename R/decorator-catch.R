#' Go on without a step that fails
#'
#' When its last attempt has failed, in whatever way (see [failures]), the step counts as done, with
#' the artifacts that its parents passed on. A join can ask which inputs failed by reading `var`.
#'
#' @param var `[character(1)]` Name of an artifact that is the R condition if the step failed, and
#'   NULL if it did not. By default, none.
#' @param print_exception `[logical(1)]` Whether the error is printed to the log.
#' @return A decorator for [step()].
#' @section Errors:
#' `metaflow_invalid_argument` for a value that is not of its kind.
#' @examples
#' catch(var = "failure")
#' @export
catch <- function(var = NULL, print_exception = TRUE) wrap_decorator("catch")
