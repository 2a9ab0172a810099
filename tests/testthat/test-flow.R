hello <- function() {
  metaflow("HelloFlow", schedule(daily = TRUE), project(name = "demo")) %>%
    parameter("alpha", help = "learning rate", default = 0.1) %>%
    parameter("made_by", default = function(context) context$user_name, required = TRUE) %>%
    step(step = "start", retry(times = 2), next_step = c("a", "b")) %>%
    step(step = "a", foreach = "grid", next_step = "fit") %>%
    step(step = "b", condition = "size", next_step = c(big = "x", small = "y")) %>%
    step(step = "join", r_function = function(self, i) NULL, join = TRUE, next_step = "end") %>%
    step(step = "end")
}

test_that("a flow prints as its graph", {
  expect_snapshot(print(hello()))
  expect_snapshot(print(metaflow("EmptyFlow")))
})

test_that("verbs copy: the flow they are given stays as it was", {
  one <- metaflow("HelloFlow")
  two <- one |> step(step = "start")
  expect_length(one$steps, 0)
  expect_length(two$steps, 1)
})

test_that("both pipes make the same flow", {
  expect_equal(
    metaflow("F") %>% step(step = "start", next_step = "end") %>% step(step = "end"),
    metaflow("F") |> step(step = "start", next_step = "end") |> step(step = "end")
  )
})

test_that("nothing is assigned anywhere", {
  before <- ls(globalenv())
  metaflow("HelloFlow")
  expect_equal(ls(globalenv()), before)
})

test_that("a wrong name or decorator is refused", {
  expect_snapshot(error = TRUE, {
    metaflow()
    metaflow("my flow")
    metaflow(NULL)
    metaflow("F", retry())
    metaflow("F", "schedule")
    metaflow("F", schedule(daily = TRUE), schedule(hourly = TRUE))
  })
})
