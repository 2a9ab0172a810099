#' Run a step on AWS Batch
#'
#' Arguments are checked and kept with the flow. Running on AWS Batch is planned; in this version
#' [run()] refuses a flow that asks for it.
#'
#' @inheritParams resources
#' @param image `[character(1)]` Container image; by default `METAFLOW_BATCH_CONTAINER_IMAGE`.
#' @param queue `[character(1)]` Job queue; by default `METAFLOW_BATCH_JOB_QUEUE`.
#' @param iam_role `[character(1)]` Role of the container; by default
#'   `METAFLOW_ECS_S3_ACCESS_IAM_ROLE`.
#' @param execution_role `[character(1)]` Role that starts it on Fargate; by default
#'   `METAFLOW_ECS_FARGATE_EXECUTION_ROLE`.
#' @param max_swap `[integer(1)]` Swap space in MB, or NULL.
#' @param swappiness `[integer(1)]` 0 to 100, or NULL.
#' @param ... Other arguments of Metaflow's `batch`, by name, such as `use_tmpfs` or `efa`.
#' @return A decorator for [step()].
#' @section Errors:
#' `metaflow_unknown_argument` for an argument that `batch` does not have,
#' `metaflow_invalid_argument` for a value outside its range; `metaflow_invalid_flow` when a run
#' starts.
#' @examples
#' batch(cpu = 4, memory = 16000, image = "rocker/r-ver:4.3")
#' @export
batch <- function(cpu = 1L, gpu = 0L, memory = 4096L, image = NULL, queue = NULL, iam_role = NULL,
                  execution_role = NULL, shared_memory = NULL, max_swap = NULL,
                  swappiness = NULL, ...) {
  wrap_decorator("batch", ...)
}
