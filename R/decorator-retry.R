#' Try a step again
#'
#' An attempt that fails is followed by another, until `times` attempts more have failed.
#' `current("retry_count")` tells which attempt it is, counted from 0.
#'
#' @param times `[integer(1)]` How many more attempts, from 0 to 4: Metaflow's clients look at six
#'   attempts, one of which is kept for a failure that [catch()] records.
#' @param minutes_between_retries `[numeric(1)]` Wait between two attempts, in minutes, >= 0.
#' @return A decorator for [step()].
#' @section Errors:
#' `metaflow_invalid_argument` for a value below its range; `metaflow_invalid_flow`, when a run
#' starts, for one above it.
#' @examples
#' retry(times = 2, minutes_between_retries = 0)
#' @export
retry <- function(times = 3L, minutes_between_retries = 2L) wrap_decorator("retry")
