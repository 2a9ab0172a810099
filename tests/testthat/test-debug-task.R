entered_with <- function(..., frame = parent.frame()) {
  scene <- scene_with(...)
  entered <- new_entered_task(scene, step_function(scene, "run"), NULL)
  withr::defer(entered$leave(), envir = frame)
  entered
}

test_that("a task that was entered prints what it is and what to type next", {
  fit <- global(function(self) halve(self$x))
  exception <- list(
    message = "non-numeric argument", call = "x/2", kind = "error",
    frames = list(list(call = "fit(self)", file = "flow.R", line = 3L))
  )
  entered <- entered_with(
    fit, list(x = 1, alpha = 2), left = list(y = 3), helpers = list(halve = 1),
    exception = exception, parameters = list("alpha"),
    frames = list(list(step = "fit", var = "items", num_splits = 4L, index = 2L, value = "three"))
  )

  expect_snapshot(entered)
})

test_that("a join that was entered has its inputs", {
  inputs <- list(
    list(step = "a", artifacts = list(x = 1)), list(step = "b", artifacts = list(x = 2))
  )
  join <- global(function(self, inputs) NULL)
  entered <- entered_with(join, inputs = inputs, status = "successful")

  expect_identical(entered$inputs$b$x, 2)
  expect_snapshot(entered)
})

test_that("entering makes the session that of the task, leaving undoes it", {
  withr::local_envvar(MODE = NA)
  withr::local_seed(1)
  before <- .Random.seed
  fit <- global(function(self) NULL)
  entered <- entered_with(fit, list(x = 1), environment = list(MODE = "task"))

  expect_identical(Sys.getenv("MODE"), "task")
  expect_identical(current("step_name"), "fit")
  expect_identical(entered$self$x, 1)
  entered$run()
  expect_identical(current("step_name"), "fit")
  entered$leave()
  expect_identical(Sys.getenv("MODE", NA), NA_character_)
  expect_identical(.Random.seed, before)
  expect_error(current("step_name"), class = "metaflow_outside_step")
})

test_that("entering another task leaves the one before", {
  withr::local_envvar(MODE = "mine")
  one <- entered_with(global(function(self) NULL), environment = list(MODE = "one"))
  two <- entered_with(global(function(self) NULL), environment = list(MODE = "two"))
  one$leave()

  expect_identical(Sys.getenv("MODE"), "two")
  two$leave()
  expect_identical(Sys.getenv("MODE"), "mine")
})

test_that("what the task left is apart from what it began with, and read-only", {
  entered <- entered_with(
    global(function(self) NULL), list(x = 1, gone = 0), left = list(x = 2, y = 3),
    removed = list("gone")
  )

  expect_identical(entered$self$x, 1)
  expect_identical(entered$wrote$x, 2)
  expect_identical(names(entered$wrote), c("x", "y"))
  expect_error(entered$wrote$x <- 5, class = "metaflow_read_only")
  expect_snapshot(entered$wrote)
})

test_that("a name that the object has not is an error that lists those it has", {
  entered <- entered_with(global(function(self) NULL))

  expect_error(entered$wrotte, class = "metaflow_unknown_name")
})

test_that("without a prompt, modes that need one say what to do", {
  entered <- entered_with(global(function(self) stop("no")))
  scene <- attr(entered, "scene")

  expect_snapshot(invisible(stop_at_failure(entered, scene, NULL)))
})

test_that("mode source sets out the arguments, the helpers and the code, and takes them away", {
  code <- "function(task_self) {\n  help_me()\n}"
  fit <- global(eval(parse(text = code, keep.source = TRUE)[[1]]))
  entered <- entered_with(fit, list(x = 1), helpers = list(help_me = global(function() "helped")))

  expect_snapshot(set_out(entered))
  expect_identical(globalenv()$task_self$x, 1)
  expect_identical(eval(quote(help_me()), globalenv()), "helped")
  entered$leave()
  expect_false(exists("task_self", globalenv(), inherits = FALSE))
  expect_false(exists("help_me", globalenv()))
})

test_that("the code of a script is that which it holds now, and nothing is run", {
  script <- withr::local_tempfile(fileext = ".R", lines = c(
    "library(metaflow)",
    "fit <- function(self) self$y <- newer(self$x)",
    "newer <- function(x) x + 100",
    "metaflow(\"TestFlow\") %>%",
    "  step(step = \"start\", next_step = \"fit\") %>%",
    "  step(step = \"fit\", r_function = fit, next_step = \"end\") %>%",
    "  step(step = \"end\") %>%",
    "  run()",
    "stop(\"what follows `run()` is not evaluated\")"
  ))
  scene <- scene_with(global(function(self) self$y <- "older"), list(x = 1))
  scene$payload$script <- list(path = script)

  expect_identical(rerun_here(scene, step_function(scene, "script"))$y, 101)
  expect_false(exists("newer", globalenv()))
  expect_false(the$hands_over_flow)
  scene$payload$script$path <- "gone.R"
  expect_error(step_function(scene, "script"), class = "metaflow_not_found")
})
