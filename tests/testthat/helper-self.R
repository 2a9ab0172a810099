# A `self` over artifacts that lie in a list; `asked` collects what was fetched.
self_with <- function(artifacts = list(), parameters = character(), frames = list(),
                      foreach = list(), inputs = list()) {
  asked <- character()
  fetch <- function(from, index, name) {
    asked <<- c(asked, name)
    held <- switch(from,
      self = artifacts, input = inputs[[index + 1]]$artifacts, foreach = foreach[[index + 1]]
    )
    if (!name %in% names(held)) abort_no_artifact(name, names(held), from)
    held[[name]]
  }
  self <- new_self(fetch, names(artifacts), parameters, frames, where = "task F/1/start/2")
  tasks <- lapply(inputs, function(input) list(step = input$step, task_id = "7"))
  objects <- function(index) {
    vapply(inputs[[index + 1]]$artifacts, function(value) rlang::hash(value), "")
  }
  list(
    self = self, inputs = new_inputs(tasks, fetch, objects), asked = function() asked
  )
}

frame_of <- function(var, index, num_splits) {
  list(step = "fit", var = var, num_splits = num_splits, index = index, value = "")
}
