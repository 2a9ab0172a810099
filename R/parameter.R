#' Give a flow a parameter
#'
#' A parameter is set when a run starts, as `run(alpha = 0.6)` or `--alpha 0.6`, and is then a
#' read-only artifact of every step, `self$alpha`.
#'
#' @param flow A flow, see [metaflow()].
#' @param parameter `[character(1)]` The parameter's name: a letter, then letters, digits and
#'   underscores. Names that `self` or [run()] use themselves, such as `input` or `max_workers`,
#'   are refused.
#' @param required `[logical(1)]` Whether a run without it is refused.
#' @param help `[character(1)]` One line for `--help`.
#' @param separator `[character(1)]` Text that splits the value into a character vector.
#' @param default The value that a run has unless it is given another; or a function that makes it,
#'   called once when a run starts (or the flow is deployed), with a list `context` (`flow_name`,
#'   `user_name`, `parameter_name`) if it takes an argument.
#' @param type `[character(1)]` `"int"`, `"float"` (or `"double"`), `"bool"` (or `"logical"`),
#'   `"str"` or `"json"` (or `"JSONType"`). By default, the type of `default`, else `"str"`.
#' @param is_flag `[logical(1)]` Whether it is a switch: `--debug` without a value sets it to TRUE.
#'
#' @return A copy of `flow` with the parameter.
#'
#' @section Errors:
#' `metaflow_invalid_argument` if an argument is of the wrong kind or the default is not of the
#' parameter's type; `metaflow_reserved_name` if the name is taken.
#'
#' @examples
#' metaflow("TrainFlow") %>%
#'   parameter("alpha", help = "learning rate", default = 0.1) %>%
#'   parameter("columns", separator = ",", default = "mpg,wt") %>%
#'   parameter("grid", type = "json", default = list(depth = 1:3)) %>%
#'   parameter("made_by", default = function(context) context$user_name)
#' @export
parameter <- function(flow, parameter, required = FALSE, help = NULL, separator = NULL,
                      default = NULL, type = NULL, is_flag = FALSE) {
  check_flow(flow)
  check_identifier(parameter, "parameter")
  check_not_reserved(parameter)
  check_flag(required, "required")
  check_string(help, "help", null = TRUE, empty = TRUE)
  check_string(separator, "separator", null = TRUE)
  check_flag(is_flag, "is_flag")
  type <- parameter_type(type, default, separator, is_flag)
  if (!is.null(separator) && type != "str") {
    abort_argument("type", "\"str\" where there is a `separator`", type)
  }
  if (is.character(default) && !is.null(separator)) default <- paste(default, collapse = separator)
  if (!is.null(default) && !is.function(default)) check_typed(default, type, "default")
  flow$parameters <- c(flow$parameters, list(structure(
    list(
      name = parameter, type = type, required = required, help = help, separator = separator,
      default = default, is_flag = is_flag
    ),
    class = "metaflow_parameter"
  )))
  flow
}

#' @export
format.metaflow_parameter <- function(x, ...) {
  default <- if (is.function(x$default)) {
    " = a function"
  } else if (!is.null(x$default)) {
    paste(" =", deparse(x$default, nlines = 1))
  }
  required <- if (x$required) " (required)"
  help <- if (!is.null(x$help)) paste0(": ", x$help)
  paste0(x$name, " ", x$type %||% "of any type", default, required, help)
}

# The default value of parameter `name` that the user's function makes, for a run that starts now;
# `context` is a named list. It is checked like a default that is written down.
evaluate_default <- function(flow, name, context = list()) {
  parameter <- Find(function(parameter) parameter$name == name, flow$parameters)
  fun <- parameter$default
  value <- if (length(formals(args(fun)))) fun(context) else fun()
  if (is.character(value) && !is.null(parameter$separator)) {
    value <- paste(value, collapse = parameter$separator)
  }
  if (is.null(parameter$type)) return(as_plain(value))
  as_plain(check_typed(value, parameter$type, name, call = NULL))
}

parameter_types <- c(
  int = "int", integer = "int",
  float = "float", double = "float", numeric = "float",
  bool = "bool", logical = "bool",
  str = "str", string = "str", character = "str",
  json = "json", JSONType = "json"
)

# The type that was asked for, or else that of the default; NULL if a function will tell.
parameter_type <- function(type, default, separator, is_flag, call = rlang::caller_env()) {
  check_string(type, "type", null = TRUE, call = call)
  if (!is.null(type) && !type %in% names(parameter_types)) {
    abort_unknown_name(
      sprintf("There is no parameter type `%s`.", type), type, names(parameter_types),
      class = "invalid_argument", call = call
    )
  }
  type <- if (is.null(type)) NULL else parameter_types[[type]]
  if (is_flag) {
    if (!identical(type %||% "bool", "bool")) {
      abort_argument("type", "\"bool\" for a flag", type, call = call)
    }
    return("bool")
  }
  if (!is.null(type)) return(type)
  if (!is.null(separator) || is.null(default)) return("str")
  if (is.function(default)) return(NULL)
  switch(typeof(default),
    logical = "bool", integer = "int", double = "float", character = "str", list = "json",
    abort_argument(
      "default", "a number, a string, TRUE or FALSE, a list, or a function", default, call = call
    )
  )
}

check_typed <- function(value, type, name, call = rlang::caller_env()) {
  fits <- switch(type,
    int = is_number(value) && value == trunc(value),
    float = is.numeric(value) && !is.object(value) && length(value) == 1 && !is.na(value),
    bool = isTRUE(value) || isFALSE(value),
    str = is_string(value),
    json = is_json(value)
  )
  must <- c(
    int = "one whole number", float = "one number", bool = "TRUE or FALSE", str = "one string",
    json = "a list of plain values, or JSON text"
  )
  if (!fits) {
    hint <- sprintf("The type is \"%s\"; use `type` for another.", type)
    if (length(value) > 1 && is.character(value)) {
      hint <- "Use `separator = \",\"` for several strings, `type = \"json\"` for other lists."
    }
    abort_argument(name, must[[type]], value, hint = hint, call = call)
  }
  if (type == "int") as_whole(value) else if (type == "float") as.double(value) else value
}

as_whole <- function(x) if (abs(x) <= .Machine$integer.max) as.integer(x) else as.double(x)

# Whether JSON can say it: plain vectors and lists of them.
is_json <- function(x) {
  if (is.list(x) && !is.object(x)) return(all(vapply(x, is_json, NA)))
  is.null(x) || (is.atomic(x) && !is.object(x) && !is.raw(x) && !is.complex(x))
}

# Names that mean something else in `self`, in `run()` or on the command line.
reserved_names <- c(
  "name", "self", "input", "inputs", "index", "foreach_stack", "next", "cmd", "current",
  "merge_artifacts", "script_name",
  "flow", "resume", "origin_run_id", "show", "help", "logs", "dump", "check", "batch",
  "step_functions", "my_runs", "user", "run_id", "run_id_file", "seed", "with", "tag", "namespace",
  "max_workers", "max_num_splits", "max_log_size", "datastore", "datastore_root", "metadata",
  "package_suffixes", "quiet", "other_args", "inline", "on_error", "isolation", "plan", "json",
  "generate_new_token", "new_token", "authorize", "only_json", "running", "succeeded", "failed",
  "timed_out", "aborted", "workflow_timeout"
)

check_not_reserved <- function(name, call = rlang::caller_env()) {
  if (name %in% reserved_names) {
    abort(
      c(
        sprintf("A parameter cannot be called `%s`.", name),
        i = "The name has a meaning of its own in `self`, in `run()` or on the command line.",
        i = sprintf("Write `parameter(\"my_%s\", ...)`, for instance.", name)
      ),
      class = "reserved_name", name = name, call = call
    )
  }
}
