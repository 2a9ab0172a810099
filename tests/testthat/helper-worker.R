# Runs a step in a real worker process, with this test in the core's place.

# A library that holds the package as it is now; installed once a session if it was only loaded.
worker_library <- local({
  library <- NULL
  function() {
    if (is.null(library)) library <<- find_or_install()
    library
  }
})

find_or_install <- function() {
  path <- getNamespaceInfo("metaflow", "path")
  if (file.exists(file.path(path, "Meta", "package.rds"))) return(dirname(path))
  library <- tempfile("library-")
  dir.create(library)
  options <- c("CMD", "INSTALL", "--no-docs", "--no-test-load", "-l", shQuote(library))
  output <- suppressWarnings(
    system2(file.path(R.home("bin"), "R"), c(options, shQuote(path)), stdout = TRUE, stderr = TRUE)
  )
  if (!is.null(attr(output, "status"))) stop(paste(output, collapse = "\n"))
  library
}

# Runs step `step` of `flow`.
#
# `artifacts` are R values by name that `self` has at the start; `inputs` is a list of
# `list(step, artifacts)` for a join; `packages` are attached in place of this session's; other
# fields of the `task` message go into `...`; of files, the worker can write `largest_file_kb`.
# With an `item`, that is what the core has for a foreach, else the whole artifact; an `item_ahead`
# comes with the task.
# Returns `status`, `result` (with `values`, the decoded artifacts by name), `log` (its lines) and
# `asked`, the names of the artifacts that were asked for.
run_step <- function(flow, step, artifacts = list(), inputs = list(), packages = NULL,
                     largest_file_kb = NULL, item = NULL, item_ahead = NULL, ...) {
  directory <- withr::local_tempdir()
  payload <- file.path(directory, "payload")
  content <- unserialize(metaflow:::payload(flow))
  content$packages <- packages %||% content$packages
  saveRDS(content, payload, compress = FALSE)
  worker <- start_worker(directory, largest_file_kb)
  on.exit({
    close(worker$input)
    close(worker$output)
  })
  task <- list(
    type = "task", payload = payload, spool = directory, inline_limit_bytes = 65536L,
    room_bytes = 36L, step = step,
    is_join = length(inputs) > 0, max_num_splits = 100L, foreach_value_chars = 30L,
    current = list(pathspec = paste0("TestFlow/1/", step, "/2"), run_id = "1"),
    parameters = list(), artifacts = as.list(names(artifacts)), frames = list(),
    inputs = columns_of_inputs(inputs), items_limit_bytes = 1e6,
    seed = as.raw(rep(c(1:255, 0), length.out = 2496))
  )
  task$item <- item_ahead
  fields <- list(...)
  task[names(fields)] <- fields
  tell_worker(worker, task)
  served <- serve(worker, artifacts, inputs, item)
  result <- served$result
  items_path <- result$outcome$items$path
  if (!is.null(items_path)) {
    result$outcome$items$bytes <- readBin(items_path, "raw", file.size(items_path))
  }
  result$values <- lapply(result$artifacts, function(artifact) {
    if (artifact$kind == "reference") return(artifact)
    decode_artifact(c(artifact, offset = task$room_bytes))
  })
  names(result$values) <- vapply(result$artifacts, `[[`, "", "name")
  list(
    status = wait_for(file.path(directory, "status")), result = result, asked = served$asked,
    log = readLines(file.path(directory, "log"), encoding = "UTF-8")
  )
}

start_worker <- function(directory, largest_file_kb = NULL) {
  to_worker <- file.path(directory, "to-worker")
  from_worker <- file.path(directory, "from-worker")
  system2("mkfifo", c(shQuote(to_worker), shQuote(from_worker)))
  script <- file.path(worker_library(), "metaflow", "worker.R")
  limit <- if (is.null(largest_file_kb)) {
    ""
  } else {
    # Ignored, the signal becomes an error of the write, as on a disk that is full.
    sprintf("trap '' XFSZ; ulimit -f %d; ", largest_file_kb * 2)
  }
  command <- sprintf(
    "%sR_LIBS=%s %s --vanilla %s $$ 3 4 3<%s 4>%s >%s 2>&1; echo $? >%s",
    limit, shQuote(paste(c(worker_library(), .libPaths()), collapse = ":")),
    shQuote(file.path(R.home("bin"), "Rscript")), shQuote(script), shQuote(to_worker),
    shQuote(from_worker), shQuote(file.path(directory, "log")),
    shQuote(file.path(directory, "status"))
  )
  system2("sh", c("-c", shQuote(command)), wait = FALSE)
  list(
    output = fifo(to_worker, "wb", blocking = TRUE),
    input = fifo(from_worker, "rb", blocking = TRUE)
  )
}

tell_worker <- function(worker, message) {
  body <- serialize(message, NULL, version = 2)
  writeBin(length(body), worker$output, endian = "big")
  writeBin(body, worker$output)
}

# The worker's next message; NULL if it has ended.
hear_worker <- function(worker) {
  size <- readBin(worker$input, "integer", endian = "big")
  if (!length(size)) return(NULL)
  body <- raw()
  while (length(body) < size) {
    body <- c(body, readBin(worker$input, "raw", size - length(body)))
  }
  unserialize(body)
}

# Answers the worker until it sends its result, or ends without one.
serve <- function(worker, artifacts, inputs, item = NULL) {
  asked <- character()
  repeat {
    message <- hear_worker(worker)
    if (is.null(message) || message$type == "result") {
      return(list(result = message, asked = asked))
    }
    if (message$type == "loaded") {
      tell_worker(worker, list(type = "begin"))
    } else if (message$type == "interrupted") {
      tell_worker(worker, list(type = "why", kind = "timeout", message = "It took too long."))
    } else if (message$type == "objects") {
      hashes <- lapply(inputs[message$index + 1], function(input) {
        lapply(input$artifacts, function(value) rlang::hash(value))
      })
      tell_worker(worker, list(type = "objects", objects = hashes))
    } else if (message$type == "gather") {
      asked <- c(asked, paste("all", message$name))
      answers <- lapply(inputs[message$index + 1], function(input) {
        c(list(found = TRUE), encode_artifact(input$artifacts[[message$name]], message$name))
      })
      tell_worker(worker, list(type = "artifacts", artifacts = answers))
    } else {
      asked <- c(asked, message$name)
      if (!is.null(item) && message$from == "foreach") {
        answer <- list(type = "artifact", found = TRUE, is_item = TRUE)
        tell_worker(worker, c(answer, encode_artifact(item)))
        next
      }
      held <- if (message$from == "input") inputs[[message$index + 1]]$artifacts else artifacts
      found <- message$name %in% names(held)
      answer <- if (found) encode_artifact(held[[message$name]], message$name)
      tell_worker(worker, c(list(type = "artifact", found = found), answer))
    }
  }
}

wait_for <- function(path) {
  while (!file.exists(path) || file.size(path) == 0) Sys.sleep(0.01)
  as.integer(readLines(path))
}

flow_with <- function(fun, step = "start", ...) {
  metaflow("TestFlow") %>% step(step = step, r_function = fun, ...)
}
