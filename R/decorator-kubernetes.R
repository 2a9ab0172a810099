#' Run a step on Kubernetes
#'
#' @inheritParams resources
#' @param image `[character(1)]` Container image, or NULL for the default.
#' @param ... Other arguments of Metaflow's `kubernetes`, by name, such as `namespace`.
#' @return A decorator for [step()].
#' @section Errors:
#' `metaflow_unknown_argument`, `metaflow_invalid_argument`.
#' @examples
#' kubernetes(cpu = 2, memory = 8000, namespace = "science")
#' @export
kubernetes <- function(cpu = 1L, gpu = NULL, memory = 4096L, disk = NULL, image = NULL,
                       shared_memory = NULL, ...) {
  wrap_decorator("kubernetes", ...)
}
