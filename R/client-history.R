#' Runs of a flow as a data frame
#'
#' @param flow A [flow_client], or the name of a flow.
#' @param tags `[character]` Only runs that have all of these tags, the user's or the system's.
#' @param since,until `[POSIXct(1)]` Only runs made at `since` or later, and before `until`. A
#'   `Date` and a string such as `"2026-11-21"` or `"2026-11-21 14:30"` are read as UTC.
#' @param status `[character]` Only runs of these states: `"running"`, `"successful"`, `"failed"`,
#'   `"lost"`, `"unknown"`.
#' @param limit `[integer(1)]` At most so many, the newest.
#' @return A data frame with a row for each run of the current namespace, newest first: `run_id`,
#'   `pathspec`, `user`, `status`, `created_at` and `finished_at` (UTC), `duration_s`, `tags` (the
#'   user's, a list of character vectors), `origin_run_id` (of a resumed run).
#' @inheritSection metaflow_object Errors
#' @seealso [tasks()], [flow_client]
#' @examplesIf metaflow:::has_core()
#' old <- setwd(tempdir())
#' metaflow("HelloFlow") |>
#'   step(step = "start", r_function = function(self) self$x <- 1, next_step = "end") |>
#'   step(step = "end") |>
#'   run(tag = "experiment")
#'
#' runs("HelloFlow", status = "successful", since = Sys.Date() - 7)
#' runs("HelloFlow", tags = "experiment", limit = 10)
#' setwd(old)
#' @export
runs <- function(flow, tags = NULL, since = NULL, until = NULL, status = NULL, limit = NULL) {
  check_strings(tags, "tags", null = TRUE)
  check_states(status)
  check_count(limit, "limit", null = TRUE)
  as_data_frame(ask("runs",
    flow = as_pathspec(flow, "flow"), tags = as.list(tags),
    since = as_instant(since, "since"), until = as_instant(until, "until"),
    status = as.list(status), limit = if (!is.null(limit)) as.integer(limit)
  ))
}

#' Tasks of a run or a step as a data frame
#'
#' @param run_or_step A [run_client] or [step_client], or the pathspec of one.
#' @return A data frame with a row for each task, in the order of the graph and then of the foreach:
#'   `pathspec`, `step`, `task_id`, `index` (position in the innermost foreach, counted from 0),
#'   `status`, `attempt` (the last one, counted from 0), `created_at` and `finished_at` (UTC),
#'   `duration_s`, `cpu_s`, `peak_memory_bytes` (largest resident size), `exit_signal` (of the last
#'   attempt; `NA` if not known or none), `tags` (the user's, a list of character vectors),
#'   `message` (of its error).
#' @inheritSection metaflow_object Errors
#' @seealso [runs()], [run_client], [step_client]
#' @examplesIf metaflow:::has_core()
#' old <- setwd(tempdir())
#' metaflow("HelloFlow") |>
#'   step(step = "start", r_function = function(self) self$x <- 1, next_step = "end") |>
#'   step(step = "end") |>
#'   run()
#'
#' tasks("HelloFlow/latest_run")
#' tasks(step_client$new("HelloFlow/latest_run/start"))
#' setwd(old)
#' @export
tasks <- function(run_or_step) {
  as_data_frame(ask("tasks",
    pathspec = as_pathspec(run_or_step, c("run", "step"), "run_or_step")
  ))
}

check_states <- function(status, call = rlang::caller_env()) {
  known <- c("running", "successful", "failed", "lost", "unknown")
  if (!all(status %in% known)) {
    must <- paste(dQuote(known, FALSE), collapse = ", ")
    abort_argument("status", paste("some of", must), status, call = call)
  }
}

# A point in time as seconds since 1970.
as_instant <- function(x, name, call = rlang::caller_env()) {
  if (is.null(x)) {
    return(NULL)
  }
  time <- tryCatch(as.POSIXct(x, tz = "UTC"), error = function(error) NA)
  if (length(time) != 1 || is.na(time)) {
    abort_argument(
      name, "a time, a date, or a string such as \"2026-11-21 14:30\"", x, call = call
    )
  }
  as.numeric(time)
}
