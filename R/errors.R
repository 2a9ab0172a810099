# One `abort_<what>()` for each class of error.
#
# Every error of this package has the classes `metaflow_<kind>` and `metaflow_error`. Messages are
# plain text, never templates: a `{` in a user's value is a `{`. rlang is named with `::` only, so
# that a worker process loads it when it has an error to tell and not before.

# Signals an error of class `metaflow_<class>`; `message` is a headline and named bullets
# (`i` for a hint, `x` for a problem), `...` are the condition's fields.
abort <- function(message, class, ..., call = rlang::caller_env(), parent = NULL) {
  rlang::abort(
    message,
    class = c(paste0("metaflow_", class), "metaflow_error"),
    ...,
    call = call,
    parent = parent,
    use_cli_format = FALSE
  )
}

# An argument is wrong, or missing if there is no `value`; `name` is the argument, `must` completes
# "`name` must be ...".
abort_argument <- function(name, must, value, hint = NULL, call = rlang::caller_env()) {
  headline <- if (missing(value)) {
    sprintf("`%s` is missing; it must be %s.", name, must)
  } else {
    sprintf("`%s` must be %s, not %s.", name, must, describe(value))
  }
  abort(c(headline, hints(hint)), class = "invalid_argument", argument = name, call = call)
}

# Something has no such name; `headline` says it, `known` are the names that there are.
abort_unknown_name <- function(headline, name, known, class, call = rlang::caller_env()) {
  abort(
    c(
      headline,
      hints(did_you_mean(name, known)),
      i = sprintf("Known are %s.", enumerate(known))
    ),
    class = class, name = name, known = known, call = call
  )
}

# An artifact that a step asked for cannot be had; `error` says why. What the core says of it names
# the artifact and the task itself, and keeps its class.
abort_not_loaded <- function(name, error, call = NULL) {
  from_core <- inherits(error, "metaflow_error")
  own <- sub("^metaflow_", "", class(error)[[1]])
  abort(
    if (from_core) conditionMessage(error) else c(
      sprintf("Artifact `%s` cannot be loaded.", name),
      x = conditionMessage(error)
    ),
    class = c(if (from_core) own, "task_load"), name = name, call = call
  )
}

# An error that the core handed over as data: `kind`, `parents` (kinds of its base classes),
# `message`, `exit_code`, `fields`; `hint` is what R adds to it.
abort_from_core <- function(error, hint = NULL, call = rlang::caller_env()) {
  reserved <- c("message", "class", "call", "parent", "trace", "body", "footer", "exit_code")
  fields <- error$fields[!names(error$fields) %in% reserved]
  kinds <- paste0("metaflow_", c(error$kind, unlist(error$parents)))
  arguments <- c(
    list(c(in_r(error), hints(hint)), class = c(kinds, "metaflow_error")), fields,
    list(exit_code = error$exit_code, call = call, use_cli_format = FALSE)
  )
  do.call(rlang::abort, arguments)
}

# The message of an error of the core, of which the Python client's own words are told as R's.
in_r <- function(error) {
  sub("Write (Flow|Run|Step|Task|DataArtifact)\\('(.*)'\\)\\.$", "Write `\"\\2\"`.", error$message)
}

# What to type to see what there is, after the core was asked for what there is not: one level above
# the `pathspec` that was asked for, or the `flow`, or `a` of two runs.
where_to_look <- function(error, pathspec = NULL, flow = NULL, a = NULL, ...) {
  asked <- pathspec %||% flow %||% a
  # Where the core knows the next command, that one is better.
  if (!is_string(asked) || nzchar(error$fields$hint %||% "")) return(NULL)
  parts <- strsplit(asked, "/", fixed = TRUE)[[1]]
  above <- function(length) paste(utils::head(parts, length), collapse = "/")
  switch(error$kind,
    flow_not_found = "`list_flows()` names the flows that there are.",
    run_not_found = sprintf("`runs(\"%s\")` lists the runs that there are.", above(1)),
    step_not_found = sprintf(
      "`run_client$new(\"%s\")$steps` names the steps that the run has come to.", above(2)
    ),
    task_not_found = sprintf("`tasks(\"%s\")` lists the tasks that there are.", above(2))
  )
}

# The core could not be loaded; `error` is what reticulate said.
abort_no_python <- function(error, call = rlang::caller_env()) {
  abort(
    c(
      "The Python side of metaflow could not be loaded.",
      i = "Run `metaflow::install_metaflow()` once; it makes a Python environment of its own.",
      i = paste(
        "Or set METAFLOW_PYTHON to a Python (3.11 or newer)",
        "that has the packages click and isal, and start R again."
      )
    ),
    class = "no_python", call = call, parent = error
  )
}

# Helpers ---------------------------------------------------------------------------------------

`%||%` <- function(x, y) if (is.null(x)) y else x

hints <- function(text) if (length(text)) c(i = text) else NULL

# "Did you mean `retry`?", or NULL if nothing known is near `name`.
did_you_mean <- function(name, known) {
  near <- nearest(name, known)
  if (length(near)) sprintf("Did you mean `%s`?", near)
}

# The one of `known` that `name` is most likely a slip for, or NULL: two letters may differ, in long
# names a third of them, but never all.
nearest <- function(name, known) {
  if (!length(known) || !nzchar(name)) return(NULL)
  distance <- utils::adist(name, known, ignore.case = TRUE)[1, ]
  most <- min(max(2, nchar(name) %/% 3), nchar(name) - 1)
  if (min(distance) <= most) known[[which.min(distance)]]
}

# `a`, `b` and `c`; with many, the first few and their number.
enumerate <- function(names, none = "none", most = 20) {
  if (!length(names)) return(none)
  quoted <- sprintf("`%s`", names)
  if (length(quoted) > most) {
    quoted <- c(quoted[seq_len(most)], sprintf("%d more", length(quoted) - most))
  }
  if (length(quoted) == 1) return(quoted)
  paste(paste(quoted[-length(quoted)], collapse = ", "), "and", quoted[[length(quoted)]])
}

# What a value is, in a few words, for "..., not <this>".
describe <- function(x) {
  if (is.null(x)) return("NULL")
  if (is.function(x)) return("a function")
  if (is.environment(x) || isS4(x)) return(sprintf("an object of class <%s>", class(x)[[1]]))
  if (is.object(x)) return(sprintf("a <%s>", class(x)[[1]]))
  kind <- c(
    logical = "logical", integer = "integer", double = "number", character = "string"
  )[typeof(x)]
  if (length(x) == 1 && !is.na(kind)) {
    return(if (is.na(x)) "NA" else sprintf("the %s %s", kind, deparse(as.vector(x), nlines = 1)))
  }
  what <- if (is.list(x)) "a list" else if (is.integer(x)) "an integer vector" else
    sprintf("a %s vector", typeof(x))
  sprintf("%s of length %d", what, length(x))
}
