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
    if (from != "foreach") return(held[[name]])
    foreach_item(held[[name]], frames[[index + 1]]$index + 1)
  }
  self <- new_self(fetch, names(artifacts), parameters, frames, where = "task F/1/start/2")
  gather <- function(positions, name) {
    asked <<- c(asked, sprintf("%s of %d", name, length(positions)))
    # As the core may: the first of them only.
    lapply(utils::head(positions, 2), function(position) {
      inputs[[position + 1]]$artifacts[name[name %in% names(inputs[[position + 1]]$artifacts)]]
    })
  }
  objects <- function(positions) {
    lapply(inputs[positions + 1], function(input) {
      vapply(input$artifacts, function(value) rlang::hash(value), "")
    })
  }
  tasks <- columns_of_inputs(inputs)
  list(
    self = self, inputs = new_inputs(tasks, fetch, gather, objects), asked = function() asked
  )
}

# What the core tells of a join's inputs.
columns_of_inputs <- function(inputs) {
  list(
    step = vapply(inputs, function(input) input$step, ""),
    index = rep(NA_integer_, length(inputs)),
    task_id = rep("7", length(inputs))
  )
}

frame_of <- function(var, index, num_splits) {
  list(step = "fit", var = var, num_splits = num_splits, index = index, value = "")
}
