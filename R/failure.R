# Why an attempt failed: an R error with the frames of the user's own code, as plain data.

# Evaluates `code`. Returns NULL, or a failure of that kind if it raised an error. Where the C stack
# has overflowed, R tells nobody the frames.
attempt <- function(code, kind) {
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
      })
      NULL
    },
    error = function(error) new_failure(error, kind, stack)
  )
}

# A failure as the protocol carries it.
new_failure <- function(error, kind, frames) {
  call <- conditionCall(error)
  list(
    kind = kind,
    message = conditionMessage(error),
    call = if (is.null(call)) "" else one_line(call),
    classes = as.list(class(error)),
    frames = frames %||% list(),
    condition = condition_bytes(error)
  )
}

# Writes a failure to the log as R would, with the user's frames below it, innermost first.
tell <- function(failure) {
  if (is.null(failure)) return(NULL)
  head <- if (nzchar(failure$call)) sprintf("Error in %s : ", failure$call) else "Error: "
  first_line <- strsplit(failure$message, "\n", fixed = TRUE)[[1]][1]
  too_long <- nzchar(failure$call) && nchar(head) + nchar(first_line) > 77
  frames <- vapply(rev(failure$frames), function(frame) {
    place <- if (nzchar(frame$file)) sprintf("at %s:%d ", frame$file, frame$line) else ""
    sprintf("  %sin %s", place, frame$call)
  }, "")
  message <- paste0(head, if (too_long) "\n  ", failure$message)
  writeLines(c(message, frames), stderr())
  failure
}

# The frames of the user's code among those deeper than `depth`, outermost first: `call`, `file`
# and `line`, the line that the frame was at.
user_frames <- function(calls, parents, functions, depth) {
  deeper <- seq_along(calls)[seq_along(calls) > depth]
  own <- Filter(function(i) is_user_function(functions[[i]]), deeper)
  lapply(ends(own), function(i) {
    srcref <- place_in_frame(i, calls, parents, functions)
    list(
      call = one_line(calls[[i]]),
      file = if (is.null(srcref)) "" else source_file(srcref),
      line = if (is.null(srcref)) 0L else as.integer(srcref)[[1]]
    )
  })
}

# Of a long stack, as an endless recursion makes, the outermost and the innermost frames.
ends <- function(frames, outermost = 10, innermost = 20) {
  if (length(frames) <= outermost + innermost) return(frames)
  c(utils::head(frames, outermost), utils::tail(frames, innermost))
}

# The user's code is what no package holds.
is_user_function <- function(fun) {
  top <- topenv(environment(fun))
  !is.primitive(fun) && identical(top, globalenv())
}

# Where frame `i` was: the statement that made the last call from it, or else its function. R calls
# its own handler of an error from the frame that raised it, but does not say so; and of a generic
# and its method, both called from here, only the generic's call knows its line.
place_in_frame <- function(i, calls, parents, functions) {
  from_here <- which(parents == i & seq_along(parents) > i)
  raised_here <- i < length(calls) && identical(calls[[i + 1]][[1]], quote(.handleSimpleError))
  latest_first <- if (raised_here) i + 1L else rev(from_here)
  places <- lapply(calls[latest_first], attr, which = "srcref")
  Find(Negate(is.null), places) %||% attr(functions[[i]], "srcref")
}

one_line <- function(call, most_chars = 100) {
  text <- paste(trimws(deparse(call, nlines = 2)), collapse = " ")
  if (nchar(text) > most_chars) paste0(substr(text, 1, most_chars - 3), "...") else text
}

most_condition_bytes <- 2^20

# A condition as bytes; without its call and other baggage if it holds too much.
condition_bytes <- function(error) {
  bytes <- tryCatch(to_bytes(error), error = function(e) NULL)
  if (!is.null(bytes) && length(bytes) <= most_condition_bytes) return(bytes)
  to_bytes(structure(
    list(message = conditionMessage(error), call = NULL), class = class(error)
  ))
}
