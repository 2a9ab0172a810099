test_that("a task is opened by its step and id, or by its pathspec", {
  runs <- local_store()
  pathspec <- paste0(runs$successful, "/start/1")

  expect_identical(task_client$new(pathspec)$id, "1")
  expect_identical(task_client$new(paste0(runs$successful, "/start"), "1")$id, "1")
  step <- step_client$new(paste0(runs$successful, "/start"))
  expect_identical(task_client$new(step, "1")$pathspec, pathspec)
  expect_identical(task_client$new(step, 1)$pathspec, pathspec)
  expect_identical(step$task("1")$pathspec, pathspec)
})

test_that("a task that succeeded has everything", {
  runs <- local_store()
  task <- task_client$new(paste0(runs$successful, "/fit/3"))

  expect_true(task$finished)
  expect_true(task$successful)
  expect_identical(task$status, "successful")
  expect_gte(task$finished_at, task$created_at)
  expect_identical(task$parent, "fit")
  expect_identical(task$get_parent()$pathspec, paste0(runs$successful, "/fit"))
  expect_null(task$exception)
  expect_null(task$code)
  expect_null(task$origin_pathspec)
  expect_identical(task$runtime_name, "dev")
  expect_identical(task$artifacts, "model")
  expect_identical(task$artifact("model"), "glm")
  expect_identical(task$metadata_dict[["attempt"]], "0")
})

test_that("a task of a foreach knows its place, others have none", {
  runs <- local_store()
  split <- task_client$new(paste0(runs$successful, "/fit/3"))
  start <- task_client$new(paste0(runs$successful, "/start/1"))

  expect_identical(split$index, 1L)
  expect_identical(split$foreach_stack, data.frame(
    step = "fit", var = "models", num_splits = 3L, index = 1L, value = "glm"
  ))
  expect_null(start$index)
  expect_identical(nrow(start$foreach_stack), 0L)
})

test_that("a task knows the tasks before and after it", {
  runs <- local_store()
  at <- function(...) paste0(runs$successful, "/", c(...))
  parents <- function(pathspec) task_client$new(pathspec)$parents
  children <- function(pathspec) task_client$new(pathspec)$children

  expect_setequal(children(at("start/1")), at("fit/2", "fit/3", "fit/4"))
  expect_identical(parents(at("fit/3")), at("start/1"))
  expect_setequal(parents(at("join/5")), at("fit/2", "fit/3", "fit/4"))
  expect_identical(children(at("end/6")), character())
  expect_s3_class(lapply(parents(at("fit/3")), task_client$new)[[1]], "TaskClient")
})

test_that("a task has its logs, whole and line by line", {
  runs <- local_store()
  task <- task_client$new(paste0(runs$successful, "/end/6"))
  lines <- task$log_lines()

  expect_identical(task$stdout, "[1] \"the best is glm\"\nbye\n")
  expect_identical(task$stderr, "a warning\n")
  expect_identical(names(lines), c("at", "source", "stream", "text"))
  expect_s3_class(lines$at, "POSIXct")
  expect_setequal(lines$text, c("[1] \"the best is glm\"", "bye", "a warning"))
  expect_identical(task$log_lines("stderr")$text, "a warning")
  expect_error(task$log_lines("stdin"), class = "metaflow_usage_error")
})

test_that("a task without output has empty logs", {
  runs <- local_store()
  task <- task_client$new(paste0(runs$successful, "/start/1"))

  expect_identical(task$stdout, "")
  expect_identical(nrow(task$log_lines()), 0L)
  expect_s3_class(task$log_lines()$at, "POSIXct")
})

test_that("a failed task tells its error as the R condition that it was", {
  runs <- local_store()
  task <- task_client$new(paste0(runs$failed, "/fit/3"))
  exception <- task$exception

  expect_false(task$successful)
  expect_identical(task$status, "failed")
  expect_s3_class(exception, class(singular_matrix), exact = TRUE)
  expect_identical(conditionMessage(exception), "the matrix is singular")
  expect_identical(conditionCall(exception), quote(solve.default(x)))
  expect_identical(exception$rank, 2L)
  expect_identical(exception$frames, data.frame(
    call = c("fit_model(data)", "solve.default(x)"), file = c("train.R", ""), line = c(12L, 0L)
  ))
})

test_that("a task that was retried has its attempts", {
  runs <- local_store()
  task <- task_client$new(paste0(runs$failed, "/fit/3"))

  expect_identical(task$attempt, 1L)
  expect_identical(task$attempts$number, 0:1)
  expect_identical(task$attempts$ok, c(FALSE, FALSE))
  expect_s3_class(task$attempts$started_at, "POSIXct")
})

test_that("a task prints in a few lines; one that failed with its error", {
  runs <- local_store()
  failed <- task_client$new(paste0(runs$failed, "/fit/3"))

  expect_snapshot(task_client$new(paste0(runs$successful, "/end/6")), transform = hide_volatile)
  expect_snapshot(failed, transform = hide_volatile)
  expect_snapshot(failed$summary(), transform = hide_volatile)
  expect_snapshot(cat(format(failed)), transform = hide_volatile)
  expect_snapshot(task_client$new(paste0(runs$running, "/fit/2")), transform = hide_volatile)
})

test_that("what is not there is an error that names what is", {
  runs <- local_store()
  task <- task_client$new(paste0(runs$successful, "/end/6"))

  expect_error(task$artifact("absent"), class = "metaflow_artifact_not_found")
  expect_error(task$artifact(1), class = "metaflow_invalid_argument")
  expect_error(
    task_client$new(runs$successful, "99"), class = "metaflow_invalid_pathspec"
  )
  expect_error(
    task_client$new(paste0(runs$successful, "/end"), 99), class = "metaflow_task_not_found"
  )
  expect_error(task_client$new(runs$successful), class = "metaflow_invalid_pathspec")
  expect_snapshot(error = TRUE, transform = hide_volatile, {
    task$artifact("acuracy")
    task_client$new(paste0(runs$successful, "/end/99"))
  })
})

test_that("every kind of R value comes back identical through the client", {
  runs <- local_store()
  task <- task_client$new(paste0(runs$successful, "/join/5"))
  values <- awkward_values()

  expect_setequal(task$artifacts, names(values))
  for (name in names(values)) {
    expect_identical(task$artifact(name), values[[name]], label = name)
  }
})
