# What a join sees: `inputs`, one read-only view for each task that it joins. As in `self`, a view
# only names the state that holds what was loaded.

# `tasks` is a list of vectors, `step`, `index` (or NA) and `task_id`; `fetch` is that of `self`.
# `gather(positions, name)` gives an artifact of several inputs, each as a list of one, or NULL if
# the input has none; it may answer for the first of the positions only. `objects(positions)` gives
# the content hashes of each one's artifacts by name.
new_inputs <- function(tasks, fetch, gather, objects, where = "this join") {
  id <- register_state(paste("the inputs of", where), list(
    fetch = fetch, gather = gather, objects = objects,
    values = new.env(parent = emptyenv()), hashes = new.env(parent = emptyenv())
  ))
  steps <- tasks$step
  inputs <- lapply(seq_along(steps), function(i) {
    input <- list(
      position = i - 1L, step = steps[[i]], index = tasks$index[[i]], task_id = tasks$task_id[[i]],
      id = id
    )
    structure(input, class = "metaflow_input")
  })
  # Branches are told apart by their step; the tasks of a foreach all have the same.
  if (!anyDuplicated(steps)) names(inputs) <- steps
  structure(inputs, class = c("metaflow_inputs", "list"))
}

#' @export
`$.metaflow_inputs` <- function(x, name) pick_input(x, name)

#' @export
`[[.metaflow_inputs` <- function(x, i, ...) {
  if (is_string(i)) return(pick_input(x, i))
  if (!is_number(i) || i < 1 || i > length(x)) {
    abort_argument("i", sprintf("a step's name or 1 to %d", length(x)), i, call = parent.frame())
  }
  .subset2(x, i)
}

#' @export
`[.metaflow_inputs` <- function(x, i) {
  structure(unclass(x)[i], class = class(x))
}

#' @export
format.metaflow_inputs <- function(x, ...) {
  steps <- table(vapply(unclass(x), function(input) .subset2(input, "step"), ""))
  c(
    sprintf("<inputs> of %d task%s", length(x), if (length(x) == 1) "" else "s"),
    sprintf("  %s: %d", names(steps), as.integer(steps))
  )
}

#' @export
print.metaflow_inputs <- function(x, ...) {
  writeLines(format(x))
  invisible(x)
}

#' @export
`$.metaflow_input` <- function(x, name) read_input(x, name)

#' @export
`[[.metaflow_input` <- function(x, i, ...) {
  if (!is_string(i)) abort_argument("i", "the name of an artifact", i, call = parent.frame())
  read_input(x, i)
}

#' @export
`$<-.metaflow_input` <- function(x, name, value) { # nolint: object_name_linter.
  abort_read_only_input(name, call = parent.frame())
}

#' @export
`[[<-.metaflow_input` <- function(x, i, ..., value) abort_read_only_input(i, call = parent.frame())

#' @export
names.metaflow_input <- function(x) sort(names(input_objects(x)))

#' @export
length.metaflow_input <- function(x) length(names(x))

#' @export
format.metaflow_input <- function(x, ...) {
  sprintf("<input> %s, with artifacts %s", where_is(x), enumerate(names(x)))
}

#' @export
print.metaflow_input <- function(x, ...) {
  writeLines(format(x))
  invisible(x)
}

abort_read_only_input <- function(name, call) {
  abort(
    c(
      sprintf("AttributeError: an input is read-only, `%s` cannot be assigned.", name),
      i = sprintf("Assign to `self$%s`.", name)
    ),
    class = "read_only", name = name, call = call
  )
}

pick_input <- function(inputs, name, call = parent.frame(2)) {
  steps <- vapply(unclass(inputs), function(input) .subset2(input, "step"), "")
  found <- which(steps == name)
  if (length(found) == 1) return(.subset2(inputs, found))
  if (length(found) > 1) {
    abort(
      c(
        sprintf("There are %d inputs from step `%s`.", length(found), name),
        i = "Write `inputs[[i]]$x`, `gather_inputs(inputs, \"x\")` or `for (input in inputs)`."
      ),
      class = "ambiguous_input", name = name, call = call
    )
  }
  abort_unknown_name(
    sprintf("AttributeError: the join has no input `%s`.", name), name, unique(unname(steps)),
    class = "unknown_input", call = call
  )
}

read_input <- function(input, name, call = parent.frame(2)) {
  if (name == "index") return(index_of(input))
  state <- state_with_id(.subset2(input, "id"))
  position <- .subset2(input, "position")
  key <- paste(position, name)
  if (!exists(key, envir = state$values)) {
    value <- tryCatch(
      state$fetch("input", position, name),
      metaflow_artifact_not_found = function(error) {
        abort_no_artifact(name, names(input), where_is(input), call = call)
      }
    )
    assign(key, value, envir = state$values)
  }
  get(key, envir = state$values)
}

# Position in the foreach; NULL for a branch.
index_of <- function(input) {
  index <- .subset2(input, "index")
  if (is.na(index)) NULL else index
}

where_is <- function(input) paste0(.subset2(input, "step"), "/", .subset2(input, "task_id"))

# Content hash of each artifact of an input, by name; asked for once. Names with an underscore are
# Metaflow's own records.
input_objects <- function(input) {
  learn_objects(list(input))
  state <- state_with_id(.subset2(input, "id"))
  state$hashes[[as.character(.subset2(input, "position"))]]
}

learn_objects <- function(inputs) {
  if (length(inputs) == 0) return(invisible())
  state <- state_with_id(.subset2(inputs[[1]], "id"))
  positions <- positions_of(inputs)
  unknown <- positions[!positions %in% names(state$hashes)]
  for (asked in in_batches(unknown)) {
    hashes <- state$objects(asked)
    for (i in seq_along(asked)) {
      names <- names(hashes[[i]]) %||% character()
      assign(as.character(asked[[i]]), hashes[[i]][!startsWith(names, "_")], envir = state$hashes)
    }
  }
}

positions_of <- function(inputs) {
  vapply(inputs, function(input) .subset2(input, "position"), 0L, USE.NAMES = FALSE)
}

# So many that a message stays small.
in_batches <- function(x, size = 100) split(x, (seq_along(x) - 1) %/% size)

#' One artifact of all inputs
#'
#' @param inputs The second argument of a join's function.
#' @param input `[character(1)]` Name of an artifact that every input has.
#'
#' @return A list with the artifact of each input, in the order of `inputs`: that of the branches in
#'   `next_step`, or of the items of the foreach.
#'
#' @section Errors:
#' `metaflow_artifact_not_found` if an input has no such artifact.
#'
#' @examples
#' join <- function(self, inputs) {
#'   self$scores <- unlist(gather_inputs(inputs, "score"))
#' }
#' @export
gather_inputs <- function(inputs, input) {
  check_inputs(inputs)
  check_string(input, "input")
  if (input != "index") gather_values(unclass(inputs), input)
  lapply(unname(unclass(inputs)), read_input, input)
}

# Loads an artifact of those inputs that have it, thousands in a few messages.
gather_values <- function(inputs, name) {
  if (length(inputs) == 0) return(invisible())
  state <- state_with_id(.subset2(inputs[[1]], "id"))
  waiting <- positions_of(inputs)
  waiting <- waiting[!paste(waiting, name) %in% names(state$values)]
  while (length(waiting)) {
    found <- state$gather(utils::head(waiting, most_gathered), name)
    for (i in which(lengths(found) == 1)) {
      assign(paste(waiting[[i]], name), found[[i]][[1]], envir = state$values)
    }
    waiting <- utils::tail(waiting, -length(found))
  }
}

most_gathered <- 1000

#' Pass on what the inputs of a join agree on
#'
#' Every artifact that the inputs have becomes one of `self`, if all inputs that have it have the
#' same; nothing is loaded. What the join has assigned before is kept. If any artifact differs,
#' none is passed on.
#'
#' @param self,inputs The arguments of a join's function.
#' @param flow The same as `self`; the older R package calls it so.
#' @param exclude `[character]` Names of artifacts to leave out.
#' @param include `[character]` Names of the only artifacts to pass on; NULL is all.
#'
#' @return `self`, invisibly.
#'
#' @section Errors:
#' `metaflow_merge_conflict` (its message contains `MergeArtifactsException`) if inputs differ in an
#' artifact; its field `artifacts` names them. `metaflow_artifact_not_found` if no input has one
#' that `include` names. `metaflow_invalid_argument` with both `exclude` and `include`.
#'
#' @examples
#' join <- function(self, inputs) {
#'   self$best <- max(unlist(gather_inputs(inputs, "score")))
#'   merge_artifacts(self, inputs, exclude = c("score", "model"))
#' }
#' @export
merge_artifacts <- function(self, inputs, exclude = NULL, include = NULL, flow = self) {
  self <- flow
  if (!inherits(self, "metaflow_self")) {
    abort_argument("self", "the `self` of a join", self, hint = "Call it in a step's function.")
  }
  check_inputs(inputs)
  exclude <- unlist(exclude)
  include <- unlist(include)
  check_strings(exclude, "exclude", null = TRUE)
  check_strings(include, "include", null = TRUE)
  if (length(exclude) && length(include)) {
    abort_argument("include", "left out where there is an `exclude`", include)
  }
  state <- state_of(self)
  found <- artifact_versions(inputs)
  check_included(include, names(found))
  wanted <- if (length(include)) include else setdiff(names(found), exclude)
  wanted <- setdiff(wanted, c(state$parameters, names(self)))
  conflicts <- Filter(function(name) length(unique(found[[name]]$hash)) > 1, wanted)
  if (length(conflicts)) abort_conflict(conflicts, found, inputs)
  for (name in wanted) {
    position <- found[[name]]$position[[1]]
    state$references[[name]] <- position
    bind_artifact(self, name)
  }
  invisible(self)
}

# Every artifact of any input: in which inputs it is (`position`, from 0) and its `hash` in each.
artifact_versions <- function(inputs) {
  learn_objects(unclass(inputs))
  objects <- lapply(unclass(inputs), input_objects)
  versions <- data.frame(
    name = unlist(lapply(objects, names)),
    hash = unlist(objects),
    position = rep(seq_along(objects) - 1L, lengths(objects)),
    row.names = NULL
  )
  split(versions[c("hash", "position")], factor(versions$name, unique(versions$name)))
}

check_included <- function(include, known, call = rlang::caller_env()) {
  missing <- setdiff(include, known)
  if (length(missing)) {
    abort_no_artifact(missing[[1]], known, "the set of inputs", call = call)
  }
}

abort_conflict <- function(conflicts, found, inputs, call = rlang::caller_env()) {
  told <- vapply(conflicts, function(name) {
    versions <- unique(found[[name]]$hash)
    first <- found[[name]]$position[match(versions, found[[name]]$hash)] + 1L
    shown <- utils::head(vapply(unclass(inputs)[first], where_is, ""), 3)
    sprintf("`%s` has %d values, in %s", name, length(versions), paste(shown, collapse = ", "))
  }, "")
  abort(
    c(
      "MergeArtifactsException: the inputs differ in what is to be merged.",
      stats::setNames(told, rep("x", length(told))),
      i = sprintf(
        "Assign `self$%s` before, or write `exclude = c(%s)`.", conflicts[[1]],
        paste0("\"", conflicts, "\"", collapse = ", ")
      )
    ),
    class = "merge_conflict", artifacts = conflicts, call = call
  )
}

check_inputs <- function(inputs, call = rlang::caller_env()) {
  if (!inherits(inputs, "metaflow_inputs")) {
    abort_argument("inputs", "the `inputs` of a join", inputs, call = call)
  }
  invisible(inputs)
}
