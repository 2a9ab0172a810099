# An error with a class and fields, three calls below a step.
library(metaflow)

read_table <- function(path) {
  check_table(path)
}

check_table <- function(path) {
  stop(structure(
    class = c("empty_table", "error", "condition"),
    list(message = paste("no rows in", path), call = sys.call(-1), rows = 0L)
  ))
}

start <- function(self) {
  self$path <- "sales.csv"
  self$table <- read_table(self$path)
}

run_it <- function() {
  metaflow("DeepFlow") |>
    step(step = "start", r_function = start, next_step = "end") |>
    step(step = "end") |>
    run()
}

error <- tryCatch(run_it(), error = identity)
cat("class=", class(error)[1], "\n", sep = "")
cat("parent=", toString(class(error$parent)), "\n", sep = "")
cat("rows=", error$parent$rows, "\n", sep = "")
cat("failed=", error$failed[[1]]$message, "\n", sep = "")

set_namespace(NULL)
task <- run_client$new(error$pathspec)$step("start")$tasks
task <- task_client$new(error$failed[[1]]$pathspec)
cat("exception=", class(task$exception)[1], "\n", sep = "")
cat("message=", conditionMessage(task$exception), "\n", sep = "")
cat("stderr has frames=", any(grepl("deep_error.R:5 in read_table", task$stderr, fixed = TRUE)),
    "\n", sep = "")
cat("path=", task$artifact("path"), "\n", sep = "")
