#' Run a deployed flow by the clock
#'
#' In force where the flow is deployed; a local run stores it. Without an argument, daily.
#'
#' @param cron `[character(1)]` Times in EventBridge syntax, such as `"0 10 * * ? *"`.
#' @param daily,hourly,weekly `[logical(1)]` At midnight, at each full hour, on Sunday.
#' @param timezone `[character(1)]` Name of the time zone; by default UTC.
#' @return A decorator for [metaflow()].
#' @section Errors:
#' `metaflow_invalid_argument` for a value that is not of its kind, or several times at once.
#' @examples
#' metaflow("ReportFlow", schedule(daily = TRUE))
#' metaflow("ReportFlow", schedule(cron = "0 10 * * ? *", timezone = "Europe/Berlin"))
#' @export
schedule <- function(cron = NULL, daily = FALSE, hourly = FALSE, weekly = FALSE,
                     timezone = NULL) {
  wrap_decorator("schedule")
}
