#' Run a task of the past again, here
#'
#' Runs the step of a task in this session, on the inputs that the task had, and compares what it
#' makes with what the task wrote. No run is started, and nothing is stored.
#'
#' The step sees what it saw then: its artifacts or inputs, parameters, item of the foreach,
#' [current()], random numbers, environment variables, the packages that were attached, and the
#' folder that the run was made in. Afterwards the session is as it was.
#'
#' @param pathspec `[character(1)]` A task, `"Flow/run/step/task"`, whoever made its run and however
#'   it ended; `"Flow/run/step"` is the one that failed, or the only one, and `"Flow/run"` the first
#'   that failed. `latest_run` stands for a run's id. Or a [task_client]. By default
#'   [last_failure()].
#' @param r_function `[function]` What to call in place of the step's function. It finds helpers in
#'   the global environment first, and then those of the run.
#' @param code `[character(1)]` Which function to call without `r_function`: `"run"`, the one that
#'   the run was made with, or `"script"`, the one that its script holds now (which is evaluated up
#'   to its call of [run()]). Or a flow, for that flow's.
#' @param attempt `[integer(1)]` The attempt to compare with, from 0; by default the last one.
#'
#' @return A named list of the artifacts that the step would have written. Printed, it shows how
#'   each compares with what the task wrote. Its attribute `comparison` is a data frame: `artifact`,
#'   `how` (`"same"`, `"differs"`, `"new"` or `"gone"`), `here` and `then`, each in words.
#'
#' @section Errors:
#' * `metaflow_rerun_failed`: the step raised an error, its parent; with `frames`, a data frame of
#'   the user's functions with call, file and line, outermost first.
#' * `metaflow_task_not_found`: there is no such task, or what it follows has not finished.
#' * `metaflow_no_code`: the run was not made with R, and there is no `r_function`.
#' @seealso [debug_task()] to look around first.
#' @examplesIf metaflow:::has_core()
#' old <- setwd(tempdir())
#' flow <- metaflow("RerunFlow") |>
#'   step(step = "start", next_step = "halve", foreach = "numbers",
#'        r_function = function(self) self$numbers <- list(1, "two")) |>
#'   step(step = "halve", next_step = "join",
#'        r_function = function(self) self$half <- self$input / 2) |>
#'   step(step = "join", join = TRUE, next_step = "end") |>
#'   step(step = "end")
#' try(run(flow))
#'
#' try(rerun_task("RerunFlow/latest_run/halve"))
#' rerun_task("RerunFlow/latest_run/halve", function(self) {
#'   self$half <- suppressWarnings(as.numeric(self$input)) / 2
#' })
#' setwd(old)
#' @export
rerun_task <- function(pathspec = NULL, r_function = NULL, code = "run", attempt = NULL) {
  check_function(r_function, "r_function", null = TRUE)
  check_code(code)
  check_count(attempt, "attempt", null = TRUE)
  call <- rlang::current_env()
  scene <- enter_task(task_pathspec(pathspec), attempt, call)
  scene$given <- code_arguments(match.call())
  rerun(scene, code_to_call(scene, r_function, code, call), call)
}

# What a scene is run with: `r_function`, or the step's function from where `code` says.
code_to_call <- function(scene, r_function, code, call) {
  if (is.null(r_function)) step_function(scene, code, call) else in_reach(r_function, scene)
}

# Of the expressions that arguments were given as, by name, those that say which code to run; as
# text, for a hint at `debug_task()` with the same code.
code_arguments <- function(given) {
  names <- intersect(c("r_function", "code", "attempt"), names(given))
  expressions <- vapply(names, function(name) one_line(given[[name]], most_chars = 40), "")
  paste0(sprintf(", %s = %s", names, expressions), collapse = "")
}

# Runs the step of a scene with `fun`; raises what it raises. `keep` is told how it ended, see
# `new_keeper()`.
rerun <- function(scene, fun, call, keep = no_keeper) {
  depth <- sys.nframe()
  on_error <- function(error, self) {
    functions <- lapply(seq_len(sys.nframe()), sys.function)
    frames <- user_frames(sys.calls(), sys.parents(), functions, depth)
    keep$failed(self, error, frames)
    abort_rerun_failed(scene, error, frames, call)
  }
  made <- perform(scene, fun, on_error, keep$made, keep$around)
  new_rerun(scene, made)
}

# Raised while the frames of the step are still there, for `options(error = recover)`.
abort_rerun_failed <- function(scene, error, frames, call) {
  frames <- as_frames(frames)
  told <- frames[rev(which(nzchar(frames$file))), ]
  places <- sprintf("at %s:%d in %s", told$file, told$line, told$call)
  abort(
    c(
      sprintf("Task %s fails here too.", scene$task$pathspec),
      stats::setNames(utils::head(places, 6), rep(" ", length(utils::head(places, 6)))),
      i = sprintf(
        "To stop where it fails: `debug_task(\"%s\", mode = \"browser\"%s)`.",
        scene$task$pathspec, scene$given %||% ""
      )
    ),
    class = "rerun_failed", parent = error, frames = frames, pathspec = scene$task$pathspec,
    call = call
  )
}

# A pathspec as a user may give it: NULL is the newest failure.
task_pathspec <- function(x, call = rlang::caller_env()) {
  if (is.null(x)) return(last_failed(NULL, call))
  as_pathspec(x, "task", "pathspec", call = call)
}

check_code <- function(code, call = rlang::caller_env()) {
  if (!inherits(code, "metaflow_flow") && !identical(code, "run") && !identical(code, "script")) {
    abort_argument("code", "\"run\", \"script\" or a flow", code, call = call)
  }
}

# What a step made here, compared with what the task wrote. `made` is a list of `values`, `removed`
# and `outcome`.
new_rerun <- function(scene, made) {
  structure(
    made$values,
    class = "metaflow_rerun",
    pathspec = scene$task$pathspec,
    outcome = made$outcome,
    comparison = compare(scene, made)
  )
}

compare <- function(scene, made) {
  then <- left_by(scene)
  wrote <- as_text(scene$task$wrote)
  here <- names(made$values)
  gone <- union(setdiff(wrote, here), setdiff(made$removed, as_text(scene$task$removed)))
  # An artifact that was assigned what it was before is in the attempt, and was not written.
  known <- names(then)
  rows <- lapply(here, function(name) {
    value <- made$values[[name]]
    if (!name %in% known) return(list(name, "new", describe(value), ""))
    before <- then[[name]]
    how <- if (is_same(value, before)) "same" else "differs"
    list(name, how, describe(value), describe(before))
  })
  rows <- c(rows, lapply(gone, function(name) {
    list(name, "gone", "", if (name %in% known) describe(then[[name]]) else "")
  }))
  column <- function(i) vapply(rows, function(row) row[[i]], "")
  data.frame(artifact = column(1), how = column(2), here = column(3), then = column(4))
}

# Functions that differ only in where they were written, or in being compiled, are the same.
is_same <- function(x, y) {
  identical(x, y, ignore.bytecode = TRUE, ignore.srcref = TRUE, ignore.environment = TRUE) ||
    identical(to_bytes(x), to_bytes(y))
}

#' @export
format.metaflow_rerun <- function(x, ...) {
  rows <- attr(x, "comparison")
  kept <- attr(x, "kept")
  head <- sprintf(
    "<rerun of %s: %s; %s>", attr(x, "pathspec"), verdict(rows),
    if (is.null(kept)) "nothing is stored" else paste("kept as", kept$pathspec)
  )
  chosen <- attr(x, "outcome")$chosen
  splits <- attr(x, "outcome")$num_splits
  c(
    head,
    if (nrow(rows)) {
      sprintf(
        "  %s  %s  %s",
        formatC(rows$artifact, width = -max(nchar(rows$artifact))),
        formatC(rows$how, width = -7),
        ifelse(rows$how == "differs", sprintf("%s, was %s", rows$here, rows$then),
          ifelse(rows$how == "gone", paste("was", rows$then), rows$here))
      )
    },
    if (!is.null(chosen)) sprintf("  It goes on with step %s.", chosen),
    if (!is.null(splits)) sprintf("  It fans out to %s.", count_of(splits, "task"))
  )
}

verdict <- function(rows) {
  if (!nrow(rows)) return("it writes nothing")
  if (all(rows$how == "same")) return("all the same")
  counts <- table(factor(rows$how, c("same", "differs", "new", "gone")))
  toString(sprintf("%d %s", counts[counts > 0], names(counts)[counts > 0]))
}

#' @export
print.metaflow_rerun <- function(x, ...) {
  writeLines(format(x, ...))
  invisible(x)
}
