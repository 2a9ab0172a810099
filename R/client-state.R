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
      steps = as_data_frame(answer$steps),
      running = as_rows(
        answer$running,
        c("pathspec", "attempt", "worker", "started_at", "pid", "cpu_s", "memory_bytes")
      ),
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
    steps = some_of(describe_progress(x$steps), Inf),
    running = describe_running(x$running),
    waiting = sprintf("%s: %s", x$waiting$task, x$waiting$why)
  ))
  invisible(x)
}

describe_heartbeat <- function(x) {
  if (!is.null(x$at)) sprintf("%s from %s, pid %s", format_time(x$at), x$host, x$pid)
}

# "fit 3 of 8": how many tasks of a step are done.
describe_progress <- function(steps) {
  expected <- ifelse(is.na(steps$expected), "?", steps$expected)
  sprintf("%s %d of %s", steps$step, steps$done, expected)
}

describe_running <- function(running) {
  if (nrow(running)) {
    sprintf(
      "%s (%s) attempt %d, since %s%s",
      running$pathspec, running$worker, running$attempt, format_time(running$started_at),
      ifelse(
        is.na(running$cpu_s), "",
        sprintf(", cpu %.1f s, %.0f MB", running$cpu_s, running$memory_bytes / 1e6)
      )
    )
  }
}
