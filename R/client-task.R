#' Look at a task
#'
#' A view of one task of a step: the artifacts that it has at its end, its logs, how it went, why
#' it failed.
#'
#' @inheritSection metaflow_object Errors
#' @examplesIf metaflow:::has_core()
#' old <- setwd(tempdir())
#' flow <- metaflow("FailFlow") |>
#'   step(step = "start", next_step = "end", r_function = function(self) {
#'     self$x <- 1
#'     print("before")
#'     stop("this step fails")
#'   }) |>
#'   step(step = "end")
#' try(run(flow))
#'
#' task <- task_client$new("FailFlow/latest_run/start/1")
#' task
#' task$artifacts
#' task$artifact("x")
#' cat(task$stdout)
#' task$exception
#' task$exception$frames
#' task$log_lines()
#' setwd(old)
#' @export
task_client <- R6::R6Class("TaskClient",
  inherit = metaflow_object,
  cloneable = FALSE,
  public = list(
    #' @description Look a task up.
    #' @param ... Either a pathspec such as `"HelloFlow/12/start/139"`, or a [step_client] and the
    #'   id of one of its tasks.
    initialize = function(...) {
      super$initialize(child_pathspec(list(...), "task", "step"))
    },

    #' @description The value of an artifact, as it was when a step assigned it.
    #' @param name `[character]` Name of the artifact.
    #' @return The value; for several names a named list of values.
    artifact = function(name) {
      check_strings(name, "name")
      if (length(name) == 1) {
        return(load_artifact(paste(self$pathspec, name, sep = "/")))
      }
      lapply(rlang::set_names(name), self$artifact)
    },

    #' @description The log, line by line.
    #' @param stream `[character(1)]` `"stdout"`, `"stderr"` or `"both"`, in the order of time.
    #' @param attempt `[integer(1)]` Attempt, counted from 0; by default the last one.
    #' @return A data frame with a row for each line: `at` (when it was written, UTC; `NA` if not
    #'   known), `source` (`"load"`: it came before the step's own code; else `"runtime"` or
    #'   `"task"`), `stream`, `text`.
    log_lines = function(stream = "both", attempt = NULL) {
      as_data_frame(
        ask("log_lines", pathspec = self$pathspec, stream = stream, attempt = attempt)
      )
    },

    #' @description The step of this task.
    #' @return A [step_client].
    get_parent = function() {
      step_client$new(parent_pathspec(self$pathspec))
    },

    #' @description One line about the task.
    #' @param ... Not used.
    #' @return `[character(1)]`
    format = function(...) {
      sprintf("<task %s: %s>", self$pathspec, private$fact("status"))
    },

    #' @description Print the task in a few lines; if it failed, the error and where it came from.
    #' @param ... Not used.
    #' @return The task, invisibly.
    print = function(...) {
      now <- private$now()
      print_card("task", now$pathspec, describe_status(now), list(
        created = format_time(as_time(now$created_at)),
        split = describe_split(now),
        artifacts = some_of(as_text(now$artifacts)),
        error = describe_exception(now$exception),
        enter = if (!is.null(now$exception)) sprintf("debug_task(\"%s\")", now$pathspec),
        tags = some_of(as_text(now$user_tags))
      ))
      invisible(self)
    },

    #' @description Print how the task went and what it has.
    #' @return The task, invisibly.
    summary = function() {
      now <- private$now()
      print_summary("Task", now$pathspec, list(
        "Status" = now$status,
        "Successful" = now$successful,
        "Created at" = format_time(as_time(now$created_at)),
        "Finished at" = format_time(as_time(now$finished_at)),
        "Time" = format_duration(now$duration_s),
        "Split" = describe_split(now),
        "Attempt" = now$attempt,
        "Error" = describe_exception(now$exception),
        "Objects" = as_text(now$artifacts)
      ))
      invisible(self)
    }
  ),
  private = list(
    kind = "task",
    child_ids = "artifacts",
    python_class = "Task",
    child = function(id) self$artifact(id)
  ),
  active = list(
    #' @field super_ The methods of the base class, [metaflow_object].
    super_ = function() super,

    #' @field status `[character(1)]` `"running"`, `"successful"`, `"failed"`, `"caught"` (it
    #'   failed, and [catch()] let the run go on) or `"unknown"` (its run was lost).
    status = function() private$fact("status"),

    #' @field exception The R condition that made the task fail (see [failures]): its class,
    #'   message, call and fields as they were, and a data frame `frames` (`call`, `file`, `line`)
    #'   with the user's functions, outermost first. For a task that was not written in R, a
    #'   condition of class `metaflow_python_error`. `NULL` if the task did not fail.
    exception = function() as_exception(private$fact("exception")),

    #' @field finished `[logical(1)]` Whether it has ended, well or not.
    finished = function() private$fact("finished"),

    #' @field finished_at `[POSIXct(1)]` When it ended, UTC; `NULL` if it has not.
    finished_at = function() as_time(private$fact("finished_at")),

    #' @field successful `[logical(1)]` Whether it has ended well.
    successful = function() private$fact("successful"),

    #' @field resources What the last attempt used: a list with `cpu_s` `[numeric(1)]` (CPU time, in
    #'   seconds), `peak_memory_bytes` `[numeric(1)]` (largest resident size) and `exit_signal`
    #'   `[integer(1)]` (of the signal that ended it). `NA` is what is not known, or did not happen.
    resources = function() {
      now <- private$now()
      list(
        cpu_s = now$cpu_s %||% NA_real_,
        peak_memory_bytes = as.numeric(now$peak_memory_bytes %||% NA),
        exit_signal = now$exit_signal %||% NA_integer_
      )
    },

    #' @field code What was run, as it was then: a list with `functions` (the step functions by
    #'   name), `helpers`, `packages`, and `script` (`path` and `lines`); for a run that was not
    #'   made with this package, about its code package; `NULL` if there is none.
    code = function() run_code(run_of(self$pathspec), private$fact("code")),

    #' @field index `[integer(1)]` Position in the innermost foreach, counted from 0; `NULL`
    #'   outside of one.
    index = function() private$fact("index"),

    #' @field foreach_stack Data frame with a row for each enclosing foreach, outermost first:
    #'   `step`, `var` (the artifact that was fanned out), `num_splits`, `index` (counted from 0),
    #'   `value` (the item as short text).
    foreach_stack = function() as_rows(private$fact("foreach_stack"), frame_columns),

    #' @field attempt `[integer(1)]` The last attempt, counted from 0.
    attempt = function() private$fact("attempt"),

    #' @field attempts Data frame with a row for each attempt: `number` (counted from 0),
    #'   `started_at`, `finished_at` (UTC), `ok`.
    attempts = function() as_data_frame(private$fact("attempts")),

    #' @field origin_pathspec `[character(1)]` The task that this one was cloned from on resume;
    #'   `NULL` if it was run.
    origin_pathspec = function() private$fact("origin_pathspec"),

    #' @field metadata_dict Named list of the facts that were recorded about the task.
    metadata_dict = function() private$fact("metadata_dict"),

    #' @field runtime_name `[character(1)]` Where it was run from, such as `"dev"`; `NULL` if that
    #'   is not known.
    runtime_name = function() private$fact("runtime_name"),

    #' @field stdout `[character(1)]` What it printed.
    stdout = function() ask("log", pathspec = self$pathspec, stream = "stdout"),

    #' @field stderr `[character(1)]` What it printed to the error stream.
    stderr = function() ask("log", pathspec = self$pathspec, stream = "stderr"),

    #' @field artifacts `[character]` Names of the artifacts that it has.
    artifacts = function() self$get_values(),

    #' @field parents `[character]` Pathspecs of the tasks that it came after.
    parents = function() as_text(private$fact("parents")),

    #' @field children `[character]` Pathspecs of the tasks that came after it.
    children = function() as_text(private$fact("children"))
  )
)

frame_columns <- c("step", "var", "num_splits", "index", "value")

# Where a task is in its foreaches: `split 3 of 4: three`; NULL outside of one.
describe_split <- function(now) {
  one <- function(frame) {
    sprintf("%s %d of %d: %s", frame$var, frame$index + 1L, frame$num_splits, frame$value)
  }
  if (length(now$foreach_stack)) vapply(now$foreach_stack, one, "")
}

# The value of an artifact by its pathspec.
load_artifact <- function(pathspec) {
  # Large values come in a file of this directory and not inside of the answer.
  spool <- tempfile("metaflow-artifact-")
  dir.create(spool)
  on.exit(unlink(spool, recursive = TRUE))
  decode_artifact(ask("artifact", pathspec = pathspec, spool = spool, call = NULL))
}
