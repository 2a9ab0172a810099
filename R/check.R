# Argument checks: each stops with an error that names the argument, or returns it invisibly.

check_string <- function(x, name, null = FALSE, empty = FALSE, call = rlang::caller_env()) {
  if (null && is.null(x)) return(invisible(x))
  if (!is_string(x) || (!empty && !nzchar(x))) {
    abort_argument(name, or_null("one string", null), x, call = call)
  }
  invisible(x)
}

check_strings <- function(x, name, null = FALSE, call = rlang::caller_env()) {
  if (null && is.null(x)) return(invisible(x))
  if (!is.character(x) || anyNA(x)) {
    abort_argument(name, or_null("a character vector without NA", null), x, call = call)
  }
  invisible(x)
}

check_flag <- function(x, name, null = FALSE, call = rlang::caller_env()) {
  if (null && is.null(x)) return(invisible(x))
  if (!isTRUE(x) && !isFALSE(x)) {
    abort_argument(name, or_null("TRUE or FALSE", null), x, call = call)
  }
  invisible(x)
}

check_number <- function(x, name, min = -Inf, null = FALSE, call = rlang::caller_env()) {
  if (null && is.null(x)) return(invisible(x))
  if (!is_number(x) || x < min) {
    abort_argument(name, or_null(paste0("one number", at_least(min)), null), x, call = call)
  }
  invisible(x)
}

check_count <- function(x, name, min = 0, null = FALSE, call = rlang::caller_env()) {
  if (null && is.null(x)) return(invisible(x))
  if (!is_number(x) || x != trunc(x) || x < min) {
    abort_argument(name, or_null(paste0("one whole number", at_least(min)), null), x, call = call)
  }
  invisible(x)
}

check_function <- function(x, name, null = FALSE, call = rlang::caller_env()) {
  if (null && is.null(x)) return(invisible(x))
  if (!is.function(x)) abort_argument(name, or_null("a function", null), x, call = call)
  invisible(x)
}

# A name that R, Python and a command line can all write.
check_identifier <- function(x, name, call = rlang::caller_env()) {
  check_string(x, name, call = call)
  if (!grepl("^[A-Za-z][A-Za-z0-9_]*$", x)) {
    abort_argument(
      name, "a letter followed by letters, digits and underscores", x,
      hint = sprintf("Write `%s`, for instance.", as_identifier(x)), call = call
    )
  }
  invisible(x)
}

check_flow <- function(x, call = rlang::caller_env()) {
  if (!inherits(x, "metaflow_flow")) {
    abort_argument(
      "flow", "a flow", x,
      hint = "Start with `metaflow(\"NameOfFlow\")` and pipe it on.", call = call
    )
  }
  invisible(x)
}

is_string <- function(x) is.character(x) && length(x) == 1 && !is.na(x)

is_number <- function(x) {
  is.numeric(x) && !is.object(x) && length(x) == 1 && !is.na(x) && is.finite(x)
}

at_least <- function(min) if (is.finite(min)) sprintf(" >= %s", format(min)) else ""

or_null <- function(must, null) if (null) paste("NULL or", must) else must

as_identifier <- function(x) {
  x <- gsub("[^A-Za-z0-9]+", "_", x)
  x <- gsub("^_+|_+$", "", x)
  if (grepl("^[A-Za-z]", x)) x else paste0("x", x)
}
