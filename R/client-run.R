#' Look at a run
#'
#' A view of one run of a flow: its steps, its results, how it went. A run in progress and one that
#' failed can be looked at like any other.
#'
#' @inheritSection metaflow_object Errors
#' @seealso [tasks()] for the tasks as a data frame.
#' @examplesIf metaflow:::has_core()
#' old <- setwd(tempdir())
#' metaflow("HelloFlow") |>
#'   step(step = "start", r_function = function(self) self$x <- 1, next_step = "end") |>
#'   step(step = "end") |>
#'   run()
#'
#' run <- run_client$new("HelloFlow/latest_run")
#' run
#' run$steps
#' run$artifact("x")
#' run$add_tag("published")
#' run$tasks()
#'
#' # The same, from the flow
#' run <- run_client$new(flow_client$new("HelloFlow"), "latest_run")
#' setwd(old)
#' @export
run_client <- R6::R6Class("RunClient",
  inherit = metaflow_object,
  cloneable = FALSE,
  public = list(
    #' @description Look a run up.
    #' @param ... Either a pathspec such as `"HelloFlow/12"`, or a [flow_client] and the id of one
    #'   of its runs. For the id, `"latest_run"` and `"latest_successful_run"` may be written.
    initialize = function(...) {
      super$initialize(child_pathspec(list(...), "run", "flow"))
    },

    #' @description A step of this run.
    #' @param step_id `[character(1)]` Name of the step.
    #' @return A [step_client].
    step = function(step_id) {
      step_client$new(self, step_id)
    },

    #' @description The result of the run: an artifact of its end step.
    #' @param name `[character]` Name of the artifact.
    #' @return The value as it was when the step assigned it; for several names a named list of
    #'   values.
    artifact = function(name) {
      end <- self$end_task
      if (is.null(end)) abort_no_end_task(self$pathspec)
      task_client$new(paste(self$pathspec, "end", end, sep = "/"))$artifact(name)
    },

    #' @description The tasks as a data frame, see [tasks()].
    #' @return A data frame.
    tasks = function() {
      tasks(self)
    },

    #' @description What the run is doing now, also when another session or machine runs it.
    #' @return A list that prints well: `pathspec`; `status`; `at`, `host` and `pid` of its last
    #'   heartbeat (time in UTC; `NULL` if it sends none); `tasks`, counts by status; `steps`, a
    #'   data frame with how many tasks of each `step` are `done`, `failed` and `running`, and how
    #'   many are `expected`; `running`, a data frame with `pathspec`, `attempt`, `worker`,
    #'   `started_at` (UTC) and, for a run on this machine, `pid`, `cpu_s` and `memory_bytes` of
    #'   the attempts that run; `waiting`, a data frame with `task` and `why`.
    state = function() {
      as_run_state(ask("run_state", pathspec = self$pathspec))
    },

    #' @description Add tags.
    #' @param tag `[character]` Tags to add; those that the run has are left as they are.
    #' @return The run, invisibly. An error of class `metaflow_invalid_tag` if a tag is not valid.
    add_tag = function(tag) {
      check_strings(tag, "tag")
      ask("tag", pathspec = self$pathspec, add = as.list(tag), remove = list())
      invisible(self)
    },

    #' @description Remove tags.
    #' @param tag `[character]` Tags to remove; those that the run does not have are passed over.
    #' @return The run, invisibly. An error of class `metaflow_invalid_tag` for a system tag.
    remove_tag = function(tag) {
      check_strings(tag, "tag")
      ask("tag", pathspec = self$pathspec, add = list(), remove = as.list(tag))
      invisible(self)
    },

    #' @description Remove tags and add others, in one change.
    #' @param remove,add `[character]` Tags to remove, and to add; a tag in both is added.
    #' @return The run, invisibly. An error of class `metaflow_invalid_tag` as above.
    replace_tags = function(remove, add) {
      check_strings(remove, "remove")
      check_strings(add, "add")
      ask("tag", pathspec = self$pathspec, add = as.list(add), remove = as.list(remove))
      invisible(self)
    },

    #' @description The flow of this run.
    #' @return A [flow_client].
    get_parent = function() {
      flow_client$new(parent_pathspec(self$pathspec))
    },

    #' @description One line about the run.
    #' @param ... Not used.
    #' @return `[character(1)]`
    format = function(...) {
      sprintf("<run %s: %s>", self$pathspec, private$fact("status"))
    },

    #' @description Print the run in a few lines; for a failed run, where to look next.
    #' @param ... Not used.
    #' @return The run, invisibly.
    print = function(...) {
      now <- private$now()
      failed <- as_text(now$failed_tasks)
      print_card("run", now$pathspec, describe_status(now), list(
        created = created_by(now),
        steps = some_of(mark(as_text(now$steps), basename(dirname(failed)))),
        artifacts = some_of(as_text(now$artifacts)),
        tags = some_of(as_text(now$user_tags))
      ))
      hint_at_failure(failed)
      invisible(self)
    },

    #' @description Print how the run went: parameters, code, author, tags, artifacts.
    #' @return The run, invisibly.
    summary = function() {
      now <- private$now()
      print_summary("Run", now$pathspec, list(
        "Status" = now$status,
        "Successful" = now$successful,
        "Created at" = created_by(now),
        "Finished at" = format_time(as_time(now$finished_at)),
        "Time" = format_duration(now$duration_s),
        "Steps" = some_of(as_text(now$steps), Inf),
        "Failed tasks" = as_text(now$failed_tasks),
        "Parameters" = some_of(format_values(self$parameters), Inf),
        "Code" = now$code$sha,
        "Tags" = some_of(as_text(now$user_tags), Inf),
        "System tags" = some_of(as_text(now$system_tags), Inf),
        "Artifacts" = some_of(as_text(now$artifacts), Inf)
      ))
      invisible(self)
    }
  ),
  private = list(
    kind = "run",
    child_ids = "steps",
    python_class = "Run",
    child = function(id) self$step(id)
  ),
  active = list(
    #' @field origin_run_id `[character(1)]` Id of the run that this one resumed; `NULL` if it
    #'   resumed none.
    origin_run_id = function() private$fact("origin_run_id"),

    #' @field user `[character(1)]` Who ran it.
    user = function() private$at$user,

    #' @field failed_tasks `[character]` Pathspecs of the tasks that failed.
    failed_tasks = function() as_text(private$fact("failed_tasks")),

    #' @field super_ The methods of the base class, [metaflow_object].
    super_ = function() super,

    #' @field status `[character(1)]` `"running"`, `"successful"`, `"failed"`, `"lost"` (its process
    #'   died before it could say how it ended) or `"unknown"`: not finished, and not heard of for a
    #'   while.
    status = function() private$fact("status"),

    #' @field code What was run, as it was then: a list with `functions` (the step functions by
    #'   name), `helpers`, `packages`, and `script` (`path` and `lines`); for a run that was not
    #'   made with this package, about its code package; `NULL` if there is none.
    code = function() run_code(self$pathspec, private$fact("code")),

    #' @field end_task `[character(1)]` Id of the task of the step `end`; `NULL` if it has not
    #'   been reached.
    end_task = function() private$fact("end_task"),

    #' @field finished `[logical(1)]` Whether the step `end` has finished.
    finished = function() private$fact("finished"),

    #' @field finished_at `[POSIXct(1)]` When it has, UTC; `NULL` if it has not.
    finished_at = function() as_time(private$fact("finished_at")),

    #' @field successful `[logical(1)]` Whether the step `end` has succeeded.
    successful = function() private$fact("successful"),

    #' @field steps `[character]` Names of the steps that have tasks, in the order of the graph.
    steps = function() self$get_values(),

    #' @field artifacts `[character]` Names of the artifacts of the step `end`; empty if it has not
    #'   been reached.
    artifacts = function() as_text(private$fact("artifacts")),

    #' @field parameters Named list of the values of the run's parameters; `NULL` for one that had
    #'   no value.
    parameters = function() {
      names <- as_text(private$fact("parameters"))
      lapply(rlang::set_names(names), function(name) {
        tryCatch(
          load_artifact(paste(self$pathspec, "_parameters", "0", name, sep = "/")),
          metaflow_artifact_not_found = function(error) NULL
        )
      })
    }
  )
)

abort_no_end_task <- function(pathspec) {
  abort(
    c(
      sprintf("Run %s has no results yet: it has not reached its step `end`.", pathspec),
      i = sprintf("See how it stands: `run_client$new(\"%s\")$state()`.", pathspec)
    ),
    class = c("task_not_found", "not_found"), pathspec = pathspec, call = NULL
  )
}
