#' Limit the time of a step
#'
#' An attempt that takes longer is ended and counts as failed; the three times add up. R is
#' interrupted first, as by Ctrl-C: the failure tells where in your functions it was, and what the
#' step has assigned is kept, as at an error. Compiled code that does not look at interrupts, and
#' `system()`, are ended a few seconds later, without that.
#'
#' @param seconds,minutes,hours `[numeric(1)]` Time an attempt may take, >= 0; their sum is > 0.
#' @return A decorator for [step()].
#' @section Errors:
#' `metaflow_invalid_argument` for a value outside its range, or no time at all.
#' @examples
#' timeout(hours = 1, minutes = 30)
#' @export
timeout <- function(seconds = 0L, minutes = 0L, hours = 0L) wrap_decorator("timeout")
