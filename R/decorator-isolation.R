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
#' * `"inline"`: not kept apart at all. Tasks run one after another in the session that called
#'   [run()], so that `browser()`, `debug()`, breakpoints of an editor, `Rprof()` and profvis see
#'   them; `run(inline = TRUE)` asks for it. See the section below.
#'
#' # Inline
#'
#' A task finds the session as it is: its global environment, options and packages. What it does to
#' options, environment variables, the working directory, attached packages, the random stream and
#' [sink()] is undone after it; what it assigns in the global environment, and packages that it
#' loads, stay. Results, logs, retries, `catch()` and a later resume are the same as otherwise, and
#' for one seed so are the results. What differs:
#'
#' * With `options(error = recover)`, or another handler, a step that fails calls it at the error.
#' * The log keeps what R prints, its messages and its warnings. What C code and other programs
#'   print, and what is written to `stderr()`, is only seen.
#' * `timeout()` ends a task where R looks for interrupts, and else when its function returns; time
#'   at a browser's prompt counts.
#' * Nothing else happens meanwhile: other tasks' output waits, and after some minutes the run is
#'   shown as one of which nothing is known.
#' * `quit()` ends the session, and so does a crash. Ctrl-C, and `Q` in a browser, end the run.
#'
#' Steps with an `isolation()` of their own keep it.
#'
#' @param mode `[character(1)]` `"auto"`, `"fork"`, `"process"` or `"inline"`.
#' @return A decorator for [step()].
#' @section Errors:
#' `metaflow_invalid_argument` for another word.
#' @examples
#' isolation("process")
#' @export
isolation <- function(mode = c("auto", "fork", "process", "inline")) wrap_decorator("isolation")
