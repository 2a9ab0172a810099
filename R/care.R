#' Look after a store
#'
#' `metaflow_fsck()` reads all that is stored for a flow and tells what is damaged. A damaged blob
#' can be removed: it cannot be read, and as long as it is there, a run that makes the same value
#' does not store it. `metaflow_gc()` finds blobs that no run refers to, such as those of a run
#' whose folder was deleted. Nothing is removed unless `remove` asks for it. `Rscript flow.R fsck`
#' and `gc` do the same.
#'
#' @param flow A [flow_client], or the name of a flow.
#' @param run `[character(1)]` Id of the run to look at; NULL for all.
#' @param remove `[logical(1)]` Whether to remove the blobs that are found.
#' @return `metaflow_fsck()`: a data frame with a row for each damaged object: `kind`, `path`,
#'   `message`, and `affected`, a list of the pathspecs that cannot be read because of it.
#'   `metaflow_gc()`: the keys of the blobs, with the attribute `freed_bytes`; invisibly with
#'   `remove = TRUE`.
#' @inheritSection metaflow_object Errors
#' @examplesIf metaflow:::has_core()
#' old <- setwd(tempdir())
#' metaflow("HelloFlow") |>
#'   step(step = "start", r_function = function(self) self$x <- 1, next_step = "end") |>
#'   step(step = "end") |>
#'   run()
#'
#' nrow(metaflow_fsck("HelloFlow"))
#' metaflow_gc("HelloFlow")
#' setwd(old)
#' @export
metaflow_fsck <- function(flow, run = NULL, remove = FALSE) {
  check_string(run, "run", null = TRUE)
  check_flag(remove, "remove")
  found <- ask("fsck", flow = as_pathspec(flow, "flow"), run = run, remove = remove)
  as_data_frame(found)
}

#' @rdname metaflow_fsck
#' @export
metaflow_gc <- function(flow, remove = FALSE) {
  check_flag(remove, "remove")
  answer <- ask("gc", flow = as_pathspec(flow, "flow"), remove = remove)
  keys <- structure(as_text(answer$keys), freed_bytes = answer$freed_bytes)
  if (remove) invisible(keys) else keys
}
