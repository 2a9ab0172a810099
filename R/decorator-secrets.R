#' Give a step secrets
#'
#' Arguments are checked and kept with the flow. Fetching secrets is planned; in this version the
#' step gets none.
#'
#' @param sources `[character]` or `[list]` The secrets, as names or as Metaflow's descriptions.
#' @param role `[character(1)]` Role that may read them, or NULL.
#' @param allow_override `[logical(1)]` Whether a secret may replace a variable that is set.
#' @return A decorator for [step()].
#' @section Errors:
#' `metaflow_invalid_argument` for a value that is not of its kind.
#' @examples
#' secrets(sources = "database-password")
#' @export
secrets <- function(sources = list(), role = NULL, allow_override = FALSE) {
  wrap_decorator("secrets")
}
