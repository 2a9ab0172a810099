# How the arguments of a client's constructor name an object.

# The pathspec that a constructor was given: as such, or as a parent and the id of its child.
child_pathspec <- function(arguments, child, parent) {
  call <- str2lang(paste0(child, "_client$new()"))
  if (!length(arguments) %in% 1:2) abort_constructor_arguments(arguments, child, parent, call)
  if (length(arguments) == 1) {
    return(as_id(arguments[[1]], "pathspec", call))
  }
  paste(
    as_pathspec(arguments[[1]], parent, call = call),
    as_id(arguments[[2]], paste0(child, "_id"), call),
    sep = "/"
  )
}

abort_constructor_arguments <- function(arguments, child, parent, call) {
  abort(
    c(
      sprintf("`%s_client$new()` takes one or two arguments, not %d.", child, length(arguments)),
      i = sprintf("Give a pathspec, or a %s_client and the id of its %s.", parent, child)
    ),
    class = "invalid_argument", argument = "...", call = call
  )
}

# The pathspec of a client of one of `kinds`, or a pathspec written out.
as_pathspec <- function(x, kinds, name = kinds[[1]], call = rlang::caller_env()) {
  if (inherits(x, client_classes[kinds])) {
    return(x$pathspec)
  }
  if (inherits(x, "metaflow_object")) {
    abort_argument(name, paste0("a ", kinds, "_client", collapse = " or "), x, call = call)
  }
  as_id(x, name, call)
}

client_classes <- c(
  flow = "FlowClient", run = "RunClient", step = "StepClient", task = "TaskClient"
)

# An id as text. Run ids have 16 digits: `as.character()` would write one as 1.79e+15.
as_id <- function(x, name, call) {
  if (is_string(x) && nzchar(x)) {
    return(x)
  }
  if (inherits(x, "integer64") && length(x) == 1) {
    return(as.character(x))
  }
  if (is_number(x) && x == trunc(x) && abs(x) < 2^53) {
    return(sprintf("%.0f", x))
  }
  abort_argument(name, "one string or whole number", x, call = call)
}

# The pathspec one level up; NULL for a flow.
parent_pathspec <- function(pathspec) {
  if (grepl("/", pathspec, fixed = TRUE)) sub("/[^/]*$", "", pathspec)
}

parent_id <- function(pathspec) {
  above <- parent_pathspec(pathspec)
  if (!is.null(above)) basename(above)
}
