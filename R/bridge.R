# The only file that names reticulate: loads the core, asks it, turns its answers into R.
#
# Both directions carry R `serialize()` bytes of plain lists, so that a length-one list stays a
# list; see `inst/python/metaflow_core/wire.py`.

# Asks the core for `op` with named plain arguments; its answer as plain lists.
#
# Errors of the core come as data and are raised here as conditions of class
# `metaflow_<kind>`, with the error's fields.
ask <- function(op, ..., call = rlang::caller_env()) {
  answer <- unserialize(core()$ask(op, as_question(...)))
  if (!is.null(answer$error)) {
    abort_from_core(answer$error, hint = where_to_look(answer$error, ...), call = call)
  }
  answer$value
}

# Like `ask()`, for an operation that talks back while it runs: `emit(text, stream)` prints,
# `evaluate(name, bytes)` answers a question that only R can answer.
ask_live <- function(op, ..., emit, evaluate, call = rlang::caller_env()) {
  answer <- unserialize(core()$ask_live(op, as_question(...), emit, evaluate))
  if (!is.null(answer$error)) abort_from_core(answer$error, call = call)
  answer$value
}

# `...` and what the environment variables are now: Python looked at them once, when it started.
as_question <- function(...) {
  environment <- Sys.getenv()
  environment <- as.list(stats::setNames(as.character(environment), names(environment)))
  serialize(list(arguments = list(...), environment = environment), NULL, version = 2)
}

# The object of the core's Python client for a pathspec, `class` being such as `"Run"`: for callers
# who want Python itself.
python_client <- function(class, pathspec) {
  core()
  reticulate::import("metaflow_core.client", convert = TRUE)[[class]](pathspec)
}

core <- function() {
  if (is.null(the$core)) the$core <- load_core()
  the$core
}

# Whether the core can be loaded: examples and vignettes run only where it can.
has_core <- function() {
  tryCatch(
    {
      core()
      TRUE
    },
    metaflow_no_python = function(error) FALSE
  )
}

load_core <- function() {
  use_configured_python()
  path <- system.file("python", package = "metaflow", mustWork = TRUE)
  tryCatch(
    {
      bridge <- reticulate::import_from_path("metaflow_core.bridge", path = path, convert = TRUE)
      # A package that the core needs and this Python has not is found now, not in the first answer.
      missing <- bridge$missing_packages()
      if (length(missing)) stop(sprintf("Python has no package %s.", toString(missing)))
      bridge
    },
    error = function(error) abort_no_python(error)
  )
}

# `METAFLOW_PYTHON` is the old package's name for it, `RETICULATE_PYTHON` is reticulate's own.
use_configured_python <- function() {
  python <- Sys.getenv("METAFLOW_PYTHON")
  if (nzchar(python)) {
    reticulate::use_python(python, required = TRUE)
  } else if (!nzchar(Sys.getenv("RETICULATE_PYTHON")) && has_own_environment()) {
    reticulate::use_virtualenv(own_environment, required = TRUE)
  }
}

own_environment <- "r-metaflow"

has_own_environment <- function() {
  own_environment %in% tryCatch(reticulate::virtualenv_list(), error = function(e) character())
}

# Makes the environment of the core, or brings it up to date.
create_own_environment <- function(python, packages) {
  local_library_path_of_python()
  reticulate::virtualenv_create(own_environment, python = python, packages = FALSE)
  reticulate::virtualenv_install(own_environment, packages = packages)
}

remove_own_environment <- function(confirm) {
  reticulate::virtualenv_remove(own_environment, confirm = confirm)
}
