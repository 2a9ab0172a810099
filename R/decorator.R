#' Decorators by name
#'
#' `decorator("retry", times = 3)` is `retry(times = 3)`. Each decorator has a function of its own,
#' which documents it: [retry()], [catch()], [timeout()], [resources()], [batch()],
#' [kubernetes()], [environment_variables()], [isolation()], [secrets()], [card()]; and for a flow,
#' [schedule()] and [project()].
#'
#' @param x `[character(1)]` The decorator's name, as in Metaflow.
#' @param ... Its arguments, by name.
#' @param .convert_args Has no effect; scripts for the older R package pass it.
#'
#' @return A decorator, to be given to [step()] or [metaflow()].
#'
#' @section Errors:
#' `metaflow_unknown_decorator`, `metaflow_unknown_argument`, each with the name that was probably
#' meant; `metaflow_invalid_argument` for a value that the decorator cannot use.
#'
#' @examples
#' decorator("retry", times = 3, minutes_between_retries = 0)
#' @export
decorator <- function(x, ..., .convert_args = TRUE) {
  check_string(x, "x")
  new_decorator(x, list(...))
}

# A decorator from its name and the arguments that the user gave; the rest are the defaults.
new_decorator <- function(name, given, call = rlang::caller_env()) {
  kinds <- decorator_kinds()
  if (!name %in% names(kinds)) {
    abort_unknown_name(
      sprintf("There is no decorator `%s`.", name), name, names(kinds),
      class = "unknown_decorator", call = call
    )
  }
  kind <- kinds[[name]]
  given_names <- names(given) %||% character(length(given))
  if (!all(nzchar(given_names))) {
    abort(
      c(
        sprintf("The arguments of decorator `%s` need names.", name),
        i = sprintf("They are %s.", enumerate(names(kind$arguments)))
      ),
      class = "invalid_argument", call = call
    )
  }
  for (argument in given_names) {
    if (!argument %in% names(kind$arguments)) {
      abort_unknown_name(
        sprintf("Decorator `%s` has no argument `%s`.", name, argument),
        argument, names(kind$arguments), class = "unknown_argument", call = call
      )
    }
  }
  attributes <- lapply(kind$arguments, function(argument) argument$default)
  attributes[given_names] <- given
  for (argument in names(attributes)) {
    checked <- kind$arguments[[argument]]$check(attributes[[argument]], argument, call = call)
    attributes[argument] <- list(checked)
  }
  if (!is.null(kind$complete)) attributes <- kind$complete(attributes, call = call)
  structure(
    list(name = name, attributes = attributes, given = given_names),
    class = "metaflow_decorator"
  )
}

# The decorator that the calling wrapper documents, from the wrapper's arguments and `...`. What
# the user left out is not shown when it prints.
wrap_decorator <- function(name, ...) {
  wrapper <- parent.frame()
  call <- sys.call(-1)
  arguments <- setdiff(names(formals(sys.function(-1))), "...")
  values <- c(mget(arguments, envir = wrapper), list(...))
  decorator <- new_decorator(name, values[!vapply(values, is.null, NA)], call = wrapper)
  decorator$given <- intersect(names(values), names(match.call(sys.function(-1), call)))
  decorator
}

#' @export
format.metaflow_decorator <- function(x, ...) {
  shown <- x$attributes[x$given]
  values <- vapply(shown, function(value) deparse(value, nlines = 1), "")
  sprintf("@%s(%s)", x$name, paste(names(shown), values, sep = " = ", collapse = ", "))
}

#' @export
print.metaflow_decorator <- function(x, ...) {
  writeLines(format(x))
  invisible(x)
}

# What stands in the `...` of `step()` or `metaflow()`: decorators of that level, each once.
check_decorators <- function(decorators, level, call = rlang::caller_env()) {
  verb <- c(step = "step()", flow = "metaflow()")[[level]]
  named <- names(decorators) %||% character(length(decorators))
  for (i in seq_along(decorators)) {
    if (!inherits(decorators[[i]], "metaflow_decorator")) {
      abort_not_decorator(decorators[[i]], named[[i]], verb, level, call)
    }
    check_level(decorators[[i]], level, verb, call)
  }
  names <- vapply(decorators, function(decorator) decorator$name, "")
  single <- names[!names %in% repeatable_decorators]
  if (anyDuplicated(single)) {
    abort(
      c(
        sprintf("Decorator `%s` stands twice.", single[[anyDuplicated(single)]]),
        i = "Remove one of the two."
      ),
      class = "invalid_argument", call = call
    )
  }
  unname(decorators)
}

repeatable_decorators <- c("card", "secrets")

abort_not_decorator <- function(value, name, verb, level, call) {
  known <- setdiff(names(formals(if (level == "step") step else metaflow)), c("flow", "..."))
  if (nzchar(name)) {
    abort_unknown_name(
      sprintf("`%s` has no argument `%s`.", verb, name), name, known,
      class = "unknown_argument", call = call
    )
  }
  hint <- if (is_string(value) && level == "step") {
    sprintf("Write `step(step = \"%s\", ...)`, with the argument's name.", value)
  } else if (is_string(value)) {
    sprintf("Write `decorator(\"%s\")` for a decorator.", value)
  } else if (is.function(value)) {
    "Write `r_function = ` for the step's function, or call the decorator, as in `retry()`."
  }
  abort(
    c(
      sprintf("An unnamed argument of `%s` must be a decorator, not %s.", verb, describe(value)),
      hints(hint)
    ),
    class = "invalid_argument", call = call
  )
}

check_level <- function(decorator, level, verb, call) {
  own <- decorator_kinds()[[decorator$name]]$level
  if (own != level) {
    right <- c(step = "step()", flow = "metaflow()")[[own]]
    abort(
      c(
        sprintf("Decorator `%s` cannot stand in `%s`.", decorator$name, verb),
        i = sprintf("It is for a %s: write it in `%s`.", own, right)
      ),
      class = "invalid_argument", call = call
    )
  }
}
