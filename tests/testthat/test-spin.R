test_that("arguments of spin() are checked", {
  flow <- metaflow("SpinFlow") %>%
    step(step = "start", next_step = "end") %>%
    step(step = "end")

  expect_snapshot(error = TRUE, {
    spin("SpinFlow", "start")
    spin(flow)
    spin(flow, "strat")
    spin(flow, "start", skip_decorators = 1)
    spin(flow, "start", persist = "yes")
    inspect_spin(1)
  })
})

test_that("in a session, a step is tried as it is now, with the inputs of then", {
  then <- global(function(self) self$y <- "older")
  scene <- scene_with(then, list(x = 1), left = list(y = "older"))
  flow <- metaflow("TestFlow") %>%
    step(step = "fit", r_function = global(function(self) self$y <- self$x + 1))

  rerun <- rerun_now(flow, step_of(flow, "fit", NULL), scene, list(), NULL)

  expect_identical(rerun$y, 2)
  expect_snapshot(rerun)
})

test_that("a step that was given again is tried as it was given last", {
  flow <- metaflow("TestFlow") %>%
    step(step = "fit", r_function = function(self) "older") %>%
    step(step = "fit", r_function = function(self) "newer")

  expect_identical(step_of(flow, "fit", NULL)$fun(NULL), "newer")
})

test_that("the environment of a step is that of the flow as it is now", {
  flow <- metaflow("SpinFlow") %>%
    step(environment_variables(MODE = "quick"), step = "start", next_step = "end") %>%
    step(step = "end")

  expect_identical(environment_of(step_of(flow, "start", NULL)), list(MODE = "quick"))
  expect_length(environment_of(step_of(flow, "end", NULL)), 0)
})

test_that("it is said where a step is kept that was tried", {
  expect_snapshot(tell_kept(list(pathspec = "TestFlow/7/fit/1", directory = "/flows")))
})
