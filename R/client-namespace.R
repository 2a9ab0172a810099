#' The namespace: whose runs are seen
#'
#' The client shows runs that carry the namespace's tag, by default those of the current user:
#' `user:<name>`. The namespace holds for this R session.
#'
#' @param ns `[character(1)]` A tag such as `"user:ada"` or `"production:HelloFlow-0-xyza"`, or
#'   `NULL` for the global namespace, in which all runs are seen.
#' @return `[character(1)]` The namespace in force afterwards; `NULL` for the global one. Invisibly,
#'   but for `get_namespace()`.
#' @section Errors:
#' `metaflow_invalid_argument` if `ns` is neither a string nor `NULL`.
#' @examplesIf metaflow:::has_core()
#' get_namespace()
#' set_namespace("user:ada")
#' set_namespace(NULL)
#' get_namespace()
#' set_default_namespace()
#' @export
set_namespace <- function(ns = NULL) {
  check_string(ns, "ns", null = TRUE)
  invisible(ask("set_namespace", name = ns))
}

#' @rdname set_namespace
#' @export
get_namespace <- function() {
  ask("get_namespace")
}

#' @rdname set_namespace
#' @export
set_default_namespace <- function() {
  invisible(ask("default_namespace"))
}

#' Where the client looks for runs
#'
#' By default the client looks in the folder `.metaflow` of the working directory or of the nearest
#' directory above it that has one, unless `METAFLOW_DATASTORE_SYSROOT_LOCAL` names another. Another
#' choice holds for this R session.
#'
#' @param ms `[character(1)]` A directory that holds a folder `.metaflow`, with or without `local@`
#'   before it. `NULL` goes back to the default.
#' @return `[character(1)]` What is in force afterwards, such as `"local@/home/ada/flows"`; from
#'   `set_metadata()` and `reset_default_metadata()` invisibly.
#' @section Errors:
#' `metaflow_store_unavailable` if the directory has no `.metaflow`; `metaflow_usage_error` for a
#' metadata service, which this version does not read.
#' @examplesIf metaflow:::has_core()
#' old <- setwd(tempdir())
#' metaflow("HelloFlow") |>
#'   step(step = "start", r_function = function(self) self$x <- 1, next_step = "end") |>
#'   step(step = "end") |>
#'   run()
#'
#' set_metadata(tempdir())
#' get_metadata()
#' reset_default_metadata()
#' setwd(old)
#' @export
set_metadata <- function(ms = NULL) {
  if (is.null(ms)) {
    return(reset_default_metadata())
  }
  check_string(ms, "ms")
  invisible(ask("set_metadata", text = ms))
}

#' Look at what was kept of steps that were tried
#'
#' Makes the client look at what `spin(persist = TRUE)`, or stock Metaflow's `spin --persist`, has
#' kept, until [reset_default_metadata()].
#'
#' @param path `[character(1)]` The directory that holds the folder `.metaflow_spin`.
#' @return `[character(1)]` What is looked at, such as `"spin@/home/ada/flows"`, invisibly.
#' @section Errors:
#' `metaflow_store_unavailable` if there is no `.metaflow_spin` in the directory.
#' @seealso [spin()], [set_metadata()]
#' @examplesIf metaflow:::has_core()
#' try(inspect_spin(tempfile()))
#' @export
inspect_spin <- function(path = ".") {
  check_string(path, "path")
  invisible(ask("set_metadata", text = paste0("spin@", path)))
}

#' @rdname set_metadata
#' @export
get_metadata <- function() {
  ask("get_metadata")
}

#' @rdname set_metadata
#' @export
reset_default_metadata <- function() {
  invisible(ask("reset_metadata"))
}
