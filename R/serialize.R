# R values to bytes, and what cannot be turned into bytes. Large values go to a file and come from
# one by `src/serialize.c`, in R's native format, which `unserialize()` reads as well as XDR.
#
# R serializes an external pointer (a database connection, a Python object) as a null pointer,
# without a word. Many fitted models hold such pointers deep inside and rebuild them on use, so a
# pointer is an error only where the value is a handle and nothing else.

# A value as R `serialize()` bytes (XDR, version 3, which the older R package reads too). `pointers`
# tells whether there is a live external pointer in it, in an attribute of the result.
to_bytes <- function(value, on_pointer = NULL) {
  if (is.null(on_pointer)) return(serialize(value, NULL, version = 3))
  pointers <- FALSE
  bytes <- serialize(value, NULL, version = 3, refhook = function(object) {
    if (is_live_pointer(object)) pointers <<- TRUE
    NULL
  })
  if (pointers) on_pointer(value)
  bytes
}

# The value whose serialization begins at `offset` of a file.
read_serialized <- function(path, offset = 0) .Call(mf_unserialize, path, offset)

is_live_pointer <- function(x) {
  typeof(x) == "externalptr" && !identical(x, methods::new("externalptr"))
}

# The first external pointer that makes `x` a handle, or else the first harmless one: `path` into
# the value, such as `$con@ptr`, `class` of what holds it, and whether it is `fatal`. NULL if there
# is none. Of variables in closures' environments only those in `wanted` count.
find_pointer <- function(x, wanted = NULL) {
  seen <- new.env(parent = emptyenv())
  harmless <- NULL
  look <- function(x, path, depth, class, handle) {
    if (typeof(x) == "externalptr") {
      if (!is_live_pointer(x)) return(NULL)
      found <- list(path = path, class = class, fatal = handle || depth <= 1)
      if (found$fatal) return(found)
      if (is.null(harmless)) harmless <<- found
      return(NULL)
    }
    if (is_self_restoring(x) || is_shared_environment(x)) return(NULL)
    if (is.environment(x)) {
      key <- format.default(x)
      if (!is.null(seen[[key]])) return(NULL)
      seen[[key]] <- TRUE
    }
    if (is.object(x)) {
      class <- class(x)[[1]]
      handle <- handle || inherits(x, handle_classes)
    }
    for (part in parts_of(x, wanted)) {
      found <- look(part$value, paste0(path, part$path), depth + 1, class, handle || part$code)
      if (!is.null(found)) return(found)
    }
    NULL
  }
  look(x, "", 0, class(x)[[1]], FALSE) %||% harmless
}

# Objects that are of no use without their pointer, wherever they are.
handle_classes <- c("connection", "DBIConnection", "python.builtin.object")

# Objects that are meant to be saved, pointer or not.
is_self_restoring <- function(x) {
  inherits(x, c("xgb.Booster", "lgb.Booster", "classRepresentation"))
}

# What R itself never serializes by value.
is_shared_environment <- function(x) {
  is.environment(x) && (
    identical(x, globalenv()) || identical(x, baseenv()) || identical(x, emptyenv()) ||
      isNamespace(x) || startsWith(environmentName(x), "package:") ||
      startsWith(environmentName(x), "imports:")
  )
}

# The values directly inside of `x`, each with the text that reaches it from `x`. `code` is TRUE
# for what stands in a function's code.
parts_of <- function(x, wanted = NULL) {
  parts <- list()
  add <- function(value, path, code = FALSE) {
    if (is_compound(value)) {
      parts[[length(parts) + 1]] <<- list(value = value, path = path, code = code)
    }
  }
  attributes <- attributes(x)
  attributes[c(plain_attributes, if (inherits(x, "data.table")) ".internal.selfref")] <- NULL
  for (name in names(attributes)) add(attributes[[name]], paste0("@", name))
  if (is.environment(x)) {
    names <- ls(x, all.names = TRUE, sorted = FALSE)
    for (name in names) add(variable(name, x), paste0("$", name))
    add(parent.env(x), "")
  } else if (is.function(x) && !is.primitive(x)) {
    add(body(x), "", code = TRUE)
    add(closure_variables(x, wanted), "")
  } else if (is.list(x) || is.expression(x)) {
    names <- names(x)
    for (i in which(vapply(unclass(x), is_compound, NA))) {
      named <- !is.null(names) && nzchar(names[[i]])
      add(.subset2(x, i), if (named) paste0("$", names[[i]]) else sprintf("[[%d]]", i))
    }
  } else if (is.call(x)) {
    # A variable that holds an empty argument, as of `x[1, ]`, cannot be read.
    for (i in which(!vapply(as.list(x), identical, NA, quote(expr = )))) {
      add(x[[i]], "", code = TRUE)
    }
  }
  parts
}

plain_attributes <- c(
  "names", "class", "dim", "dimnames", "row.names", "levels", "tsp", "srcref", "srcfile",
  "wholeSrcref", "comment"
)

# Whether a value may hold others.
is_compound <- function(x) {
  !is.null(attributes(x)) || !(is.atomic(x) || is.symbol(x) || is.null(x))
}

# The environment that a closure carries, or a list of the wanted variables in it.
closure_variables <- function(fun, wanted) {
  env <- environment(fun)
  if (is.null(wanted)) return(env)
  variables <- list()
  while (!is.null(env) && !is_shared_environment(env)) {
    for (name in setdiff(intersect(ls(env, all.names = TRUE), wanted), names(variables))) {
      variables[name] <- list(variable(name, env))
    }
    env <- parent.env(env)
  }
  variables
}

# A variable's value; NULL for what cannot be looked at without running code.
variable <- function(name, env) {
  if (bindingIsActive(as.name(name), env)) return(NULL)
  value <- tryCatch(get(name, envir = env, inherits = FALSE), error = function(error) NULL)
  if (identical(value, quote(expr = ))) NULL else value
}
