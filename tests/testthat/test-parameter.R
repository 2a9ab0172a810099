test_that("the type is that of the default unless it is given", {
  type_of <- function(...) parameter(metaflow("F"), "p", ...)$parameters[[1]]$type
  expect_equal(type_of(default = 1), "float")
  expect_equal(type_of(default = 1L), "int")
  expect_equal(type_of(default = "a"), "str")
  expect_equal(type_of(default = TRUE), "bool")
  expect_equal(type_of(default = list(1)), "json")
  expect_equal(type_of(), "str")
  expect_equal(type_of(is_flag = TRUE), "bool")
  expect_equal(type_of(type = "double"), "float")
  expect_equal(type_of(type = "JSONType"), "json")
  expect_equal(type_of(type = "int", default = 5), "int")
  expect_equal(type_of(separator = ",", default = c("a", "b")), "str")
  expect_null(type_of(default = function() 1))
})

test_that("every wrong argument is refused with what to write", {
  flow <- metaflow("F")
  expect_snapshot(error = TRUE, {
    parameter("F", "alpha")
    parameter(flow, "learning.rate")
    parameter(flow, "_private")
    parameter(flow, "input")
    parameter(flow, "max_workers")
    parameter(flow, "x", type = "flaot")
    parameter(flow, "x", type = "int", default = 1.5)
    parameter(flow, "x", type = "bool", default = "yes")
    parameter(flow, "x", default = c("a", "b"))
    parameter(flow, "x", default = NA)
    parameter(flow, "x", default = Sys.Date())
    parameter(flow, "x", default = list(mean))
    parameter(flow, "x", is_flag = TRUE, type = "int")
    parameter(flow, "x", separator = ",", type = "int")
    parameter(flow, "x", required = "yes")
    parameter(flow, "x", help = 1)
  })
})

test_that("a default that is a function is called when it is asked for", {
  flow <- metaflow("F") %>%
    parameter("who", default = function(context) context$user_name) %>%
    parameter("n", default = function() 3, type = "int") %>%
    parameter("bad", default = function() "x", type = "int") %>%
    parameter("columns", default = function() c("a", "b"), separator = ",")

  expect_equal(evaluate_default(flow, "who", list(user_name = "ada")), "ada")
  expect_identical(evaluate_default(flow, "n"), 3L)
  expect_equal(evaluate_default(flow, "columns"), "a,b")
  expect_snapshot(evaluate_default(flow, "bad"), error = TRUE)
})
