# Why an attempt failed: an R error with the frames of the user's own code, as plain data.

#' How a task can fail
#'
#' Why a task failed is an R condition, and an error: as `task$exception` of [task_client], as the
#' artifact that [catch()] names, and as the parent of the error of class `metaflow_run_failed` that
#' [run()] raises.
#'
#' An error that R raised in a step keeps its classes, message, call, fields and parents. Every
#' other failure, and an error of which more is known, has a class that says what it is, and the
#' class `metaflow_task_failed`:
#'
#' | class | what happened |
#' |---|---|
#' | `metaflow_task_killed` | a signal ended R; the message names it and the memory in use |
#' | `metaflow_task_out_of_memory` | R could not get memory, or was killed for using too much |
#' | `metaflow_task_recursion` | functions called each other without end |
#' | `metaflow_task_timeout` | it took longer than its [timeout()] |
#' | `metaflow_task_quit` | R ended before the step did, by `quit()` for instance |
#' | `metaflow_task_stopped` | it was ended because another task failed, or by the user |
#' | `metaflow_task_lost` | nothing was heard of it any more |
#' | `metaflow_task_start` | it could not start; a package that is missing is named |
#' | `metaflow_task_load` | an artifact that it asked for cannot be had; it is named |
#' | `metaflow_task_save` | an artifact that it assigned cannot be stored; it is named |
#' | `metaflow_task_disk_full` | there is no room left on a disk |
#' | `metaflow_task_malformed` | its result cannot be read |
#'
#' A task that was killed with signal 9 counts as out of memory if the system has killed for that
#' reason, or if it used more than half of the memory that there is.
#'
#' @section Trace:
#' The condition's `trace` holds your own functions with file and line, so that
#' [rlang::last_trace()] shows them after `run()` has failed at the prompt. Functions have lines if
#' they stand in the script, or in a file that it sources; methods of R6, S4 and reference classes
#' too. In a session, they do if `options("keep.source")` is TRUE, as it is by default.
#'
#' @examplesIf metaflow:::has_core()
#' old <- setwd(tempdir())
#' fit <- function(self) if (self$input > 1) stop("no fit for ", self$input)
#' fitted <- function(self, inputs) {
#'   self$failed <- vapply(inputs, function(input) inherits(input$problem, "error"), NA)
#' }
#' result <- metaflow("FitFlow") |>
#'   step(step = "start", r_function = function(self) self$x <- 1:2, next_step = "fit",
#'        foreach = "x") |>
#'   step(step = "fit", catch(var = "problem"), r_function = fit, next_step = "fitted") |>
#'   step(step = "fitted", r_function = fitted, join = TRUE, next_step = "end") |>
#'   step(step = "end") |>
#'   run()
#' result$run$artifact("failed")
#' setwd(old)
#' @name failures
NULL

# Evaluates `code`. Returns NULL, or a failure of that kind if it raised an error. Where the C stack
# has overflowed, R tells nobody the frames. `keep` is called with the environments of the frames.
attempt <- function(code, kind, keep = identity) {
  depth <- sys.nframe()
  stack <- NULL
  tryCatch(
    {
      withCallingHandlers(code, error = function(error) {
        functions <- lapply(seq_len(sys.nframe()), sys.function)
        stack <<- tryCatch(
          user_frames(sys.calls(), sys.parents(), functions, depth),
          error = function(unexpected) NULL
        )
        keep(sys.frames()[own_frames(functions, depth)])
      })
      NULL
    },
    error = function(error) new_failure(error, kind, stack)
  )
}

# A failure as the protocol carries it. An error of R keeps the classes that it has; any other kind
# of failure has classes that say so.
new_failure <- function(error, kind, frames) {
  kind <- more_exact_kind(error, kind)
  call <- conditionCall(error)
  if (kind != "error") class(error) <- unique(c(task_failed_classes(kind), class(error)))
  list(
    kind = kind,
    message = message_of(error),
    call = if (is.null(call)) "" else one_line(call),
    classes = as.list(class(error)),
    frames = frames %||% list(),
    condition = condition_bytes(error, frames)
  )
}

# The message of a condition, whatever its class has made of it.
message_of <- function(error) {
  tryCatch(
    paste(as.character(conditionMessage(error)), collapse = "\n"),
    error = function(unexpected) ""
  )
}

task_failed_classes <- function(kind) c(paste0("metaflow_task_", kind), "metaflow_task_failed")

# What an error says about itself that where it was raised does not tell; R has no classes for most.
more_exact_kind <- function(error, kind) {
  message <- message_of(error)
  if (inherits(error, "metaflow_task_load")) return("load")
  if (inherits(error, "metaflow_interruption")) return(error$kind)
  if (inherits(error, "stackOverflowError") || grepl(endless_recursion, message)) {
    return("recursion")
  }
  if (grepl(no_memory, message)) return("out_of_memory")
  if (grepl("No space left on device", message, fixed = TRUE)) return("disk_full")
  kind
}

endless_recursion <- "^(C stack usage|evaluation nested too deeply|node stack overflow)"
no_memory <- "^(cannot allocate (vector of size|memory block)|vector memory exhausted)|bad_alloc"

# Writes a failure to the log; returns it.
tell <- function(failure) {
  if (!is.null(failure)) cat(failure_text(failure), file = stderr())
  failure
}

# A failure as R would tell it, with the user's frames below it, innermost first; NULL for none.
failure_text <- function(failure) {
  if (is.null(failure)) return(NULL)
  head <- if (nzchar(failure$call)) sprintf("Error in %s : ", failure$call) else "Error: "
  first_line <- c(strsplit(failure$message, "\n", fixed = TRUE)[[1]], "")[[1]]
  too_long <- nzchar(failure$call) && nchar(head) + nchar(first_line) > 77
  frames <- vapply(rev(failure$frames), function(frame) {
    place <- if (nzchar(frame$file)) sprintf("at %s:%d ", frame$file, frame$line) else ""
    sprintf("  %sin %s", place, frame$call)
  }, "")
  message <- paste0(head, if (too_long) "\n  ", failure$message)
  paste0(c(message, frames, ""), collapse = "\n")
}

# The frames of the user's code among those deeper than `depth`, outermost first: `call`, `file`
# and `line`, the line that the frame was at.
user_frames <- function(calls, parents, functions, depth) {
  lapply(own_frames(functions, depth), function(i) {
    srcref <- place_in_frame(i, calls, parents, functions)
    list(
      call = one_line(calls[[i]]),
      file = if (is.null(srcref)) "" else source_file(srcref),
      line = if (is.null(srcref)) 0L else as.integer(srcref)[[1]]
    )
  })
}

# Numbers of these frames.
own_frames <- function(functions, depth) {
  deeper <- seq_along(functions)[seq_along(functions) > depth]
  ends(Filter(function(i) is_user_function(functions[[i]]), deeper))
}

# Of a long stack, as an endless recursion makes, the outermost and the innermost frames.
ends <- function(frames, outermost = 10, innermost = 20) {
  if (length(frames) <= outermost + innermost) return(frames)
  c(utils::head(frames, outermost), utils::tail(frames, innermost))
}

# The user's code is what no package holds; of a generic it is its methods.
is_user_function <- function(fun) {
  !is.primitive(fun) && identical(topenv(environment(fun)), globalenv()) &&
    !methods::is(fun, "genericFunction")
}

# Where frame `i` was: the statement that made the last call from it, or else its function. R calls
# its own handler of an error, or ours of an interrupt, from the frame that was at work, but does
# not say so; and of a generic and its method, both called from here, only the generic's call knows
# its line.
place_in_frame <- function(i, calls, parents, functions) {
  from_here <- which(parents == i & seq_along(parents) > i)
  raised_here <- i < length(calls) && is_signal_call(calls[[i + 1]])
  latest_first <- if (raised_here) i + 1L else rev(from_here)
  places <- lapply(calls[latest_first], attr, which = "srcref")
  Find(names_file, c(places, list(attr(functions[[i]], "srcref"))))
}

# What R calls by itself when its own code raises an error, or a warning that counts as one, or when
# it is interrupted.
is_signal_call <- function(call) {
  identical(call[[1]], quote(.handleSimpleError)) ||
    identical(call[[1]], quote(.signalSimpleWarning)) || inherits(call[[1]], "metaflow_handler")
}

names_file <- function(srcref) !is.null(srcref) && nzchar(source_file(srcref))

# A call as one line of text. In place of a function, as `do.call()` puts it, stands its head.
one_line <- function(call, most_chars = 100) {
  if (is.call(call) && is.function(call[[1]])) call[[1]] <- quote(`<function>`)
  text <- paste(trimws(deparse(call, nlines = 2)), collapse = " ")
  if (nchar(text) > most_chars) paste0(substr(text, 1, most_chars - 3), "...") else text
}

most_condition_bytes <- 2^20

# A condition as bytes, with the user's frames as its trace; without its call and other baggage if
# it holds too much.
condition_bytes <- function(error, frames) {
  error <- with_trace(error, as_trace(frames))
  bytes <- tryCatch(to_bytes(error), error = function(e) NULL)
  if (!is.null(bytes) && length(bytes) <= most_condition_bytes) return(bytes)
  to_bytes(structure(
    list(message = message_of(error), call = NULL, trace = error$trace), class = class(error)
  ))
}

# A condition with another trace. One that rlang made holds every frame of ours, too; so does that
# of a parent.
with_trace <- function(error, trace) {
  error$trace <- trace
  parent <- error[["parent"]]
  if (inherits(parent, "condition")) error$parent <- with_trace(parent, NULL)
  error
}

# Frames as `rlang::last_trace()` prints them, in the form that rlang and others share,
# `rlib_trace` version 2; NULL if there are none.
as_trace <- function(frames) {
  if (!length(frames)) return(NULL)
  calls <- lapply(frames, function(frame) {
    call <- as_call(frame$call)
    # A name, as of a text that is no call, can have no attribute.
    if (is.call(call) && nzchar(frame$file)) attr(call, "srcref") <- line_reference(frame)
    call
  })
  size <- length(frames)
  structure(
    list(
      call = calls, parent = seq_len(size) - 1L, visible = rep(TRUE, size),
      namespace = rep(NA_character_, size), scope = rep(NA_character_, size)
    ),
    row.names = seq_len(size), version = 2L,
    class = c("rlang_trace", "rlib_trace", "tbl", "data.frame")
  )
}

# A source reference to a line, without the text of the file.
line_reference <- function(frame) {
  file <- list2env(list(filename = frame$file, Enc = "unknown"), parent = emptyenv())
  class(file) <- "srcfile"
  line <- as.integer(frame$line)
  structure(c(line, 1L, line, 1L, 1L, 1L, line, line), srcfile = file, class = "srcref")
}
