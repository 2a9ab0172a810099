#' Install the Python side
#'
#' Makes a virtualenv named `r-metaflow` that holds what the core needs, or brings it up to date.
#' metaflow finds it by itself; `METAFLOW_PYTHON` or `RETICULATE_PYTHON`, if set, come first. Also
#' compiles the core for this Python, where R's library may be written to: each command then starts
#' half a second sooner.
#'
#' @param method `[character(1)]` `"virtualenv"`.
#' @param prompt,version Not used; old scripts may pass them. The core comes with this package.
#' @param ... Not used.
#' @param python `[character(1)]` Python to make it of: 3.11 or newer, with a shared library. By
#'   default the first fit one among those that are found.
#' @return The name of the environment, invisibly.
#' @section Errors:
#' * `metaflow_no_python`: no Python is fit; says of each that was found why not.
#' * `metaflow_invalid_argument`: another `method`.
#' @examples
#' \dontrun{
#' install_metaflow()
#' install_metaflow(python = "/usr/bin/python3")
#' }
#' @export
install_metaflow <- function(method = "virtualenv", prompt = TRUE, version = NULL, ...,
                             python = NULL) {
  check_install_method(method)
  check_string(python, "python", null = TRUE)
  python <- fit_python(python %||% known_pythons())
  create_own_environment(python, core_requirements())
  compile_core(python)
  invisible(own_environment)
}

# Keeps the core's modules compiled for this Python beside them: without that, each command of a
# user who may not write into R's library takes half a second longer. Who installs may often write
# there; who may not loses only the time.
compile_core <- function(python,
                         path = system.file("python", package = "metaflow", mustWork = TRUE)) {
  local_library_path_of_python()
  # A read-only library is no reason to fail, and pages of messages about it are no help.
  suppressWarnings(
    system2(python, c("-m", "compileall", "-q", shQuote(path)), stdout = FALSE, stderr = FALSE)
  )
  invisible()
}

#' Remove the Python side
#'
#' Removes the virtualenv that [install_metaflow()] made.
#'
#' @param prompt `[logical(1)]` Whether to ask first, in an interactive session.
#' @return Whether there was one to remove, invisibly.
#' @examples
#' \dontrun{
#' remove_metaflow_env(prompt = FALSE)
#' }
#' @export
remove_metaflow_env <- function(prompt = TRUE) {
  check_flag(prompt, "prompt")
  there <- has_own_environment()
  if (there) remove_own_environment(confirm = prompt)
  invisible(there)
}

check_install_method <- function(method, call = rlang::caller_env()) {
  if (!identical(method, "virtualenv")) {
    abort_argument(
      "method", "\"virtualenv\"", method,
      hint = "For conda, set METAFLOW_PYTHON to a Python that has the packages click and isal.",
      call = call
    )
  }
}

# Pythons by the names they usually have, as paths.
known_pythons <- function() {
  names <- c("python3", paste0("python3.", 14:11))
  paths <- unname(c(Sys.which(names), "/usr/bin/python3"))
  unique(paths[file.exists(paths)])
}

# The first of `candidates` that R can load.
fit_python <- function(candidates, call = rlang::caller_env()) {
  reasons <- character()
  for (python in candidates) {
    reason <- why_unfit(python)
    if (is.null(reason)) return(python)
    reasons <- c(reasons, reason)
  }
  abort_no_fit_python(reasons, call = call)
}

# Why R cannot load this Python; NULL if it can.
why_unfit <- function(python) {
  script <- system.file("python", "fit_python.py", package = "metaflow", mustWork = TRUE)
  local_library_path_of_python()
  # A warning comes with each exit code but 0, which is what is asked for here.
  said <- tryCatch(
    suppressWarnings(system2(python, shQuote(script), stdout = TRUE, stderr = TRUE)),
    error = function(error) structure(paste(python, "cannot be started"), status = 1L)
  )
  if (!is.null(attr(said, "status"))) paste(said, collapse = " ")
}

# For as long as the calling function runs, programs load libraries as outside of R.
#
# R puts the system's libraries first for the programs that it starts. A Python that has its own
# libpython, as those of pyenv have, would load the system's instead, and fail where it does not
# find its own modules in it.
local_library_path_of_python <- function(frame = parent.frame()) {
  before <- Sys.getenv("LD_LIBRARY_PATH", unset = NA)
  if (is.na(before)) return(invisible())
  Sys.unsetenv("LD_LIBRARY_PATH")
  do.call(on.exit, list(bquote(Sys.setenv(LD_LIBRARY_PATH = .(before))), add = TRUE), envir = frame)
}

# What pip is to install, such as "click>=8.1".
core_requirements <- function() {
  path <- system.file("python", "requirements.txt", package = "metaflow", mustWork = TRUE)
  lines <- readLines(path)
  lines[!grepl("^(#|$)", lines)]
}

abort_no_fit_python <- function(reasons, call = rlang::caller_env()) {
  bullets <- if (length(reasons)) reasons else "No Python was found."
  abort(
    c(
      "There is no Python that R can load.",
      rlang::set_names(bullets, rep("x", length(bullets))),
      i = "On Debian or Ubuntu: apt-get install python3-venv libpython3-dev",
      i = "Else name one: `install_metaflow(python = \"/path/to/python3\")`."
    ),
    class = "no_python", call = call
  )
}
