#' Run a flow
#'
#' Runs the flow, resumes it, or does another thing that its command line can do. In a script that
#' is called with `Rscript flow.R`, the words of the terminal come first: `Rscript flow.R resume`
#' resumes whatever the arguments of `run()` say, and `Rscript flow.R run --alpha 0.6` sets
#' `alpha` to 0.6. Arguments and options are the same thing: `run(max_workers = 4)` is
#' `run --max-workers 4`.
#'
#' # What it prints
#'
#' Each line that a task prints appears at once, with the time and `[run/step/task (pid n)]`. A
#' foreach of 50 tasks or more says now and then how far it has come, such as
#' `fit: 412 of 1000 done, 2 failed, 16 running, 95 tasks/s, about 6 s left`: on a terminal with
#' colours in one line below all others, elsewhere in a line for each tenth, or every ten seconds. A
#' run that fails ends with a short report: the step, its R error with file and line, what else
#' was stopped, and what to type to enter the task, to see its log and to resume. In a session,
#' [rlang::last_trace()] has the calls that led to `run()` and those in the task.
#'
#' # Exit codes
#'
#' Under `Rscript`, an error that nothing catches ends the script with status 1 if a task failed,
#' 2 if the command line was wrong, and 130 if the run was interrupted.
#'
#' @param flow A flow, made with [metaflow()].
#' @param ... Arguments by name. Those of the command line have dashes in place of underscores:
#'   `max_workers` is `--max-workers`.
#'
#'   For a run:
#'   * any parameter of the flow, such as `alpha = 0.6`;
#'   * `max_workers` `[integer(1)]` Tasks that may run at once, >= 1; 16, and 1 with `inline`.
#'   * `max_num_splits` `[integer(1)]` Largest foreach that is let through, >= 1; 100.
#'   * `tag` `[character]` Tags of the run.
#'   * `with` `[character]` Decorators for every step that does not have them, such as
#'     `"retry:times=2"`.
#'   * `seed` `[integer(1)]` Seed of the tasks' random numbers; by default a random one.
#'   * `on_error` `[character(1)]` `"stop"`: a task that fails stops the run; `"continue"`: what
#'     does not depend on it is finished first.
#'   * `isolation` `[character(1)]` How tasks are kept apart on this machine, see [isolation()];
#'     `"auto"`.
#'   * `inline` `[logical(1)]` Whether to run the tasks one after another in this session, where
#'     `browser()`, `debug()` and profilers see them, see [isolation()]; FALSE.
#'   * `namespace` `[character(1)]` Namespace of the run; `"user:<name>"`.
#'   * `run_id_file` `[character(1)]` File that gets the run's id.
#'   * `preflight` `[logical(1)]` Whether to look through the functions of the steps first, and warn
#'     of calls that lead nowhere and artifacts that nothing writes; TRUE.
#'   * `quiet` `[logical(1)]` Whether to print only what tasks print.
#'   * `datastore_root` `[character(1)]` Directory that holds, or gets, the folder `.metaflow`.
#'
#'   To resume:
#'   * `resume` `[logical(1)]` or `[character(1)]` TRUE to run again what failed, or a step to begin
#'     at. Parameters cannot be given: they are those of the origin.
#'   * `origin_run_id` `[character(1)]` The run to resume; by default the last one made here.
#'   * `plan` `[logical(1)]` Whether to print, in place of resuming, what would run and why.
#'
#'   To look, in place of running:
#'   * `show`, `check`, `help` `[logical(1)]` Show the steps; check the graph and the
#'     functions; list the commands.
#'   * `logs` `[character(1)]` Show what tasks printed, such as `"153/b"` or `"latest_run/b/3"`.
#'   * `dump` `[character(1)]` Show the artifacts of tasks.
#'
#'   And `other_args` `[character(1)]`, further words of the command line.
#' @return Invisibly, an object that equals 0, with `$run_id`, `$pathspec`, `$status` and `$run`,
#'   a [run_client].
#' @section Errors:
#' * `metaflow_run_failed`: a task failed; with `run_id`, `pathspec`, `failed` (a list with the
#'   pathspec, message, call and frames of each task that failed), and as its parent the R
#'   condition of the first of them (see [failures]).
#' * `metaflow_run_interrupted`: the run was interrupted.
#' * `metaflow_invalid_flow`: the graph or a decorator is wrong; every problem is listed.
#' * `metaflow_usage_error`: an argument or an option is wrong, or there is no run to resume.
#' * `metaflow_not_sendable`, `metaflow_too_large`, `metaflow_package_missing`: a helper or a
#'   package of the script cannot be had in another process.
#' * `metaflow_store_unavailable`: the disk is full, read-only or gone.
#' * `metaflow_no_python`: the core cannot be loaded, see [install_metaflow()].
#' @seealso `vignette("metaflow")` for a first flow, `vignette("tutorial-4-failure-and-resume")` for
#'   a failed one.
#' @examplesIf metaflow:::has_core()
#' old <- setwd(tempdir())
#' flow <- metaflow("HelloFlow") |>
#'   parameter("alpha", default = 0.1) |>
#'   step(step = "start", next_step = "end",
#'        r_function = function(self) self$x <- 10 * self$alpha) |>
#'   step(step = "end", r_function = function(self) print(self$x))
#'
#' result <- run(flow, alpha = 0.6)
#' result == 0
#' result$run$artifact("x")
#'
#' run(flow, show = TRUE)
#' run(flow, resume = "end", plan = TRUE)
#' setwd(old)
#' @export
run <- function(flow = NULL, ...) {
  check_flow(flow)
  if (the$hands_over_flow) hand_over(flow)
  options <- check_run_options(list(...))
  call <- environment()
  script <- script_file()
  answer <- tryCatch(
    command(flow, options, script, name_of_flow(substitute(flow)), call),
    metaflow_error = function(error) error
  )
  error <- if (inherits(answer, "error")) answer else run_error(answer, call)
  if (!is.null(error)) give_up(error, in_script = !is.null(script))
  invisible(new_run_result(answer))
}

# Asks the core to do what the terminal and the arguments say; plain data, see the operation
# `command` in `bridge/run.py`.
command <- function(flow, options, script, variable, call) {
  failed <- NULL
  argv <- if (is.null(script)) character() else commandArgs(trailingOnly = TRUE)
  ahead <- start_ahead(argv, options)
  on.exit(end_ahead(ahead))
  # Looked at once: the spec and the payload both need the lines of its functions.
  code <- script_functions()
  evaluate <- function(name, question, ...) {
    arguments <- unserialize(as.raw(question))
    answer <- tryCatch(
      list(value = answer_core(flow, code, name, arguments, ...)),
      error = function(error) {
        failed <<- error
        list(failed = conditionMessage(error))
      }
    )
    serialize(answer, NULL, version = 2)
  }
  tryCatch(
    ask_live(
      "command",
      spec = as_spec(flow, code),
      session = session_facts(),
      options = options,
      terminal = list(
        argv = as.list(argv),
        script = if (is.null(script)) "" else paste("Rscript", script),
        variable = variable,
        colour = wants_colour()
      ),
      ahead = describe_ahead(ahead),
      emit = emit,
      evaluate = evaluate,
      call = call
    ),
    # What R itself raised is better than the core's account of it.
    metaflow_r_failed = function(error) stop(failed)
  )
}

# What the user calls the flow: its variable, or "flow" for one that came through a pipe.
name_of_flow <- function(expression) {
  is_variable <- is.symbol(expression) && expression != quote(.)
  if (is_variable) deparse(expression, backtick = TRUE) else "flow"
}

# `hear` and `say` come with an attempt, see `serve_inline()`.
answer_core <- function(flow, code, name, arguments, hear, say) {
  switch(name,
    payload = payload(flow, code),
    code = code_texts(arguments$pathspec),
    preflight = preflight(flow, code, sends = arguments$sends),
    attempt = serve_inline(inline_payload(flow, code), hear, say),
    spin = {
      keep <- if (isTRUE(arguments$persist)) list(run_id_file = arguments$run_id_file)
      print(spin_task(
        flow, code, arguments$given, arguments$skip_decorators, keep, call = NULL,
        code = code_arguments(list(code = "script"))
      ))
      NULL
    },
    default = evaluate_default(flow, arguments$name, arguments$context)
  )
}

emit <- function(text, stream) {
  if (stream == "stderr") cat(text, file = stderr()) else cat(text)
  utils::flush.console()
  NULL
}

session_facts <- function() {
  list(
    version = paste(R.version$major, R.version$minor, sep = "."),
    package_version = as.character(utils::packageVersion("metaflow")),
    rscript = rscript_path(),
    scripts = dirname(system.file("worker.R", package = "metaflow", mustWork = TRUE)),
    libraries = as.list(.libPaths()),
    working_dir = getwd()
  )
}

check_run_options <- function(options) {
  given <- names(options)
  if (length(options) && (is.null(given) || !all(nzchar(given)))) {
    abort(
      c("Arguments of `run()` must be named.", i = "Write `run(alpha = 0.6, max_workers = 4)`."),
      class = "usage_error"
    )
  }
  options
}

# The script that `Rscript` was called with, or NULL: only then the words after it are ours. An
# IDE, a notebook kernel, `Rscript -e` and a script that knits a document have words of their own.
script_file <- function() {
  if (interactive() || isTRUE(getOption("knitr.in.progress"))) {
    return(NULL)
  }
  file <- grep("^--file=", commandArgs(), value = TRUE)
  if (length(file)) sub("^--file=", "", file[[1]]) else NULL
}

wants_colour <- function() {
  isatty(stdout()) && !nzchar(Sys.getenv("NO_COLOR")) && Sys.getenv("TERM") != "dumb"
}

# The error of a command that did not succeed, or NULL.
run_error <- function(answer, call) {
  if (answer$exit_code == 0L) {
    return(NULL)
  }
  kind <- switch(as.character(answer$exit_code),
    "130" = "run_interrupted",
    "1" = "run_failed",
    "usage_error"
  )
  failed <- answer$failed
  rlang::error_cnd(
    class = c(paste0("metaflow_", kind), "metaflow_error"),
    message = if (is.null(answer$report)) answer$message else answer$report,
    call = call,
    parent = if (length(failed)) as_exception(failed[[1]]),
    trace = rlang::trace_back(bottom = call),
    exit_code = answer$exit_code,
    # A wrong command line has been told already, with its usage.
    report = if (is.null(answer$report)) "" else answer$report,
    run_id = answer$run_id,
    pathspec = answer$pathspec,
    failed = failed
  )
}

# What failed is told by the report, and not once more by the message of the parent.
#' @export
conditionMessage.metaflow_run_failed <- function(c) c$message

# Raises `error`; in a script where nothing catches it, prints its message and ends R with its
# exit code, without "Execution halted" below the report.
give_up <- function(error, in_script) {
  # Not by `stop()`: so that `rlang::last_trace()` finds it.
  if (!in_script) rlang::cnd_signal(error)
  signalCondition(error)
  if (is.null(error$report)) {
    cat(conditionMessage(error), "\n", sep = "", file = stderr())
  } else if (nzchar(error$report)) {
    cat(error$report, "\n", sep = "", file = stderr())
  }
  # What R itself raised, such as a helper that cannot be sent, has no exit code.
  quit(save = "no", status = error$exit_code %||% 1L, runLast = FALSE)
}

# An object that equals 0 and carries the run.
new_run_result <- function(answer) {
  structure(
    0L,
    class = "metaflow_run_result",
    facts = answer[c("run_id", "pathspec", "status")]
  )
}

#' @export
`$.metaflow_run_result` <- function(x, name) {
  facts <- attr(x, "facts")
  if (name == "run") run_client$new(facts$pathspec) else facts[[name]]
}

#' @export
print.metaflow_run_result <- function(x, ...) {
  cat(format(x, ...), "\n", sep = "")
  invisible(x)
}

#' @export
format.metaflow_run_result <- function(x, ...) {
  if (is.null(x$run_id)) "<metaflow: done>" else paste0("<run ", x$pathspec, ": ", x$status, ">")
}
