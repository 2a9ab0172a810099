test_that("every wrong argument is refused with what to write", {
  flow <- metaflow("F")
  expect_snapshot(error = TRUE, {
    step("F", step = "start")
    step(flow)
    step(flow, "start")
    step(flow, step = 1)
    step(flow, step = "start", next_stp = "end")
    step(flow, step = "start", retry)
    step(flow, step = "start", schedule())
    step(flow, step = "start", retry(), retry())
    step(flow, step = "start", r_function = "start")
    step(flow, step = "start", next_step = NA)
    step(flow, step = "start", next_step = 2)
    step(flow, step = "start", join = "yes")
    step(flow, step = "start", foreach = c("a", "b"))
  })
})

test_that("a function must take what the step gives it", {
  flow <- metaflow("F")
  expect_snapshot(error = TRUE, {
    step(flow, step = "a", r_function = function(self, inputs) NULL)
    step(flow, step = "a", join = TRUE, r_function = function(self) NULL)
    step(flow, step = "a", join = TRUE, r_function = function(self, inputs, more) NULL)
  })
  fine <- list(
    function(self) NULL, function(self, n = 1) NULL, function(...) NULL, function() NULL, print
  )
  for (fun in fine) expect_s3_class(step(flow, step = "a", r_function = fun), "metaflow_flow")
  for (fun in list(function(self, inputs) NULL, function(...) NULL, function(s, i, n = 1) NULL)) {
    expect_s3_class(step(flow, step = "a", join = TRUE, r_function = fun), "metaflow_flow")
  }
})

test_that("a condition needs named next steps, and names need a condition", {
  flow <- metaflow("F")
  expect_snapshot(error = TRUE, {
    step(flow, step = "a", next_step = c(big = "x", small = "y"))
    step(flow, step = "a", condition = "size", next_step = c("x", "y"))
    step(flow, step = "a", condition = "size", next_step = c(big = "x", big = "y"))
    step(flow, step = "a", condition = "size")
    step(flow, step = "a", condition = "size", foreach = "x", next_step = c(a = "x"))
  })
})

test_that("next_step may be a list", {
  flow <- metaflow("F") %>% step(step = "start", next_step = list("a", "b"))
  expect_equal(flow$steps[[1]]$next_steps, c("a", "b"))
})

test_that("a function written inside of a pipe has the environment of one written outside", {
  flow <- metaflow("F") %>% step(step = "start", r_function = function(self) NULL)
  expect_identical(environment(flow$steps[[1]]$fun), environment())
})
