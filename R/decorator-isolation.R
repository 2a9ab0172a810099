#' Keep a step's tasks apart in another way
#'
#' A task never sees what another one does to its R process. How that is ensured for the tasks of
#' this step may differ from the run's own way, which `run(isolation = )` sets.
#'
#' # Ways
#'
#' * `"fork"`: each task is a copy of one process that has loaded the script's packages and values,
#'   and starts within milliseconds. What such a copy cannot take along works otherwise in it, or
#'   not at all: threads, open connections to databases and servers, graphics devices.
#' * `"process"`: each task is a fresh R process.
#' * `"auto"`: a fork, unless that process has something that a fork cannot take along. Then tasks
#'   are fresh processes, and the run says why. Where the system has no forks that R survives, on
#'   macOS and Windows, tasks are always fresh processes.
#'
#' @param mode `[character(1)]` `"auto"`, `"fork"` or `"process"`.
#' @return A decorator for [step()].
#' @section Errors:
#' `metaflow_invalid_argument` for another word.
#' @examples
#' isolation("process")
#' @export
isolation <- function(mode = c("auto", "fork", "process")) wrap_decorator("isolation")
