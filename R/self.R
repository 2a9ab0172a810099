# `self`: the artifacts of a task, as an environment that loads them on first use.
#
# Each artifact that the task started with is an active binding, which fetches its value when it is
# read and becomes an ordinary variable when it is assigned. So an ordinary variable *is* what the
# step assigned, and `ls()`, `exists()`, `get()`, `with()` and `rm()` work as on any environment.
# What `self` knows besides is in its attribute `state`, an environment.

# A `self`.
#
# `fetch(from, index, name)` gives an artifact's value; `from` is "self", "input" or "foreach".
# `artifacts` are the names at the start, `parameters` those of them that are read-only, `frames`
# the foreach stack, outermost first.
new_self <- function(fetch, artifacts = character(), parameters = character(), frames = list(),
                     where = "this task") {
  state <- new.env(parent = emptyenv())
  state$fetch <- fetch
  state$parameters <- parameters
  state$frames <- frames
  state$where <- where
  state$inherited <- artifacts
  state$loaded <- list()
  state$items <- list()
  state$references <- integer()
  self <- new.env(parent = emptyenv())
  attr(self, "state") <- state
  class(self) <- c("metaflow_self", "environment")
  for (name in artifacts) bind_artifact(self, name, from = "self")
  self
}

# Makes `name` an artifact of `self` that is fetched when it is read.
bind_artifact <- function(self, name, from, index = NULL) {
  state <- state_of(self)
  force(index)
  makeActiveBinding(name, env = self, function(value) {
    if (!missing(value)) return(replace_artifact(self, name, value))
    if (!name %in% names(state$loaded)) {
      state$loaded[name] <- list(state$fetch(from, index, name))
    }
    state$loaded[[name]]
  })
}

replace_artifact <- function(self, name, value) {
  state <- state_of(self)
  if (name %in% state$parameters) abort_read_only(name, "is a parameter")
  state$loaded[[name]] <- NULL
  rm(list = name, envir = self)
  assign(name, value, envir = self)
  invisible(value)
}

state_of <- function(self) attr(self, "state", exact = TRUE)

# What a step left in `self`: names of the artifacts to write, to refer to (name to the index of an
# input, from 0), and those that were removed.
changes <- function(self) {
  state <- state_of(self)
  names <- ls(self, all.names = TRUE)
  fetched <- names[vapply(names, bindingIsActive, NA, env = self)]
  changed_in_place <- Filter(
    function(name) is_mutable(state$loaded[[name]]), intersect(fetched, names(state$loaded))
  )
  list(
    written = c(setdiff(names, fetched), setdiff(changed_in_place, state$parameters)),
    references = state$references[setdiff(intersect(fetched, names(state$references)),
      changed_in_place)],
    removed = setdiff(state$inherited, names)
  )
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
  active <- vapply(names, bindingIsActive, NA, env = x)
  told <- vapply(names, function(name) {
    if (active[[name]] && !name %in% names(state$loaded)) return("(not loaded yet)")
    describe(get(name, envir = x))
  }, "")
  told[names %in% state$parameters] <- paste(told[names %in% state$parameters], "(parameter)")
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
  if (exists(name, envir = self, inherits = FALSE)) return(get(name, envir = self))
  state <- state_of(self)
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
  if (!grepl("^[^_/[:cntrl:]][^/[:cntrl:]]*$", name)) {
    abort(
      c(
        sprintf("`%s` cannot be the name of an artifact.", name),
        i = "It must not begin with an underscore, nor hold a slash or a control character."
      ),
      class = "invalid_argument", call = call
    )
  }
  if (name %in% state_of(self)$parameters) abort_read_only(name, "is a parameter", call = call)
  assign(name, value, envir = self)
  self
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
    values <- state$fetch("foreach", level - 1L, frame$var)
    state$items[[key]] <- list(foreach_item(values, frame$index + 1L))
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

abort_read_only <- function(name, because, call = rlang::caller_env()) {
  abort(
    c(
      sprintf("AttributeError: `self$%s` cannot be assigned, it %s.", name, because),
      i = "Assign to an artifact of another name."
    ),
    class = "read_only", name = name, call = call
  )
}
