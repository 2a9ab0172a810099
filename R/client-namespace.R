#' The namespace: whose runs are seen
#'
#' The client shows runs that carry the namespace's tag, by default those of the current user:
#' `user:<name>`. The namespace holds for this R session.
#'
#' @param ns `[character(1)]` A tag such as `"user:ada"` or `"production:HelloFlow-0-xyza"`, or
#'   `NULL` for the global namespace, in which all runs are seen.
#' @return `[character(1)]` The namespace in force afterwards; `NULL` for the global one. Invisibly,
#'   but for `get_namespace()`.
#' @examples
#' \dontrun{
#' set_namespace("user:ada")
#' set_namespace(NULL)
#' get_namespace()
#' set_default_namespace()
#' }
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
#' The metadata provider knows which runs there are. By default it is the one that
#' `METAFLOW_DEFAULT_METADATA` names; the choice holds for this R session.
#'
#' @param ms `[character(1)]` A directory (local metadata there), a URL (the metadata service), or
#'   `local@<directory>` or `service@<url>`. `NULL` goes back to the default.
#' @return `[character(1)]` The provider in force afterwards, such as `"local@/home/ada/flows"`;
#'   from `set_metadata()` and `reset_default_metadata()` invisibly.
#' @examples
#' \dontrun{
#' set_metadata("~/flows")
#' get_metadata()
#' reset_default_metadata()
#' }
#' @export
set_metadata <- function(ms = NULL) {
  if (is.null(ms)) {
    return(reset_default_metadata())
  }
  check_string(ms, "ms")
  invisible(ask("set_metadata", text = ms))
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
