# Where a function was written.
#
# `Rscript` parses a script without source references, and so do the `source()`s of a session that
# does not keep them: such functions do not know their lines. The script, and the files that it
# sources by a name that can be read in it, are parsed once more with them, and each function is
# given those of the function in there that has the same code. What is sourced after
# `library(metaflow)`, by whatever name, keeps its own (see `keep_source()`).

# The functions written in a script and in the files that it sources: `fun` with source references,
# and `name`, what it is assigned to at top level (or ""). `seen` are files that are read already.
script_functions <- function(path = script_argument(), seen = character()) {
  if (!length(path) || path %in% seen || !file.exists(path)) return(list())
  code <- tryCatch(parse(path, keep.source = TRUE), error = function(error) NULL)
  if (is.null(code)) return(list())
  # The parser's own notes are many times the size of the code, and would travel with it.
  rm(list = intersect("parseData", ls(attr(code, "srcfile"))), envir = attr(code, "srcfile"))
  own <- lapply(as.list(code), function(expression) {
    name <- if (is_assignment(expression)) deparse(expression[[2]], nlines = 1) else ""
    lapply(function_calls(expression), function(call) {
      list(fun = eval(call, globalenv()), name = name)
    })
  })
  sourced <- lapply(sourced_files(code), script_functions, seen = c(seen, path))
  unlist(c(own, sourced), recursive = FALSE)
}

# The files that code sources by a plain name.
sourced_files <- function(code) {
  calls <- unlist(lapply(as.list(code), calls_that, is_source_call), recursive = FALSE)
  unique(vapply(calls, function(call) call[[2]], ""))
}

is_source_call <- function(call) {
  deparse(call[[1]], nlines = 1) %in% c("source", "base::source", "sys.source") &&
    length(call) > 1 && is_string(call[[2]])
}

# Lets R keep the source of what a script still sources. Only for scripts that `Rscript` runs: a
# session has its own setting, which is TRUE.
keep_source <- function() {
  if (length(script_argument())) options(keep.source = TRUE, keep.parse.data = FALSE)
}

# `value` with the source references of each function in it that is one of the script's: of lists
# their elements; of R6 classes, reference classes and S4 methods, in place, what they hold.
with_source <- function(value, name, script) {
  if (!length(script)) return(value)
  if (is.function(value)) return(function_with_source(value, name, script))
  if (inherits(value, "R6ClassGenerator")) {
    for (part in c("public_methods", "private_methods", "active")) {
      if (is.list(value[[part]])) value[[part]] <- with_source(value[[part]], "", script)
    }
  } else if (is.environment(value) && startsWith(name, ".__T__")) {
    give_methods_source(value, script)
  } else if (methods::is(value, "refClassRepresentation")) {
    give_methods_source(value@refMethods, script)
  } else if (is.list(value) && !is.object(value)) {
    # Assigned one by one: a list that changes nowhere is not copied.
    for (i in which(vapply(value, function(x) is.function(x) || is.list(x), NA))) {
      value[[i]] <- with_source(value[[i]], name, script)
    }
  }
  value
}

function_with_source <- function(fun, name, script) {
  # A generic is an object around its code, not the function that was written.
  if (is.primitive(fun) || isS4(fun) || knows_source(fun)) return(fun)
  found <- same_function(fun, name, script)
  if (is.null(found)) return(fun)
  environment(found) <- environment(fun)
  attributes <- attributes(fun)
  attributes$srcref <- attr(found, "srcref")
  attributes(found) <- attributes
  found
}

# A method of S4 or of a reference class is an object around its code: only that is exchanged.
give_methods_source <- function(table, script) {
  for (name in ls(table, all.names = TRUE)) {
    method <- table[[name]]
    if (!methods::is(method, "MethodDefinition") && !methods::is(method, "refMethodDef")) next
    code <- function_with_source(method@.Data, "", script)
    method@.Data <- code
    attr(method, "srcref") <- attr(method, "srcref") %||% attr(code, "srcref")
    table[[name]] <- method
  }
}

# Whether a function has source references that name a file. What `Rscript` itself parses, when it
# keeps its source, has such that do not.
knows_source <- function(fun) nzchar(function_source(fun)$file)

# The function of the script that has the same code, if there is one; of several the one of the
# same name.
same_function <- function(fun, name, script) {
  same <- Filter(function(candidate) same_code(candidate$fun, fun), script)
  if (!length(same)) return(NULL)
  named <- Filter(function(candidate) candidate$name == name, same)
  c(named, same)[[1]]$fun
}

# File and first line of a function; "" and 0 where they are not known.
function_source <- function(fun) {
  srcref <- attr(fun, "srcref")
  file <- if (is.null(srcref)) "" else source_file(srcref)
  list(file = file, line = if (nzchar(file)) as.integer(srcref)[[1]] else 0L)
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
  calls_that(expression, function(call) identical(call[[1]], quote(`function`)))
}

# All calls in an expression for which `is_wanted` is TRUE, outermost first.
calls_that <- function(expression, is_wanted) {
  if (!is.call(expression)) return(list())
  own <- if (is_wanted(expression)) list(expression)
  parts <- Filter(is.call, as.list(expression))
  c(own, unlist(lapply(unname(parts), calls_that, is_wanted), recursive = FALSE))
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
