# Where a function was written.
#
# `Rscript` parses a script without source references, so its functions do not know their lines.
# The script is parsed once more with them, and each function is given those of the function in
# the script that has the same code.

# The functions written in a script: `fun` with source references, and `name`, what it is
# assigned to at top level (or "").
script_functions <- function(path = script_argument()) {
  if (!length(path) || !file.exists(path)) return(list())
  code <- tryCatch(parse(path, keep.source = TRUE), error = function(error) NULL)
  if (is.null(code)) return(list())
  # The parser's own notes are many times the size of the code, and would travel with it.
  rm(list = intersect("parseData", ls(attr(code, "srcfile"))), envir = attr(code, "srcfile"))
  unlist(lapply(as.list(code), function(expression) {
    name <- if (is_assignment(expression)) deparse(expression[[2]], nlines = 1) else ""
    lapply(function_calls(expression), function(call) {
      fun <- eval(call, globalenv())
      list(fun = fun, name = name)
    })
  }), recursive = FALSE)
}

# `fun` with source references, if it is one of the functions of the script.
with_source <- function(fun, name, script) {
  if (!is.function(fun) || is.primitive(fun) || !is.null(attr(fun, "srcref"))) return(fun)
  # A generic is an object around its code, not the function that was written.
  if (isS4(fun)) return(fun)
  same <- Filter(function(candidate) same_code(candidate$fun, fun), script)
  if (!length(same)) return(fun)
  named <- Filter(function(candidate) candidate$name == name, same)
  found <- c(named, same)[[1]]$fun
  environment(found) <- environment(fun)
  attributes(found) <- c(attributes(fun), list(srcref = attr(found, "srcref")))
  found
}

# File and first line of a function; "" and 0 where they are not known.
function_source <- function(fun) {
  srcref <- attr(fun, "srcref")
  if (is.null(srcref)) return(list(file = "", line = 0L))
  list(file = source_file(srcref), line = as.integer(srcref)[[1]])
}

source_file <- function(srcref) {
  file <- attr(srcref, "srcfile")$filename
  if (is_string(file)) file else ""
}

# The path after `--file=`, as the user wrote it on the command line, or nothing.
script_argument <- function() {
  utils::head(sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)), 1)
}

is_assignment <- function(expression) {
  is.call(expression) && deparse(expression[[1]], nlines = 1) %in% c("<-", "=", "<<-")
}

# All `function(...)` expressions in an expression, outermost first.
function_calls <- function(expression) {
  if (!is.call(expression)) return(list())
  own <- if (identical(expression[[1]], quote(`function`))) list(expression)
  parts <- Filter(is.call, as.list(expression))
  c(own, unlist(lapply(unname(parts), function_calls), recursive = FALSE))
}

# Whether two functions have the same code, source references aside.
same_code <- function(one, other) {
  identical(bare_code(formals(one)), bare_code(formals(other))) &&
    identical(bare_code(body(one)), bare_code(body(other)))
}

bare_code <- function(code) {
  if (is.call(code)) {
    attributes(code) <- NULL
    # The fourth part of a `function` expression is its source reference.
    if (identical(code[[1]], quote(`function`))) code <- code[1:3]
    parts <- as.list(code)
  } else if (is.pairlist(code)) {
    parts <- as.list(code)
  } else {
    return(code)
  }
  lapply(parts, function(part) if (is.call(part) || is.pairlist(part)) bare_code(part) else part)
}
