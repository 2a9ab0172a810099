# A scene of a past task, with this test in the core's place.
#
# `fun` is the step's function, `artifacts` what `self` has at the start, `left` what the attempt
# wrote; `inputs` as in `self_with()`; other fields of the task into `...`.
scene_with <- function(fun, artifacts = list(), left = list(), inputs = list(), helpers = list(),
                       packages = character(), ...) {
  held <- list(self = artifacts, wrote = c(left, artifacts))
  answer <- function(artifacts, name) {
    if (!name %in% names(artifacts)) return(list(found = FALSE))
    c(list(found = TRUE), encode_artifact(artifacts[[name]], name))
  }
  channel <- channel_to(function(message) {
    if (message$type == "objects") {
      return(list(objects = lapply(inputs[message$index + 1], function(input) {
        lapply(input$artifacts, rlang::hash)
      })))
    }
    if (message$type == "gather") {
      return(list(artifacts = lapply(inputs[message$index + 1], function(input) {
        answer(input$artifacts, message$name)
      })))
    }
    known <- if (message$from == "input") {
      inputs[[message$index + 1]]$artifacts
    } else if (message$from == "foreach") {
      return(c(answer(artifacts, message$name), is_item = FALSE))
    } else {
      held[[message$from]]
    }
    answer(known, message$name)
  })
  task <- list(
    pathspec = "TestFlow/1/fit/2", step = "fit", status = "failed", attempt = 0L,
    is_join = length(inputs) > 0, inputs = columns_of_inputs(inputs),
    current = list(pathspec = "TestFlow/1/fit/2", step_name = "fit"),
    artifacts = as.list(names(artifacts)), wrote = as.list(names(left)), removed = list(),
    parameters = list(), frames = list(), environment = list(),
    seed = as.raw(rep(c(1:255, 0), length.out = 2496)), max_num_splits = 100L,
    inline_limit_bytes = 65536L
  )
  fields <- list(...)
  task[names(fields)] <- fields
  payload <- list(
    steps = list(fit = list(label = "fit", fun = fun)), helpers = helpers, packages = packages,
    library = .libPaths(), directory = getwd()
  )
  list(task = task, payload = payload, channel = channel)
}

# A function as it arrives with a run: it is of the global environment.
global <- function(fun) {
  environment(fun) <- globalenv()
  fun
}

rerun_here <- function(scene, fun = step_function(scene, "run")) rerun(scene, fun, NULL)
