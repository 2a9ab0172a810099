#' Versions in use
#'
#' `version_info()` tells the versions that matter when something is reported; `r_version()` is R's
#' own. `container_image()` is the image that tasks in containers use by default.
#'
#' @return `version_info()`: a list of class `metaflow_version_info` with `package`, `r`, `python`
#'   and `core`; the last two are `NULL` where the Python side is not installed. `r_version()` and
#'   `container_image()`: `[character(1)]`.
#' @examples
#' r_version()
#' @examplesIf metaflow:::has_core()
#' version_info()
#' @export
version_info <- function() {
  core <- if (has_core()) ask("version")
  structure(
    list(
      package = as.character(utils::packageVersion("metaflow")), r = r_version(),
      python = core$python, core = core$core
    ),
    class = "metaflow_version_info"
  )
}

#' @export
format.metaflow_version_info <- function(x, ...) {
  missing <- "not installed: see install_metaflow()"
  c(
    sprintf("metaflow  %s", x$package),
    sprintf("core      %s", x$core %||% missing),
    sprintf("R         %s", x$r),
    sprintf("Python    %s", x$python %||% missing)
  )
}

#' @export
print.metaflow_version_info <- function(x, ...) {
  cat(format(x, ...), sep = "\n")
  invisible(x)
}

#' @rdname version_info
#' @export
r_version <- function() as.character(getRversion())

#' @rdname version_info
#' @export
container_image <- function() {
  configured <- Sys.getenv("METAFLOW_BATCH_CONTAINER_IMAGE")
  if (nzchar(configured)) configured else sprintf("rocker/r-ver:%s", r_version())
}

#' Files of the package
#'
#' `metaflow_location()` is the directory in which the package is installed. `pull_tutorials()`
#' copies the example flows to a directory of yours, to be read, changed and run; the texts that go
#' with them are the package's vignettes.
#'
#' @param flowRDS Not used; old scripts may pass it.
#' @param path `[character(1)]` Directory, made if need be. What is there is kept.
#' @return `metaflow_location()`: `[character(1)]` a path. `pull_tutorials()`: the paths of the
#'   copied files, invisibly.
#' @examples
#' metaflow_location()
#' pull_tutorials(file.path(tempdir(), "tutorials"))
#' @export
metaflow_location <- function(flowRDS = NULL) { # nolint: object_name_linter. The old name.
  system.file(package = "metaflow", mustWork = TRUE)
}

#' @rdname metaflow_location
#' @export
pull_tutorials <- function(path = "metaflow-tutorials") {
  check_string(path, "path")
  examples <- system.file("examples", package = "metaflow", mustWork = TRUE)
  tutorials <- list.files(examples, pattern = "[.]R$", full.names = TRUE)
  dir.create(path, showWarnings = FALSE, recursive = TRUE)
  copied <- file.path(path, basename(tutorials))
  file.copy(tutorials, copied, overwrite = FALSE)
  invisible(copied)
}

#' Try the installation
#'
#' Runs a flow of three steps in a temporary directory and checks what it made.
#'
#' @return `TRUE`, invisibly.
#' @section Errors:
#' * `metaflow_no_python`: the Python side is not installed.
#' * `metaflow_run_failed`: the flow failed; its report says why.
#' @examplesIf metaflow:::has_core()
#' test()
#' @export
test <- function() {
  folder <- tempfile("metaflow-test-")
  dir.create(folder)
  old <- setwd(folder)
  on.exit({
    setwd(old)
    unlink(folder, recursive = TRUE)
  })
  flow <- metaflow("MetaflowTest")
  flow <- step(flow, step = "start", next_step = "middle", r_function = function(self) self$x <- 1)
  flow <- step(flow, step = "middle", next_step = "end", r_function = function(self) {
    self$x <- self$x + 1
  })
  flow <- step(flow, step = "end", r_function = function(self) stopifnot(self$x == 2))
  run(flow, datastore_root = folder)
  message("metaflow works: ", paste(format(version_info()), collapse = ", "))
  invisible(TRUE)
}
