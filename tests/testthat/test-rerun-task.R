test_that("a rerun returns what the step would write, and how it compares", {
  fit <- global(function(self) {
    self$same <- self$x
    self$other <- self$x + 1
    self$late <- "here"
  })
  scene <- scene_with(fit, list(x = 1), left = list(same = 1, other = 3, lost = "then"))

  rerun <- rerun_here(scene)

  expect_identical(rerun$other, 2)
  expect_named(rerun, c("late", "other", "same"))
  expect_identical(
    attr(rerun, "comparison")[c("artifact", "how")],
    data.frame(
      artifact = c("late", "other", "same", "lost"), how = c("new", "differs", "same", "gone")
    )
  )
  expect_snapshot(print(rerun))
})

test_that("functions that differ only in where they were made are the same", {
  made_in <- function(env) eval(quote(function(x) x + 1), new.env(parent = env))

  expect_true(is_same(made_in(globalenv()), made_in(baseenv())))
  expect_false(is_same(function(x) x + 1, function(x) x + 2))
})

test_that("a step that fails here raises its error, with the user's frames", {
  fit <- global(eval(parse(
    text = "function(self) {\n  halve(self$x)\n}", keep.source = TRUE
  )[[1]]))
  helpers <- list(halve = global(function(x) x / 2))
  scene <- scene_with(fit, list(x = "two"), helpers = helpers)

  expect_snapshot(rerun_here(scene), error = TRUE)
  error <- tryCatch(rerun_here(scene), error = identity)
  expect_s3_class(error, "metaflow_rerun_failed")
  expect_identical(error$frames$call, c("fit(self)", "halve(self$x)"))
  expect_identical(conditionMessage(error$parent), "non-numeric argument to binary operator")
})

test_that("the hint at the browser names the code that failed", {
  broken <- function(self) stop("no")
  by_task <- function(r_function = NULL, code = "run", attempt = NULL) code_arguments(match.call())
  scene <- scene_with(global(function(self) NULL))
  entered <- new_entered_task(scene, step_function(scene, "run"), NULL)
  withr::defer(entered$leave())

  expect_identical(by_task(), "")
  expect_identical(by_task(broken), ", r_function = broken")
  expect_identical(by_task(function(x) x + 1), ", r_function = function(x) x + 1")
  expect_identical(by_task(code = "script", attempt = 0), ", code = \"script\", attempt = 0")
  error <- expect_error(entered$run(broken), class = "metaflow_rerun_failed")
  expect_match(
    conditionMessage(error), "mode = \"browser\", r_function = broken)`", fixed = TRUE
  )
})

test_that("what a rerun needs of the session is undone, also where it fails", {
  withr::local_envvar(MODE = "mine", OTHER = NA)
  withr::local_seed(1)
  before <- .Random.seed
  fit <- global(function(self) {
    stopifnot(Sys.getenv("MODE") == "task", Sys.getenv("OTHER") == "set")
    self$name <- current("step_name")
    self$number <- stats::runif(1)
    if (self$fails) stop("no")
  })
  in_task <- list(MODE = "task", OTHER = "set")
  rerun <- rerun_here(scene_with(fit, list(fails = FALSE), environment = in_task))
  again <- rerun_here(scene_with(fit, list(fails = FALSE), environment = in_task))
  expect_error(rerun_here(scene_with(fit, list(fails = TRUE), environment = in_task)), "fails here")

  expect_identical(rerun$name, "fit")
  expect_identical(rerun$number, again$number)
  expect_identical(Sys.getenv(c("MODE", "OTHER"), NA), c(MODE = "mine", OTHER = NA))
  expect_identical(.Random.seed, before)
  expect_error(current("step_name"), class = "metaflow_outside_step")
  expect_null(the$payload)
})

test_that("the run's helpers come first for its own function, the session's for another one", {
  local_globals(quote(scale_by <- function(x) x * 100))
  helpers <- list(scale_by = global(function(x) x * 2), only_then = global(function() scale_by(1)))
  fit <- global(function(self) self$y <- c(scale_by(1), only_then()))
  scene <- scene_with(fit, helpers = helpers)

  expect_identical(rerun_here(scene)$y, c(2, 2))
  expect_identical(rerun_here(scene, in_reach(fit, scene))$y, c(100, 100))
  expect_identical(environment(fit), globalenv())
})

test_that("a closure that came with a run finds the run's helpers", {
  fit <- local(
    {
      twice <- 2
      function(self) self$y <- scale_by(twice)
    },
    envir = new.env(parent = globalenv())
  )
  scene <- scene_with(fit, helpers = list(scale_by = global(function(x) x * 10)))

  expect_identical(rerun_here(scene)$y, 20)
})

test_that("a join is run on its inputs", {
  join <- global(function(self, inputs) {
    self$total <- sum(unlist(gather_inputs(inputs, "x")))
    merge_artifacts(self, inputs, exclude = "x")
  })
  inputs <- list(
    list(step = "a", artifacts = list(x = 1, kept = "k")),
    list(step = "b", artifacts = list(x = 2, kept = "k"))
  )
  scene <- scene_with(join, inputs = inputs, left = list(total = 3))

  expect_snapshot(rerun_here(scene))
})

test_that("a step that fans out tells to how many", {
  fit <- global(function(self) self$items <- list(1, "two", 3))

  expect_snapshot(rerun_here(scene_with(fit, foreach = "items")))
})

test_that("arguments are checked", {
  expect_snapshot(error = TRUE, {
    rerun_task(12:13)
    rerun_task("F/1/fit/2", r_function = "fit")
    rerun_task("F/1/fit/2", code = "now")
    rerun_task("F/1/fit/2", attempt = -1)
    debug_task("F/1/fit/2", mode = "look")
    debug_task("F/1/fit/2", r_function = "fit")
  })
})
