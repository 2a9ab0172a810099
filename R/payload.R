# What a worker process needs to run a flow's steps: their functions, the helpers and values of the
# script that they use, the attached packages, the library and the working directory.
#
# A function whose environment is the global one finds its helpers in the worker's global
# environment. A closure made elsewhere (in `local()`, in a function, in a test) carries its own
# environment whole, as R serializes it.

# The flow's payload as raw bytes; `script` are the functions of the script, with their lines.
payload <- function(flow, script = script_functions()) {
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
    directory = getwd(),
    script = script_text(),
    keep_frames = getOption("metaflow.keep_frames")
  ))
}

# The script as it is now, for those who look at the run later: its path and lines; NULL where
# there is none, as in a session.
script_text <- function(path = script_path()) {
  if (file.exists(path)) list(path = path, lines = readLines(path, warn = FALSE))
}

# Brings a payload, its bytes or the path of a file with them, into this process. Returns it.
load_payload <- function(payload) {
  payload <- if (is.raw(payload)) unserialize(payload) else read_serialized(payload)
  .libPaths(unique(c(.libPaths(), payload$library)))
  if (dir.exists(payload$directory)) setwd(payload$directory)
  for (package in payload$packages) attach_package(package)
  list2env(payload$helpers, globalenv())
  # Classes and methods that were defined at top level count only once their tables are read.
  if (any(startsWith(as.character(names(payload$helpers)), ".__"))) {
    methods::cacheMetaData(globalenv(), attach = TRUE)
  }
  payload
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

# A package that is attached but not installed (`devtools::load_all()`) is in no other process.
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
    if (is_shared_environment(value) || !is_first(value, search)) return(invisible())
    for (name in ls(value, all.names = TRUE)) scan_value(variable(name, value), user, search)
  } else if (is.function(value)) {
    if (is.primitive(value) || isNamespace(environment(value))) return(invisible())
    scan_names(free_names(value), environment(value), user, search)
    scan_names(global_functions(string_constants(value)), environment(value), user, search)
  } else if (is.language(value)) {
    scan_names(all.names(value, unique = TRUE), globalenv(), user, search)
  }
  attributes <- attributes(value)
  inner <- if (is.list(value) || !is.null(attributes) && !is.function(value)) parts_of(value)
  for (part in inner) scan_value(part$value, user, search)
}

# Whether this is the first look at an environment, or at the variable `name` in it.
is_first <- function(env, search, name = "") {
  key <- paste(format.default(env), name)
  if (!is.null(search$seen[[key]])) return(FALSE)
  search$seen[[key]] <- TRUE
}

# Follows names that code in `env` uses: to a variable of a closure's environment, which travels
# with it, or to a helper.
scan_names <- function(names, env, user, search) {
  search$names <- union(search$names, names)
  for (name in names) {
    owner <- owner_of(name, env)
    if (identical(owner, globalenv())) {
      add_helper(name, user, search)
    } else if (!is.null(owner) && is_first(owner, search, name)) {
      scan_value(variable(name, owner), user, search)
    }
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

# The environment of the script or of a closure in which code in `env` finds `name`, or NULL.
owner_of <- function(name, env) {
  if (!nzchar(name)) return(NULL)
  while (!is_shared_environment(env)) {
    if (exists(name, env, inherits = FALSE)) return(env)
    env <- parent.env(env)
  }
  if (identical(env, globalenv()) && exists(name, env, inherits = FALSE)) env
}

# Names that a function does not define itself, also in its default arguments and in formulas and
# quoted code, where codetools does not look.
free_names <- function(fun) {
  found <- tryCatch(
    codetools::findGlobals(fun, merge = TRUE),
    error = function(error) all.names(body(fun), unique = TRUE)
  )
  unique(c(
    found, replaced_names(fun), quoted_names(body(fun)),
    quoted_names(as.call(c(quote(f), default_code(fun))))
  ))
}

# Names of which a function only ever replaces a part: `large[1] <- 0` takes `large` from outside,
# though codetools holds it for a variable of the function's own.
replaced_names <- function(fun) {
  targets <- assignment_targets(body(fun))
  in_part <- vapply(targets, is.call, NA)
  names <- vapply(targets, function(target) {
    while (is.call(target)) target <- target[[2]]
    as.character(target)
  }, "")
  setdiff(names[in_part], c(names[!in_part], names(formals(fun))))
}

# What is assigned to anywhere in `code`, loop variables and arguments among it: names, and calls
# for parts.
assignment_targets <- function(code) {
  if (!is.call(code)) return(list())
  kind <- if (is.symbol(code[[1]])) as.character(code[[1]]) else ""
  own <- switch(kind,
    "<-" = , "=" = , "for" = list(code[[2]]),
    "function" = lapply(names(code[[2]]), as.name)
  )
  c(own, unlist(lapply(as.list(code), assignment_targets), recursive = FALSE))
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
  Filter(function(name) {
    nzchar(name) && exists(name, globalenv(), mode = "function", inherits = FALSE)
  }, names)
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
  # The path into a function's environment begins with the variable's name.
  holder <- if (nzchar(name)) paste0(name, pointer$path) else sub("^[$]", "", pointer$path)
  abort(
    c(
      sprintf("%s cannot be sent to another process.", culprit(name, user)),
      x = sprintf("`%s` is an external pointer of a <%s>.", holder, pointer$class),
      i = "Open it inside of the step, or in a function that the step calls."
    ),
    class = "not_sendable", name = name, step = user$step, call = NULL
  )
}

abort_too_large <- function(size_bytes, limit_bytes, name, user) {
  abort(
    c(
      sprintf("%s is too large to be sent along with the functions.", culprit(name, user)),
      x = sprintf(
        "It takes %s; the limit is %s.", format_bytes(size_bytes), format_bytes(limit_bytes)
      ),
      i = "Make it an artifact (`self$x <- ...`), or load it inside of the step.",
      i = "Or raise the limit: `options(metaflow.max_helper_bytes = ...)`."
    ),
    class = "too_large", name = name, step = user$step, size_bytes = size_bytes, call = NULL
  )
}

# "Step `fit` uses `con` (through `load_data`), which", or "The function of step `fit`"
culprit <- function(name, user) {
  if (!nzchar(name)) return(sprintf("The function of step `%s`", user$step))
  who <- if (nzchar(user$step)) sprintf("Step `%s`", user$step) else "The flow"
  through <- if (length(user$through)) sprintf(" (through %s)", enumerate(user$through)) else ""
  sprintf("%s uses `%s`%s, which", who, name, through)
}

format_bytes <- function(size_bytes) {
  format(structure(size_bytes, class = "object_size"), units = "auto", standard = "SI")
}
