test_that("a flow crosses as plain lists in which a list stays a list", {
  fun <- function(self) NULL
  flow <- metaflow("F", schedule(daily = TRUE)) %>%
    parameter("alpha", default = 0.1, help = "it's") %>%
    parameter("grid", default = list(depth = 1:2, kind = "u")) %>%
    parameter("who", default = function() "ada") %>%
    step(step = "start", retry(times = 1), r_function = fun, next_step = "b") %>%
    step(step = "b", condition = "size", next_step = c(big = "end", small = "end"))
  spec <- as_spec(flow)

  expect_equal(spec$name, "F")
  expect_equal(spec$steps[[1]]$next_steps, list("b"))
  expect_true(spec$steps[[1]]$has_function)
  expect_false(spec$steps[[2]]$has_function)
  expect_equal(spec$steps[[1]]$decorators[[1]]$name, "retry")
  expect_equal(spec$steps[[1]]$decorators[[1]]$attributes$times, 1L)
  expect_equal(spec$steps[[2]]$cases, list(big = "end", small = "end"))
  expect_equal(spec$parameters[[1]]$default, 0.1)
  expect_equal(spec$parameters[[2]]$default, list(depth = list(1L, 2L), kind = "u"))
  expect_true(spec$parameters[[3]]$default_is_function)
  expect_null(spec$parameters[[3]]$default)
})

test_that("the spec is data that the wire can carry", {
  flow <- metaflow("F") %>% step(step = "start", batch(cpu = 2), next_step = "end")
  kinds <- unique(unlist(rapply(as_spec(flow), typeof, how = "list")))
  plain <- c("character", "integer", "double", "logical", "raw", "NULL")
  expect_equal(setdiff(kinds, plain), character())
})

test_that("as_plain() turns R values into what JSON can say", {
  expect_identical(as_plain(1:2), list(1L, 2L))
  expect_identical(as_plain(c(a = 1)), list(a = 1))
  expect_identical(as_plain(list("a")), list("a"))
  expect_identical(as_plain(factor("u")), "u")
  expect_null(as_plain(NULL))
})
