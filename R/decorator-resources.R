#' Say what a step needs
#'
#' Wherever the step runs, it gets at least this. On this machine, `cpu` limits how many such tasks
#' run at once; the rest is a hint.
#'
#' @param cpu `[numeric(1)]` Number of CPUs, > 0.
#' @param gpu `[integer(1)]` Number of GPUs, >= 0.
#' @param memory `[integer(1)]` Memory in MB, >= 1.
#' @param shared_memory `[integer(1)]` Size of `/dev/shm` in MB, or NULL.
#' @param disk `[integer(1)]` Disk space in MB, or NULL.
#' @return A decorator for [step()].
#' @section Errors:
#' `metaflow_invalid_argument` for a value outside its range.
#' @examples
#' resources(cpu = 4, memory = 16000)
#' @export
resources <- function(cpu = 1L, gpu = 0L, memory = 4096L, shared_memory = NULL, disk = NULL) {
  wrap_decorator("resources")
}
