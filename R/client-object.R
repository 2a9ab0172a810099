#' What flows, runs, steps and tasks have in common
#'
#' The base class of [flow_client], [run_client], [step_client] and [task_client]: views of what
#' is in the datastore, whoever put it there. A view reads when it is asked, so one of a run in
#' progress shows the run as it is now.
#'
#' `x[i]` gives ids of children, as a character vector: `flow[1:3]`. `x[["id"]]` and `x[[1]]` give
#' a child itself: `flow[["12"]][["start"]][[1]][["model"]]` is the artifact `model` of the first
#' task of step `start` of run 12. A string that is the name of a field gives the field, as for any
#' R6 object; to reach a step that is called like a field, use `run$step()`.
#'
#' @section Errors:
#' What is not there is an error of class `metaflow_not_found` and of one of
#' `metaflow_flow_not_found`, `metaflow_run_not_found`, `metaflow_step_not_found`,
#' `metaflow_task_not_found` and `metaflow_artifact_not_found`. What is there, but not in the
#' current namespace, is one of class `metaflow_not_in_namespace`; see [set_namespace()].
#' @examplesIf metaflow:::has_core()
#' old <- setwd(tempdir())
#' metaflow("HelloFlow") |>
#'   step(step = "start", r_function = function(self) self$x <- 1, next_step = "end") |>
#'   step(step = "end") |>
#'   run()
#'
#' flow <- flow_client$new("HelloFlow")
#' flow[1]
#' run <- flow[[1]]
#' run[["start"]][[1]][["x"]]
#' run$is_in_namespace()
#' setwd(old)
#' @keywords internal
#' @export
metaflow_object <- R6::R6Class("metaflow_object",
  cloneable = FALSE,
  public = list(
    #' @description Look an object up; used by the constructors of the subclasses.
    #' @param pathspec `[character(1)]` `Flow`, `Flow/run`, `Flow/run/step` or
    #'   `Flow/run/step/task`.
    initialize = function(pathspec) {
      private$at <- private$describe(pathspec, only = list())
    },

    #' @description Whether the object is in the current namespace.
    #' @return `[logical(1)]`
    is_in_namespace = function() {
      tryCatch(
        {
          private$describe(self$pathspec, only = list())
          TRUE
        },
        metaflow_not_in_namespace = function(error) FALSE
      )
    },

    #' @description The same object of the core's Python client, with the attributes and methods
    #'   of Metaflow's Python client.
    #' @return A Python object, see [reticulate::py].
    get_obj = function() {
      python_client(private$python_class, self$pathspec)
    },

    #' @description Ids of the children: runs of a flow, newest first; steps of a run, in the order
    #'   of the graph; tasks of a step, in the order of the foreach; names of the artifacts of a
    #'   task.
    #' @return `[character]`
    get_values = function() {
      as_text(private$fact(private$child_ids))
    },

    #' @description The object one level up.
    #' @return A [flow_client], [run_client] or [step_client]; `NULL` for a flow.
    get_parent = function() {
      NULL
    },

    #' @description One line about the object.
    #' @param ... Not used.
    #' @return `[character(1)]`
    format = function(...) {
      title_line(private$kind, self$pathspec)
    },

    #' @description Print the object in a few lines.
    #' @param ... Not used.
    #' @return The object, invisibly.
    print = function(...) {
      cat(self$format(), sep = "\n")
      invisible(self)
    }
  ),
  private = list(
    kind = NULL,
    child_ids = NULL,
    python_class = NULL,

    # What was known of the object when it was looked up; only what never changes is read from it.
    at = NULL,

    # What the core knows of it. Some facts of a large run or flow take long to find out, so `only`
    # names those that are wanted; NULL is all.
    describe = function(pathspec, only = NULL) {
      ask(paste0("describe_", private$kind), pathspec = pathspec, only = only, call = NULL)
    },

    now = function() {
      private$describe(private$at$pathspec)
    },

    fact = function(name) {
      private$describe(private$at$pathspec, only = list(name))[[name]]
    }
  ),
  active = list(
    #' @field id `[character(1)]` Name of the flow or step, id of the run or task.
    id = function() private$at$id,

    #' @field pathspec `[character(1)]` The id with those of its parents: `Flow/run/step/task`.
    pathspec = function() private$at$pathspec,

    #' @field parent `[character(1)]` Id of the object one level up; `NULL` for a flow. See
    #'   `$get_parent()` for the object itself.
    parent = function() parent_id(private$at$pathspec),

    #' @field created_at `[POSIXct(1)]` When it was made, UTC.
    created_at = function() as_time(private$at$created_at),

    #' @field tags `[character]` Tags of the run it belongs to: the user's and the system's.
    tags = function() as_text(private$fact("tags")),

    #' @field user_tags `[character]` Those of the tags that users gave.
    user_tags = function() as_text(private$fact("user_tags")),

    #' @field system_tags `[character]` Those that Metaflow gave, such as `"user:ada"`.
    system_tags = function() as_text(private$fact("system_tags"))
  )
)

#' @export
`[.metaflow_object` <- function(x, i, ...) {
  x$get_values()[i]
}

#' @export
`[[.metaflow_object` <- function(x, i, ...) {
  if (is_string(i) && exists(i, envir = x, inherits = FALSE)) {
    return(.subset2(x, i))
  }
  id <- if (is.numeric(i)) nth_child(x, i) else i
  .subset2(x, ".__enclos_env__")$private$child(id)
}

#' @export
summary.metaflow_object <- function(object, ...) {
  object$summary()
}

nth_child <- function(x, i, call = rlang::caller_env()) {
  ids <- x$get_values()
  if (length(i) != 1 || !i %in% seq_along(ids)) {
    abort_argument("i", sprintf("a whole number from 1 to %d", length(ids)), i, call = call)
  }
  ids[[i]]
}
