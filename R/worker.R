# One attempt of a task inside of an Rscript process, without Python.
#
# The core sends a `task`, answers questions for artifacts while the step runs, and gets a `result`;
# `inst/python/metaflow_core/compute/protocol.py` describes the messages.

# Serves one attempt and ends the process: status 0 if the step succeeded, else 1.
worker_main <- function(core_pid, read_fd, write_fd) {
  options(warn = 1)
  .Call(mf_end_with, core_pid)
  status <- serve_attempt(pipes(read_fd, write_fd), peak_memory_bytes)
  end_task(status)
}

# Serves one attempt on a channel; its exit status. `run` runs it, as `run_attempt()` does.
# `peak` tells the largest resident size of this process, where the system's account is too large.
serve_attempt <- function(channel, peak = function() NULL, run = run_attempt) {
  task <- receive(channel)
  result <- run(task, channel)
  send(channel, c(list(type = "result"), result, list(peak_memory_bytes = peak())))
  if (result$ok) 0L else 1L
}

# Largest resident size of this process; NULL where the system does not say it.
peak_memory_bytes <- function(status = "/proc/self/status") {
  lines <- if (file.exists(status)) readLines(status, warn = FALSE)
  peak <- grep("^VmHWM:", lines, value = TRUE)
  if (length(peak)) 1024 * as.numeric(gsub("\\D", "", peak))
}

# Runs the step of `task`; `call` calls its function. Returns `ok`, `artifacts`, `removed`,
# `outcome`, `failure`, and the frames that are `kept` of one.
run_attempt <- function(task, channel, call = call_interruptible_step) {
  if (length(task$environment)) do.call(Sys.setenv, task$environment)
  the$current <- task$current
  # A failure that `catch(print_exception = FALSE)` keeps as a value is not told.
  tell <- if (isFALSE(task$print_error)) identity else tell
  self <- task_self(task, channel)
  failure <- tell(attempt(prepare(task, channel), kind = "start"))
  outcome <- frames <- NULL
  if (is.null(failure)) {
    keep <- function(environments) frames <<- environments
    failure <- tell(attempt(call(task, self, channel), kind = "error", keep))
  }
  if (is.null(failure)) {
    failure <- tell(attempt(outcome <- decide(task, self), kind = "error"))
  }
  kept <- if (!is.null(failure)) keep_frames(frames, failure$frames, task)
  saved <- save_artifacts(self, task)
  failure <- failure %||% tell(saved$failure)
  list(
    ok = is.null(failure), artifacts = saved$artifacts, removed = as.list(saved$removed),
    outcome = outcome, failure = failure, kept = kept
  )
}

# Loads the flow's payload and sets the random stream of this task.
prepare <- function(task, channel) {
  if (is.null(the$payload)) {
    the$payload <- load_payload(task$payload)
    # The core waits for this to tell what was printed until now from what the step prints.
    question(channel, list(type = "loaded"))
  }
  set_random_stream(task$seed)
}

set_random_stream <- function(seed) {
  words <- readBin(seed, "integer", 624, size = 4, endian = "little")
  # 10403 is the code of Mersenne-Twister with Inversion and Rejection, R's default; 624 says that
  # the stream is at its beginning.
  if (length(words) == 624) assign(".Random.seed", c(10403L, 624L, words), envir = globalenv())
}

task_self <- function(task, channel) {
  new_self(
    fetch = artifact_fetcher(channel, task$frames, task[["item"]]),
    artifacts = as.character(unlist(task$artifacts)),
    parameters = as.character(unlist(task$parameters)),
    frames = task$frames,
    where = place_of(task)
  )
}

place_of <- function(task) sprintf("task %s", task$current$pathspec %||% task$step)

task_inputs <- function(task, channel) {
  new_inputs(
    task$inputs,
    fetch = artifact_fetcher(channel),
    gather = artifact_gatherer(channel),
    objects = function(positions) {
      lapply(question(channel, list(type = "objects", index = positions))$objects, unlist)
    },
    where = place_of(task)
  )
}

# Asks the core for an artifact, or for the item of a foreach; see `new_self()`. That of the
# innermost foreach may have come with the task, as `item`.
artifact_fetcher <- function(channel, frames = list(), item = NULL) {
  function(from, index, name) {
    has_come <- !is.null(item) && from == "foreach" && index == length(frames) - 1
    answer <- if (has_come) {
      item
    } else {
      question(channel, list(type = "get", from = from, index = index, name = name))
    }
    if (!answer$found) abort_no_artifact(name, character(), from)
    value <- load_input(answer, name)
    is_whole <- from == "foreach" && !isTRUE(answer$is_item)
    if (is_whole) foreach_item(value, frames[[index + 1L]]$index + 1L) else value
  }
}

# The value of an artifact that the core sent, or an error that says which one cannot be had.
load_input <- function(answer, name) {
  tryCatch(decode_artifact(answer, call = NULL), error = function(error) {
    abort_not_loaded(name, error)
  })
}

# Asks the core for an artifact of several inputs, see `new_inputs()`.
artifact_gatherer <- function(channel) {
  function(positions, name) {
    message <- list(type = "gather", index = positions, name = name)
    lapply(question(channel, message)$artifacts, function(answer) {
      if (answer$found) list(load_input(answer, name))
    })
  }
}

# Calls the step's function by the name that the user gave it, so that an error's call reads as
# they wrote it.
call_step <- function(task, self, channel) {
  step <- the$payload$steps[[task$step]]
  if (is.null(step$fun)) return(invisible())
  name <- if (nzchar(step$label)) step$label else task$step
  scope <- list(self = self)
  if (task$is_join) scope$inputs <- task_inputs(task, channel)
  scope[[name]] <- step$fun
  arguments <- if (task$is_join) {
    list(quote(self), quote(inputs))
  } else if (length(formals(args(step$fun)))) {
    list(quote(self))
  }
  call <- as.call(c(as.name(name), arguments))
  eval(call, list2env(scope, parent = baseenv()))
  invisible()
}

# An interrupt, with which the core ends a task, becomes an error, so that it tells where the step
# was. No handler of the step sees this error: those that R tries from here are further out.
call_interruptible_step <- function(task, self, channel) {
  on_interrupt <- function(interrupt) stop(interruption(channel))
  withCallingHandlers(
    call_step(task, self, channel),
    interrupt = structure(on_interrupt, class = "metaflow_handler")
  )
}

# Why the step was interrupted, as a condition; the core knows.
interruption <- function(channel) {
  why <- question(channel, list(type = "interrupted"))
  structure(
    class = c("metaflow_interruption", "metaflow_error", "error", "condition"),
    list(message = why$message, call = NULL, kind = why$kind)
  )
}

# What the step decided about what follows: how often it fans out, or which step it chose.
decide <- function(task, self) {
  if (!is.null(task[["foreach"]])) return(decide_foreach(task, self))
  if (!is.null(task$condition)) return(decide_condition(task, self))
  NULL
}

decide_foreach <- function(task, self) {
  name <- task[["foreach"]]
  items <- self[[name]]
  size <- foreach_size(items, name, call = NULL)
  limit <- task$max_num_splits
  if (!is.null(limit) && size > limit) {
    abort(
      c(
        sprintf("`foreach = \"%s\"` makes %d tasks; the limit is %d.", name, size, limit),
        i = sprintf("Write `--max-num-splits %d` or `run(max_num_splits = %d)`.", size, size)
      ),
      class = "too_many_splits", call = NULL
    )
  }
  most_chars <- task$foreach_value_chars %||% 30
  labels <- as.list(foreach_labels(items, most_chars))
  list(num_splits = size, values = labels, items = encode_items(items, task))
}

# The items of a foreach one by one, so that no task has to load them all: `sizes`, and the bytes of
# all in `bytes` or in the file `path`. NULL if the core can do it, or if they are too large.
encode_items <- function(x, task) {
  if (is_native(x)) return(NULL)
  items <- foreach_items(x)
  left_bytes <- task$items_limit_bytes %||% 0
  for (i in seq_along(items)) {
    items[[i]] <- to_bytes(items[[i]])
    left_bytes <- left_bytes - length(items[[i]])
    if (left_bytes < 0) return(NULL)
  }
  bytes <- unlist(items)
  if (length(bytes) <= task$inline_limit_bytes) return(list(sizes = lengths(items), bytes = bytes))
  dir.create(task$spool, showWarnings = FALSE, recursive = TRUE)
  path <- tempfile("items-", tmpdir = task$spool)
  writeBin(bytes, path)
  list(sizes = lengths(items), path = path)
}

decide_condition <- function(task, self) {
  cases <- the$payload$steps[[task$step]]$cases
  value <- self[[task$condition]]
  text <- if (is.atomic(value) && length(value) == 1) as.character(value) else NA
  if (!text %in% names(cases)) {
    abort(
      c(
        sprintf("`condition = \"%s\"` is %s, which chooses no step.", task$condition,
          describe(value)),
        i = sprintf("The cases are %s.", enumerate(names(cases)))
      ),
      class = "no_case", call = NULL
    )
  }
  list(chosen = cases[[text]])
}

# Everything that the step assigned, encoded; `failure` is that of the first that could not be.
save_artifacts <- function(self, task) {
  changes <- changes(self)
  failure <- NULL
  encoded <- lapply(changes$written, function(name) {
    artifact <- NULL
    failed <- attempt(kind = "save", {
      artifact <- encode_artifact(
        get(name, envir = self), name, task$spool, task$inline_limit_bytes, task$room_bytes
      )
    })
    if (!is.null(failed)) {
      failure <<- failure %||% failed
      return(NULL)
    }
    c(list(name = name), artifact)
  })
  references <- lapply(names(changes$references), function(name) {
    list(name = name, kind = "reference", index = changes$references[[name]])
  })
  list(
    artifacts = c(encoded[lengths(encoded) > 0], references),
    removed = changes$removed,
    failure = failure
  )
}

# The channel ------------------------------------------------------------------------------------
#
# A channel is two functions: `receive()` gives the core's next message, `send(bytes)` takes the
# bytes of one and tells whether somebody is there to read them.

# An interrupt waits for the answer: else this would be taken for that of the next question.
question <- function(channel, message) {
  suspendInterrupts({
    send(channel, message)
    receive(channel)
  })
}

# Version 2 has no compact vectors, which the core would have to know one by one.
send <- function(channel, message) {
  if (!channel$send(serialize(message, NULL, version = 2))) end_worker()
}

receive <- function(channel) channel$receive()

# The channel of a worker process: two file descriptors.
pipes <- function(read_fd, write_fd) {
  list(
    receive = function() .Call(mf_receive, read_fd) %||% end_worker(),
    send = function(bytes) .Call(mf_send, write_fd, bytes)
  )
}

# The core is gone, or has no more use for this process and what it started.
end_worker <- function() .Call(mf_end_group)
