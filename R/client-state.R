# What a run is doing: how its tasks stand, and what its last heartbeat told.

as_run_state <- function(answer) {
  structure(
    list(
      pathspec = answer$pathspec,
      status = answer$status,
      at = as_time(answer$at),
      host = answer$host,
      pid = answer$pid,
      tasks = vapply(answer$tasks, as.integer, 0L),
      running = as_rows(answer$running, c("pathspec", "attempt", "worker", "started_at")),
      waiting = as_rows(answer$waiting, c("task", "why"))
    ),
    class = "metaflow_run_state"
  )
}

#' @export
format.metaflow_run_state <- function(x, ...) {
  sprintf("<state of run %s: %s>", x$pathspec, x$status)
}

#' @export
print.metaflow_run_state <- function(x, ...) {
  print_card("state of run", x$pathspec, x$status, list(
    heard = describe_heartbeat(x),
    tasks = some_of(sprintf("%d %s", x$tasks, names(x$tasks))),
    running = describe_running(x$running),
    waiting = sprintf("%s: %s", x$waiting$task, x$waiting$why)
  ))
  invisible(x)
}

describe_heartbeat <- function(x) {
  if (!is.null(x$at)) sprintf("%s from %s, pid %s", format_time(x$at), x$host, x$pid)
}

describe_running <- function(running) {
  if (nrow(running)) {
    sprintf(
      "%s (%s) attempt %d, since %s",
      running$pathspec, running$worker, running$attempt, format_time(running$started_at)
    )
  }
}
