test_that("an error of the core is a condition with its class, its parents' and its fields", {
  error <- tryCatch(
    abort_from_core(list(
      kind = "artifact_not_found", parents = list("not_found"), message = "No {artifact}.",
      exit_code = 1L, fields = list(name = "x", available = list("y"), message = "dropped")
    )),
    error = identity
  )
  expect_s3_class(error, c("metaflow_artifact_not_found", "metaflow_not_found", "metaflow_error"),
    exact = FALSE)
  expect_equal(conditionMessage(error), "No {artifact}.")
  expect_equal(error$name, "x")
  expect_equal(error$exit_code, 1L)
})

test_that("what is not there is told with the call that lists what is, unless the core has one", {
  absent <- list(kind = "task_not_found", fields = list(hint = ""))
  expect_equal(
    where_to_look(absent, pathspec = "F/12/b/9"),
    "`tasks(\"F/12\")` lists the tasks that there are."
  )
  absent$fields$hint <- "Enter that one."
  expect_null(where_to_look(absent, pathspec = "F/12/b/9"))
})

test_that("a Python that is missing is told with the command that repairs it", {
  expect_snapshot(error = TRUE, {
    abort_no_python(simpleError("No module named 'click'"), call = NULL)
  })
})

test_that("a near match is near", {
  expect_equal(nearest("rety", c("catch", "retry")), "retry")
  expect_equal(nearest("Retry", c("catch", "retry")), "retry")
  expect_null(nearest("zz", c("x", "alpha")))
  expect_null(nearest("", "a"))
  expect_null(nearest("a", character()))
})

test_that("values are described in a few words", {
  expect_equal(
    vapply(list(NULL, 1, 1L, "a", TRUE, NA, 1:2, list(1), mtcars, mean, new.env()), describe, ""),
    c(
      "NULL", "the number 1", "the integer 1L", "the string \"a\"", "the logical TRUE", "NA",
      "an integer vector of length 2", "a list of length 1", "a <data.frame>", "a function",
      "an object of class <environment>"
    )
  )
})
