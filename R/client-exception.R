# Why a task failed, as the R condition that it was.

# The condition of a failed task, from the core's description of it; NULL if there is none.
as_exception <- function(exception) {
  if (is.null(exception)) {
    return(NULL)
  }
  condition <- original_condition(exception$condition) %||% described_condition(exception)
  condition$frames <- as_frames(exception$frames)
  condition
}

# The condition object itself, where the worker could serialize it.
original_condition <- function(bytes) {
  if (length(bytes) == 0) {
    return(NULL)
  }
  # A condition with objects of a package that is not installed here may not be readable.
  tryCatch(unserialize(bytes), error = function(error) NULL)
}

# A condition made from its description: for one that could not be serialized, an error of Python,
# and a task that ended without one, because it was killed for instance.
described_condition <- function(exception) {
  classes <- as_text(exception$classes)
  if (length(classes) == 0) classes <- c(task_failed_classes(exception$kind), "metaflow_error")
  structure(
    list(
      message = exception$message, call = as_call(exception$call),
      trace = as_trace(exception$frames)
    ),
    class = unique(c(classes, "error", "condition"))
  )
}

# Text of a call, or the text as a name where it cannot be parsed; NULL for none.
as_call <- function(text) {
  if (is.null(text) || !nzchar(text)) {
    return(NULL)
  }
  tryCatch(str2lang(text), error = function(error) as.name(text))
}

as_frames <- function(frames) {
  as_rows(frames, c("call", "file", "line"))
}

# The error in a few lines: message, call, and the user's own functions with file and line, the
# one that failed first.
describe_exception <- function(exception) {
  if (is.null(exception)) {
    return(NULL)
  }
  frames <- as_frames(exception$frames)
  frames <- frames[rev(which(nzchar(frames$file, keepNA = TRUE))), ]
  has_call <- !is.null(exception$call) && nzchar(exception$call)
  c(
    exception$message,
    if (has_call) paste("in", exception$call),
    sprintf("at %s:%d in %s", frames$file, frames$line, frames$call)
  )
}
