# What a worker process needs to run a flow's steps: their functions, the helpers and values of the
# script that they use, the attached packages, the library and the working directory.
#
# A function whose environment is the global one finds its helpers in the worker's global
# environment. A closure made elsewhere (in `local()`, in a function, in a test) carries its own
# environment whole, as R serializes it.

# The flow's payload as raw bytes.
payload <- function(flow) {
  script <- script_functions()
  helpers <- find_helpers(Filter(function(step) !is.null(step$fun), flow$steps))
  helpers <- Map(function(value, name) with_source(value, name, script), helpers, names(helpers))
  steps <- lapply(flow$steps, function(step) {
    list(
      label = step$label, cases = step$cases, fun = with_source(step$fun, step$label, script)
    )
  })
  names(steps) <- vapply(flow$steps, function(step) step$name, "")
  packages <- attached_packages()
  check_installed(packages)
  to_bytes(list(
    flow = flow$name,
    steps = steps,
    helpers = helpers,
    packages = packages,
    library = .libPaths(),
    directory = getwd()
  ))
}

# Brings a payload, its bytes or the path of a file with them, into this process. Returns it.
load_payload <- function(payload) {
  payload <- if (is.raw(payload)) unserialize(payload) else read_serialized(payload)
  .libPaths(unique(c(.libPaths(), payload$library)))
  if (dir.exists(payload$directory)) setwd(payload$directory)
  for (package in payload$packages) attach_package(package)
  list2env(payload$helpers, globalenv())
  # Classes and methods that were defined at top level count only once their tables are read.
  if (any(startsWith(names(payload$helpers), ".__"))) {
    methods::cacheMetaData(globalenv(), attach = TRUE)
  }
  payload
}

read_serialized <- function(path) {
  file <- file(path, "rb")
  on.exit(close(file))
  unserialize(file)
}

attach_package <- function(package) {
  tryCatch(
    suppressPackageStartupMessages(
      library(package, character.only = TRUE, warn.conflicts = FALSE, quietly = TRUE)
    ),
    error = function(error) {
      abort(
        c(
          sprintf("Package %s cannot be attached where this task runs.", package),
          x = conditionMessage(error),
          i = "The script attaches it, so each step does. Install it in one of the libraries:",
          .libPaths()
        ),
        class = "package_missing", package = package, call = NULL
      )
    }
  )
}

# Packages on the search path, in the order in which they were attached.
attached_packages <- function() {
  packages <- rev(grep("^package:", search(), value = TRUE))
  setdiff(sub("^package:", "", packages), "base")
}

# A package that is attached but not installed (`devtools::load_all()`) is known in no other process.
check_installed <- function(packages, call = NULL) {
  installed <- vapply(
    packages, function(x) length(find.package(x, .libPaths(), quiet = TRUE)) > 0, NA
  )
  missing <- setdiff(packages[!installed], "metaflow")
  if (length(missing)) {
    abort(
      c(
        sprintf("Attached, but not installed: %s.", enumerate(missing)),
        i = "Steps run in processes of their own, which attach what this session has attached.",
        i = "Install it, or detach it if no step needs it."
      ),
      class = "package_missing", package = missing, call = call
    )
  }
}

# Helpers ---------------------------------------------------------------------------------------

# The top-level functions and values that the steps' functions use, directly or through others.
#
# Returns them by name. Each was found to be sendable.
find_helpers <- function(steps) {
  search <- new.env(parent = emptyenv())
  search$helpers <- list()
  search$names <- character()
  search$seen <- new.env(parent = emptyenv())
  for (step in steps) {
    user <- list(step = step$name, through = character())
    scan_value(step$fun, user, search)
  }
  for (name in implicit_helpers()) add_helper(name, list(step = "", through = character()), search)
  for (step in steps) {
    check_sendable(step$fun, "", list(step = step$name, through = character()), search$names)
  }
  for (helper in search$helpers) {
    check_sendable(helper$value, helper$name, helper$user, search$names)
  }
  lapply(search$helpers, function(helper) helper$value)
}

# Looks for names of helpers in all the code that `value` holds.
scan_value <- function(value, user, search) {
  if (is.environment(value)) {
    if (is_shared_environment(value)) return(invisible())
    key <- format.default(value)
    if (!is.null(search$seen[[key]])) return(invisible())
    search$seen[[key]] <- TRUE
  }
  if (is.function(value)) {
    if (is.primitive(value) || isNamespace(environment(value))) return(invisible())
    scan_names(free_names(value), environment(value), user, search)
    scan_names(global_functions(string_constants(value)), environment(value), user, search)
    scan_value(environment(value), user, search)
  } else if (is.call(value) || is.symbol(value)) {
    scan_names(all.names(value, unique = TRUE), globalenv(), user, search)
  }
  if (is.language(value)) value <- attributes(value)
  if (!is.function(value)) {
    for (part in language_parts(value)) scan_value(part, user, search)
  }
}

# Parts of a value that may hold code.
language_parts <- function(value) {
  symbols <- if (is.environment(value)) {
    Filter(is.symbol, lapply(ls(value, all.names = TRUE), variable, env = value))
  }
  c(lapply(parts_of(value), function(part) part$value), symbols)
}

scan_names <- function(names, env, user, search) {
  search$names <- union(search$names, names)
  for (name in names) {
    if (is_global(name, env)) add_helper(name, user, search)
  }
}

add_helper <- function(name, user, search) {
  if (name %in% c(names(search$helpers), ".Random.seed", ".Last.value")) return(invisible())
  value <- variable(name, globalenv())
  if (inherits(value, "metaflow_flow")) return(invisible())
  search$helpers[[name]] <- list(name = name, value = value, user = user)
  user$through <- c(user$through, name)
  scan_value(value, user, search)
}

# Whether code in `env` that says `name` means a variable of the global environment.
is_global <- function(name, env) {
  if (!nzchar(name)) return(FALSE)
  while (!identical(env, globalenv())) {
    if (is_shared_environment(env) || exists(name, env, inherits = FALSE)) return(FALSE)
    env <- parent.env(env)
  }
  exists(name, env, inherits = FALSE)
}

# Names that a function does not define itself, also in its default arguments and in formulas and
# quoted code, where codetools does not look.
free_names <- function(fun) {
  found <- tryCatch(
    codetools::findGlobals(fun, merge = TRUE),
    error = function(error) all.names(body(fun), unique = TRUE)
  )
  unique(c(found, quoted_names(body(fun)), quoted_names(as.call(c(quote(f), default_code(fun))))))
}

default_code <- function(fun) unname(Filter(is.call, as.list(formals(fun))))

quoted_names <- function(code) {
  if (!is.call(code)) return(character())
  quoting <- c("~", "quote", "bquote", "expression", "substitute")
  if (is.symbol(code[[1]]) && as.character(code[[1]]) %in% quoting) {
    return(all.names(code, unique = TRUE))
  }
  unique(unlist(lapply(as.list(code), quoted_names)))
}

# `do.call("fit", ...)` and `sapply(x, "fit")` name a function by a string.
string_constants <- function(fun) {
  collect <- function(code) {
    if (is.character(code)) return(code)
    if (is.call(code)) unlist(lapply(as.list(code), collect))
  }
  unique(as.character(c(collect(body(fun)), unlist(lapply(default_code(fun), collect)))))
}

global_functions <- function(names) {
  Filter(function(name) nzchar(name) && exists(name, globalenv(), mode = "function",
    inherits = FALSE), names)
}

# Top-level definitions that are used without being named: S3 methods, and the tables that hold S4
# and reference classes and their methods.
implicit_helpers <- function() {
  names <- ls(globalenv(), all.names = TRUE, sorted = FALSE)
  tables <- names[startsWith(names, ".__C__") | startsWith(names, ".__T__")]
  dotted <- global_functions(grep(".[.].", setdiff(names, tables), value = TRUE))
  methods <- Filter(function(name) utils::isS3method(name, envir = globalenv()), dotted)
  c(methods, tables)
}

# Stops if a value would not arrive in a worker as it is here, or is too large to be sent.
check_sendable <- function(value, name, user, wanted) {
  judge <- function(value) {
    pointer <- find_pointer(value, wanted)
    if (isTRUE(pointer$fatal)) abort_not_sendable(pointer, name, user)
  }
  size_bytes <- length(to_bytes(value, on_pointer = judge))
  limit_bytes <- getOption("metaflow.max_helper_bytes", 256 * 1024^2)
  if (size_bytes > limit_bytes) abort_too_large(size_bytes, limit_bytes, name, user)
}

abort_not_sendable <- function(pointer, name, user) {
  holder <- sprintf("`%s%s`", if (nzchar(name)) name else "environment", pointer$path)
  abort(
    c(
      sprintf("%s, which cannot be sent to another process.", used_by(name, user)),
      x = sprintf("%s is an external pointer of a <%s>.", holder, pointer$class),
      i = "Open it inside of the step, or in a function that the step calls."
    ),
    class = "not_sendable", name = name, step = user$step, call = NULL
  )
}

abort_too_large <- function(size_bytes, limit_bytes, name, user) {
  abort(
    c(
      sprintf("%s, which is too large to be sent along with the functions.", used_by(name, user)),
      x = sprintf("It takes %s; the limit is %s.", format_bytes(size_bytes),
        format_bytes(limit_bytes)),
      i = "Make it an artifact (`self$x <- ...`), or load it inside of the step.",
      i = "Or raise the limit: `options(metaflow.max_helper_bytes = ...)`."
    ),
    class = "too_large", name = name, step = user$step, size_bytes = size_bytes, call = NULL
  )
}

# "Step `fit` uses `con` (through `load_data`)"
used_by <- function(name, user) {
  who <- if (nzchar(user$step)) sprintf("Step `%s`", user$step) else "The flow"
  if (!nzchar(name)) return(paste(who, "has a function"))
  through <- if (length(user$through)) sprintf(" (through %s)", enumerate(user$through))
  paste0(who, " uses `", name, "`", through)
}

format_bytes <- function(size_bytes) {
  format(structure(size_bytes, class = "object_size"), units = "auto", standard = "SI")
}
