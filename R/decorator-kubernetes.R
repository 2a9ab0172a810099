#' Run a step on Kubernetes
#'
#' Arguments are checked and kept with the flow. Running on Kubernetes is planned; in this version
#' [run()] refuses a flow that asks for it.
#'
#' @inheritParams resources
#' @param image `[character(1)]` Container image, or NULL for the default.
#' @param ... Other arguments of Metaflow's `kubernetes`, by name, such as `namespace`.
#' @return A decorator for [step()].
#' @section Errors:
#' `metaflow_unknown_argument` for an argument that `kubernetes` does not have,
#' `metaflow_invalid_argument` for a value outside its range; `metaflow_invalid_flow` when a run
#' starts.
#' @examples
#' kubernetes(cpu = 2, memory = 8000, namespace = "science")
#' @export
kubernetes <- function(cpu = 1L, gpu = NULL, memory = 4096L, disk = NULL, image = NULL,
                       shared_memory = NULL, ...) {
  wrap_decorator("kubernetes", ...)
}
