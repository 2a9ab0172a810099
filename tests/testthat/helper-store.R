# A small store for the client's tests, written by `fixtures/make_store.py` with the core's own
# writers and no run: TrainFlow has one run that succeeded, one that failed and one in progress.

# Looks at the store as user ada until the test ends; pathspecs of its runs, by what they are.
local_store <- function(env = parent.frame()) {
  local_client(store()$directory, env)
  store()$runs
}

# The same for a copy, which a test may change.
local_store_copy <- function(env = parent.frame()) {
  directory <- withr::local_tempdir(.local_envir = env)
  file.copy(file.path(store()$directory, ".metaflow"), directory, recursive = TRUE)
  local_client(directory, env)
  store()$runs
}

local_client <- function(directory, env) {
  set_metadata(directory)
  set_namespace("user:ada")
  withr::defer(
    {
      reset_default_metadata()
      set_default_namespace()
    },
    envir = env
  )
}

# The store itself; written once for all tests.
store <- local({
  written <- NULL
  function() {
    if (is.null(written)) written <<- write_store()
    written
  }
})

write_store <- function() {
  directory <- tempfile("store-")
  dir.create(directory)
  withr::defer(unlink(directory, recursive = TRUE), teardown_env())
  values <- withr::local_tempfile()
  content <- list(
    condition = serialize(singular_matrix, NULL),
    end = sent_artifacts(end_artifacts),
    join = sent_artifacts(awkward_values())
  )
  writeBin(serialize(content, NULL), values)
  script <- test_path("fixtures", "make_store.py")
  printed <- withr::with_envvar(
    c(PYTHONPATH = system.file("python", package = "metaflow")),
    system2(python(), shQuote(c(script, directory, values)), stdout = TRUE)
  )
  words <- strsplit(printed, " ", fixed = TRUE)
  list(
    directory = directory,
    runs = stats::setNames(as.list(vapply(words, `[[`, "", 2)), vapply(words, `[[`, "", 1))
  )
}

python <- function() {
  set <- Sys.getenv(c("METAFLOW_PYTHON", "RETICULATE_PYTHON"))
  c(set[nzchar(set)], Sys.which("python3"))[[1]]
}

# What the failed task's function raised.
singular_matrix <- structure(
  list(message = "the matrix is singular", call = quote(solve.default(x)), rank = 2L),
  class = c("singular_matrix", "error", "condition")
)

# Artifacts of the end step.
end_artifacts <- list(
  accuracy = 0.75,
  coefficients = c(intercept = 37.3, wt = -5.3),
  predictions = data.frame(id = 1:3, label = factor(c("a", "b", NA)))
)

# Artifacts as an R worker sends them.
sent_artifacts <- function(values) {
  lapply(names(values), function(name) c(list(name = name), encode_artifact(values[[name]])))
}

# Ids, times and durations differ in each run of the tests.
hide_volatile <- function(lines) {
  lines <- gsub("[0-9]{16}", "<run>", lines)
  lines <- gsub("[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8} UTC", "<time>", lines)
  lines <- gsub("[0-9.]+ s\\b", "<duration>", lines)
  gsub("local@\\S*[^.>[:space:]]", "local@<store>", lines)
}
