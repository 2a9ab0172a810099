# A task of the past, entered in this session: what its worker was told, from the store.
#
# The core answers the same questions that it answers to a worker (`runtime/scene.py`), so `self`,
# `inputs` and the call of the step's function are a worker's. What differs is that this session is
# the user's: the helpers of the run lie between the step's function and the global environment, not
# in it, and nothing else is changed for longer than it is needed.

# The scene of a task: `task` (the message), `payload` (NULL for a run that R did not make), and
# `channel`, which answers questions.
enter_task <- function(pathspec, attempt = NULL, call = rlang::caller_env()) {
  spool <- tempfile("metaflow-task-")
  task <- ask("scene", pathspec = pathspec, spool = spool, attempt = attempt, call = call)
  channel <- channel_to(function(message) {
    ask(
      "scene_answer", store = task$store, pathspec = task$pathspec, attempt = task$attempt,
      spool = spool, question = message, call = call
    )
  })
  payload <- if (!is.null(task$payload)) decode_artifact(task$payload)
  list(task = task, payload = payload, channel = channel)
}

# A channel, as a worker has one, to a function that answers messages.
channel_to <- function(answer) {
  answered <- NULL
  list(
    send = function(bytes) {
      answered <<- answer(unserialize(bytes))
      TRUE
    },
    receive = function() answered
  )
}

# The artifacts that the attempt left, by name, in place of those that it began with.
left_by <- function(scene) {
  task <- scene$task
  fetch <- artifact_fetcher(scene$channel, task$frames)
  new_self(
    fetch = function(from, index, name) {
      if (from == "self" && name %in% unlist(task$wrote)) from <- "wrote"
      fetch(from, index, name)
    },
    artifacts = left_names(task), parameters = as_text(task$parameters), frames = task$frames,
    where = sprintf("%s, as it ended", place_of(task)), is_past = TRUE
  )
}

left_names <- function(task) {
  setdiff(c(as_text(task$artifacts), as_text(task$wrote)), as_text(task$removed))
}

# The code ---------------------------------------------------------------------------------------

# The step's function: as it was when the run was made, as it is in the script now, or of a flow.
step_function <- function(scene, code, call = rlang::caller_env()) {
  if (inherits(code, "metaflow_flow")) return(in_reach(function_of(code, scene, call), scene))
  if (identical(code, "script")) {
    flow <- script_flow(scene$payload$script$path, call)
    return(in_reach(function_of(flow, scene, call), scene))
  }
  if (is.null(scene$payload)) abort_no_code(scene, call)
  as_it_was(scene$payload$steps[[scene$task$step]]$fun, scene$payload$helpers)
}

function_of <- function(flow, scene, call) step_of(flow, scene$task$step, call)$fun

step_of <- function(flow, name, call) {
  known <- vapply(flow$steps, function(step) step$name, "")
  if (!name %in% known) {
    abort_unknown_name(
      sprintf("Flow %s has no step `%s`.", flow$name, name), name, known,
      class = "unknown_step", call = call
    )
  }
  # The last of that name: `flow |> step(step = name, ...)` is how a session edits it.
  flow$steps[[max(which(known == name))]]
}

# A function that arrived with a run, and the run's helpers where it finds them before anything in
# the global environment: that may hold newer ones of the same names.
as_it_was <- function(fun, helpers) {
  scope <- scope_of(helpers)
  if (is.function(fun) && !is.primitive(fun)) environment(fun) <- rooted(environment(fun), scope)
  fun
}

# A function of this session; the run's helpers are found where the session has none of that name.
in_reach <- function(fun, scene) {
  helpers <- scene$payload$helpers
  if (!is.function(fun) || !identical(environment(fun), globalenv())) return(fun)
  environment(fun) <- scope_of(helpers[!names(helpers) %in% ls(globalenv(), all.names = TRUE)])
  fun
}

# An environment of helpers that find each other, above the global one.
scope_of <- function(helpers) {
  scope <- list2env(as.list(helpers), parent = globalenv())
  for (name in names(helpers)) {
    value <- helpers[[name]]
    if (is.function(value) && !is.primitive(value) && !isS4(value)) {
      environment(value) <- rooted(environment(value), scope)
      assign(name, value, envir = scope)
    }
  }
  if (any(startsWith(as.character(names(helpers)), ".__"))) {
    methods::cacheMetaData(scope, attach = TRUE)
  }
  scope
}

# `env`, with `scope` in the place of the global environment.
rooted <- function(env, scope) {
  if (identical(env, globalenv())) return(scope)
  above <- env
  while (!is_shared_environment(above) && !identical(parent.env(above), globalenv())) {
    above <- parent.env(above)
  }
  # A closure that arrived brought its own environment, which nobody else has.
  if (!is_shared_environment(above) && !identical(above, scope)) parent.env(above) <- scope
  env
}

# The flow that a script makes: its code is evaluated until it calls `run()`.
script_flow <- function(path, call = rlang::caller_env()) {
  if (is.null(path) || !file.exists(path)) {
    abort(
      c(
        sprintf("The script %s is not there.", path %||% "of this run"),
        i = "Give the flow itself, `code = flow`, or use `code = \"run\"`."
      ),
      class = "not_found", call = call
    )
  }
  old <- the$hands_over_flow
  on.exit(the$hands_over_flow <- old)
  the$hands_over_flow <- TRUE
  scope <- new.env(parent = globalenv())
  flow <- tryCatch(
    {
      for (expression in parse(path, keep.source = TRUE)) eval(expression, scope)
      NULL
    },
    metaflow_flow_handed_over = function(condition) condition$flow
  )
  if (is.null(flow)) {
    abort(
      c(sprintf("The script %s does not call `run()`.", path), i = "Give the flow, `code = flow`."),
      class = "not_found", call = call
    )
  }
  flow
}

# In place of running `flow`, where only its code is wanted.
hand_over <- function(flow) {
  signalCondition(structure(
    class = c("metaflow_flow_handed_over", "condition"),
    list(message = "The flow is handed over.", call = NULL, flow = flow)
  ))
}

abort_no_code <- function(scene, call) {
  abort(
    c(
      sprintf("Run %s has no R functions: it was not made with R.", run_of(scene$task$pathspec)),
      i = "Give a function: `rerun_task(pathspec, function(self) ...)`."
    ),
    class = "no_code", call = call
  )
}

# The session -----------------------------------------------------------------------------------

# Makes this session that of the task: its packages, environment variables, random numbers and
# `current()`. Returns a function that undoes it, but for the packages.
adopt_session <- function(scene) {
  task <- scene$task
  .libPaths(unique(c(.libPaths(), scene$payload$library)))
  for (package in scene$payload$packages) attach_package(package)
  variables <- Sys.getenv(as.character(names(task$environment)), unset = NA, names = TRUE)
  current <- the$current
  seed <- get0(".Random.seed", globalenv(), inherits = FALSE)
  if (length(task$environment)) do.call(Sys.setenv, task$environment)
  the$current <- task$current
  set_random_stream(task$seed)
  function() {
    Sys.unsetenv(names(variables)[is.na(variables)])
    known <- as.list(variables[!is.na(variables)])
    if (length(known)) do.call(Sys.setenv, known)
    the$current <- current
    restore_seed(seed)
  }
}

# Runs the task's step with `fun`, as a worker would, in the folder of the run; afterwards the
# session is as it was. `on_error` is called with an error while its frames are there.
# Returns what it made, see `new_rerun()`. `on_error` and `on_made` get `self`, too; `around`
# evaluates the code that runs the step.
perform <- function(scene, fun, on_error, on_made = function(self, task, outcome) NULL,
                    around = identity) {
  current <- the$current
  restore <- keep_session()
  on.exit({
    restore()
    the$current <- current
  })
  adopt_session(scene)
  directory <- scene$payload$directory
  if (!is.null(directory) && dir.exists(directory)) setwd(directory)
  step <- scene$payload$steps[[scene$task$step]] %||% list(label = "")
  step["fun"] <- list(fun)
  the$payload <- list(steps = stats::setNames(list(step), scene$task$step))
  self <- task_self(scene$task, scene$channel)
  # The items of a foreach are for those who come after it: there is nobody.
  task <- utils::modifyList(scene$task, list(items_limit_bytes = 0))
  outcome <- NULL
  withCallingHandlers(
    around({
      call_step(task, self, scene$channel)
      outcome <- decide(task, self)
    }),
    error = function(error) on_error(error, self)
  )
  made <- changes(self)
  for (name in made$written) judge_artifact(get(name, envir = self), name)
  on_made(self, task, outcome)
  names <- c(made$written, names(made$references))
  list(
    values = lapply(rlang::set_names(names), get, envir = self), removed = made$removed,
    outcome = outcome
  )
}
