# `self`: the artifacts of a task, as an environment that loads them on first use.
#
# Each artifact is an active binding, so `ls()`, `exists()`, `get()`, `with()` and `rm()` work as on
# any environment. The values, and all else that is known of the task, are in its state, which
# `self` only names by an id: a formula or an R6 object that a step makes carries the step's
# variables with it into the store, `self` among them, and must not carry every artifact and the
# worker's pipes.

# A `self`.
#
# `fetch(from, index, name)` gives an artifact's value; `from` is "self", "input" or "foreach", for
# which it is the value of the item only.
# `artifacts` are the names at the start, `parameters` those of them that are read-only, `frames`
# the foreach stack, outermost first; with `is_past` it is what a task left, which stays as it was.
new_self <- function(fetch, artifacts = character(), parameters = character(), frames = list(),
                     where = "this task", is_past = FALSE) {
  id <- register_state(where, list(
    fetch = fetch,
    parameters = parameters,
    is_past = is_past,
    frames = frames,
    items = list(),
    inherited = artifacts,
    # Values that were loaded or assigned, by name.
    values = new.env(parent = emptyenv()),
    assigned = character(),
    # Bytes of loaded values that may change without being assigned.
    before = list(),
    # Where merged artifacts come from: name to the index of an input, from 0.
    references = integer()
  ))
  self <- new.env(parent = emptyenv())
  attr(self, "id") <- id
  class(self) <- c("metaflow_self", "environment")
  for (name in artifacts) bind_artifact(self, name)
  self
}

# Keeps what is known of a task in this process; its id.
register_state <- function(where, fields) {
  id <- where
  others <- 0
  while (!is.null(the$tasks[[id]])) {
    others <- others + 1
    id <- sprintf("%s #%d", where, others)
  }
  the$tasks[[id]] <- list2env(c(fields, list(where = where)), parent = emptyenv())
  id
}

state_of <- function(self) state_with_id(attr(self, "id", exact = TRUE))

state_with_id <- function(id, call = rlang::caller_env()) {
  the$tasks[[id]] %||% abort(
    c(
      sprintf("AttributeError: %s has ended; nothing can be read from its `self`.", id),
      i = "A function that a step stores as an artifact must not use `self`; pass it the values."
    ),
    class = "task_ended", call = call
  )
}

bind_artifact <- function(self, name) {
  makeActiveBinding(name, artifact_binding(attr(self, "id", exact = TRUE), name), self)
}

# Holds no more than two strings, see above.
artifact_binding <- function(id, name) {
  force(id)
  force(name)
  function(value) {
    state <- state_with_id(id)
    if (missing(value)) get_artifact(state, name) else set_artifact(state, name, value)
  }
}

is_bound <- function(name, self) bindingIsActive(as.name(name), self)

get_artifact <- function(state, name) {
  if (!exists(name, envir = state$values, inherits = FALSE)) {
    index <- if (name %in% names(state$references)) state$references[[name]]
    value <- state$fetch(if (is.null(index)) "self" else "input", index, name)
    if (is_mutable(value)) state$before[[name]] <- to_bytes(value)
    assign(name, value, envir = state$values)
  }
  get(name, envir = state$values)
}

set_artifact <- function(state, name, value) {
  check_assignable(state, name)
  if (!name %in% state$assigned) state$assigned <- c(state$assigned, name)
  assign(name, value, envir = state$values)
}

# What a step left in `self`: names of the artifacts to write, to refer to (name to the index of an
# input, from 0), and those that were removed.
changes <- function(self) {
  state <- state_of(self)
  names <- names(self)
  # `assign()` of a new name makes an ordinary variable.
  plain <- names[!vapply(names, is_bound, NA, self = self)]
  in_place <- names(state$before)[vapply(names(state$before), was_changed, NA, state = state)]
  in_place <- in_place[!in_place %in% state$parameters]
  written <- names[names %in% c(plain, state$assigned, in_place)]
  referred <- names[names %in% names(state$references) & !names %in% written]
  list(
    written = written,
    references = state$references[referred],
    removed = state$inherited[!state$inherited %in% names]
  )
}

was_changed <- function(name, state) {
  !identical(to_bytes(get(name, envir = state$values)), state$before[[name]])
}

# Whether a value can be changed without being assigned: it is or holds an environment, or it is a
# data.table.
is_mutable <- function(x) {
  if (is.environment(x)) return(!is_shared_environment(x))
  if (inherits(x, "data.table")) return(TRUE)
  if (is.function(x)) return(!is.primitive(x) && is_mutable(environment(x)))
  any(vapply(parts_of(x), function(part) is_mutable(part$value), NA))
}

#' @export
`$.metaflow_self` <- function(x, name) {
  # `self$x$y <- 1` makes `self$x`, as on any environment: R reads `self` as `*tmp*` there.
  if (identical(substitute(x), quote(`*tmp*`)) && !has_answer(x, name)) return(NULL)
  read_self(x, name)
}

#' @export
`[[.metaflow_self` <- function(x, i, ...) {
  if (!is_string(i)) abort_argument("i", "the name of an artifact", i, call = parent.frame())
  if (identical(substitute(x), quote(`*tmp*`)) && !has_answer(x, i)) return(NULL)
  read_self(x, i)
}

# lintr knows the name of every method but that of `$<-`.
#' @export
`$<-.metaflow_self` <- function(x, name, value) { # nolint: object_name_linter.
  write_self(x, name, value)
}

#' @export
`[[<-.metaflow_self` <- function(x, i, ..., value) {
  if (!is_string(i)) abort_argument("i", "the name of an artifact", i, call = parent.frame())
  write_self(x, i, value)
}

#' @export
names.metaflow_self <- function(x) ls(x, all.names = TRUE)

#' @export
length.metaflow_self <- function(x) length(names(x))

#' @export
format.metaflow_self <- function(x, ...) {
  state <- state_of(x)
  names <- names(x)
  told <- vapply(names, function(name) {
    is_here <- !is_bound(name, x) || exists(name, envir = state$values, inherits = FALSE)
    if (is_here) describe(get(name, envir = x)) else "(not loaded yet)"
  }, "")
  is_parameter <- names %in% state$parameters
  told[is_parameter] <- paste(told[is_parameter], "(parameter)")
  c(
    sprintf("<self> of %s, %d artifact%s", state$where, length(names),
      if (length(names) == 1) "" else "s"),
    if (length(names)) paste0("  ", format(names), " ", told)
  )
}

#' @export
print.metaflow_self <- function(x, ...) {
  writeLines(format(x))
  invisible(x)
}

# What `self` answers itself, beside its artifacts.
foreach_names <- c("input", "index", "foreach_stack")

has_answer <- function(self, name) {
  name %in% foreach_names || exists(name, envir = self, inherits = FALSE)
}

read_self <- function(self, name, call = parent.frame(2)) {
  state <- state_of(self)
  if (exists(name, envir = self, inherits = FALSE)) return(get(name, envir = self))
  switch(name,
    input = foreach_input(state),
    index = foreach_index(state),
    foreach_stack = function() foreach_stack(state),
    abort_no_artifact(name, names(self), state$where, call = call)
  )
}

write_self <- function(self, name, value, call = parent.frame(2)) {
  if (name %in% foreach_names) {
    abort_read_only(name, "belongs to the foreach", call = call)
  }
  if (!is_artifact_name(name)) {
    abort(
      c(
        sprintf("`%s` cannot be the name of an artifact.", name),
        i = "It must not begin with an underscore, nor hold a slash or a control character."
      ),
      class = "invalid_argument", call = call
    )
  }
  state <- state_of(self)
  check_assignable(state, name, call = call)
  if (!exists(name, envir = self, inherits = FALSE)) bind_artifact(self, name)
  set_artifact(state, name, value)
  self
}

# No underscore first, and no slash or control character, as iswcntrl() has them. A regular
# expression would cost as much as all else that an assignment does.
is_artifact_name <- function(name) {
  code <- utf8ToInt(enc2utf8(name))
  is_control <- code < 32 | (code >= 127 & code < 160) | code == 0x2028 | code == 0x2029
  length(code) > 0 && !anyNA(code) && code[[1]] != utf8ToInt("_") &&
    !any(code == utf8ToInt("/") | is_control)
}

# The item of the innermost foreach, or NULL outside of one.
foreach_input <- function(state) {
  depth <- length(state$frames)
  if (depth == 0) return(NULL)
  foreach_value(state, depth)
}

foreach_index <- function(state) {
  depth <- length(state$frames)
  if (depth == 0) return(NULL)
  state$frames[[depth]]$index
}

foreach_stack <- function(state) {
  lapply(seq_along(state$frames), function(level) {
    frame <- state$frames[[level]]
    list(
      index = frame$index,
      num_splits = frame$num_splits,
      value = foreach_value(state, level)
    )
  })
}

# The item of one level; levels count from 1 here and from 0 in the protocol.
foreach_value <- function(state, level) {
  frame <- state$frames[[level]]
  key <- as.character(level)
  if (is.null(state$items[[key]])) {
    state$items[[key]] <- list(state$fetch("foreach", level - 1L, frame$var))
  }
  state$items[[key]][[1]]
}

abort_no_artifact <- function(name, known, where, call = rlang::caller_env()) {
  abort(
    c(
      sprintf("AttributeError: %s has no attribute `%s`.", where, name),
      hints(did_you_mean(name, known)),
      i = sprintf("Its artifacts: %s.", enumerate(known))
    ),
    class = "artifact_not_found", name = name, available = known, call = call
  )
}

check_assignable <- function(state, name, call = rlang::caller_env()) {
  if (name %in% state$parameters) abort_read_only(name, "is a parameter", call = call)
  if (state$is_past && name %in% state$inherited) {
    abort_read_only(name, "is as the task left it", call = call)
  }
}

abort_read_only <- function(name, because, call = rlang::caller_env()) {
  abort(
    c(
      sprintf("AttributeError: `self$%s` cannot be assigned, it %s.", name, because),
      i = "Assign to an artifact of another name."
    ),
    class = "read_only", name = name, call = call
  )
}
