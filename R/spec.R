# A flow as plain lists: the wire form, which `bridge/spec.py` reads. Only this file knows it.

as_spec <- function(flow, script = script_functions()) {
  list(
    name = flow$name,
    doc = "",
    script = script_path(),
    decorators = lapply(flow$decorators, decorator_spec),
    parameters = lapply(flow$parameters, parameter_spec),
    steps = lapply(flow$steps, step_spec, script = script)
  )
}

decorator_spec <- function(decorator) {
  list(name = decorator$name, attributes = as_plain(decorator$attributes))
}

parameter_spec <- function(parameter) {
  has_function <- is.function(parameter$default)
  list(
    name = parameter$name,
    type = parameter$type,
    required = parameter$required,
    help = parameter$help %||% "",
    separator = parameter$separator,
    default = if (!has_function) as_plain(parameter$default),
    default_is_function = has_function,
    is_flag = parameter$is_flag
  )
}

step_spec <- function(step, script) {
  source <- function_source(with_source(step$fun, step$label, script))
  list(
    name = step$name,
    next_steps = as.list(step$next_steps),
    foreach = step$foreach,
    condition = step$condition,
    cases = as.list(step$cases),
    is_join = step$is_join,
    decorators = lapply(step$decorators, decorator_spec),
    has_function = !is.null(step$fun),
    doc = "",
    source_file = source$file,
    line = source$line
  )
}

# A value as the wire carries it: a vector of length one is a scalar, a longer one a list, a named
# one a named list; a list stays a list whatever its length. Factors and dates are text.
as_plain <- function(x) {
  if (is.null(x) || is.raw(x)) return(x)
  if (is.object(x) && is.atomic(x)) x <- as.character(x)
  if (is.list(x)) return(lapply(unclass(x), as_plain))
  if (!is.null(names(x))) return(lapply(as.list(x), as_plain))
  attributes(x) <- NULL
  if (length(x) == 1) x else as.list(x)
}

# The file that `Rscript` runs, absolute, or "".
script_path <- function() {
  path <- script_argument()
  if (length(path)) normalizePath(path, mustWork = FALSE) else ""
}

rscript_path <- function() {
  file.path(R.home("bin"), if (.Platform$OS.type == "windows") "Rscript.exe" else "Rscript")
}
