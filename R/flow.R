#' Start a flow
#'
#' A flow is a value: a name, decorators, parameters and steps. [step()], [parameter()] and the
#' decorators each return a changed copy, and nothing runs before [run()].
#'
#' @param cls `[character(1)]` The flow's name: a letter, then letters, digits and underscores.
#'   Runs are stored and found under it.
#' @param ... Flow-level decorators: [schedule()], [project()], or [decorator()] with their names.
#'
#' @return A flow, of class `metaflow_flow`. It prints as its graph.
#'
#' @section Errors:
#' `metaflow_invalid_argument` if the name is not valid or `...` holds anything but flow-level
#' decorators.
#'
#' @examples
#' metaflow("HelloFlow") %>%
#'   step(step = "start", r_function = function(self) self$x <- 1, next_step = "end") %>%
#'   step(step = "end")
#' @export
metaflow <- function(cls, ...) {
  if (missing(cls)) {
    abort_argument("cls", "the flow's name", hint = "Write `metaflow(\"HelloFlow\")`.")
  }
  check_identifier(cls, "cls")
  structure(
    list(
      name = cls,
      decorators = check_decorators(list(...), level = "flow"),
      parameters = list(),
      steps = list()
    ),
    class = "metaflow_flow"
  )
}

#' The pipe
#'
#' magrittr's pipe, so that `library(metaflow)` is enough to write a flow. R's own `|>` works too.
#'
#' @param lhs A value.
#' @param rhs A call that takes it as its first argument.
#' @return What the call returns.
#' @examples
#' metaflow("HelloFlow") %>% step(step = "start", next_step = "end")
#' @usage lhs \%>\% rhs
#' @name pipe
#' @aliases %>%
#' @importFrom magrittr %>%
#' @export %>%
NULL

#' @export
format.metaflow_flow <- function(x, ...) {
  c(
    sprintf("<flow> %s", x$name),
    sprintf("  %s", vapply(x$decorators, format, "")),
    if (length(x$parameters)) c("Parameters", indent(vapply(x$parameters, format, ""))),
    if (length(x$steps)) c("Steps", indent(format_steps(x$steps))) else "No steps yet."
  )
}

#' @export
print.metaflow_flow <- function(x, ...) {
  writeLines(format(x))
  invisible(x)
}

# One line a step, names in a column.
format_steps <- function(steps) {
  names <- vapply(steps, function(step) step$name, "")
  paste(format(names), vapply(steps, format_transition, ""), vapply(steps, format_decorators, ""))
}

format_transition <- function(step) {
  leads_to <- if (!length(step$next_steps)) {
    ""
  } else if (!is.null(step$condition)) {
    cases <- sprintf("%s = %s", names(step$cases), step$cases)
    sprintf("-> one of %s, by `%s`", paste(cases, collapse = ", "), step$condition)
  } else if (!is.null(step$foreach)) {
    sprintf("-> %s for each of `%s`", paste(step$next_steps, collapse = ", "), step$foreach)
  } else {
    paste("->", paste(step$next_steps, collapse = ", "))
  }
  trimws(paste(if (step$is_join) "(join)", leads_to))
}

format_decorators <- function(step) {
  paste(vapply(step$decorators, format, ""), collapse = " ")
}

indent <- function(lines) trimws(paste0("  ", lines), "right")
