branches <- function(...) {
  self_with(list(alpha = 1), parameters = "alpha", inputs = list(...))
}

test_that("inputs are reached by position, those of branches by step, too", {
  task <- branches(
    list(step = "a", artifacts = list(x = 1)), list(step = "b", artifacts = list(x = 2))
  )
  inputs <- task$inputs
  expect_equal(inputs$a$x, 1)
  expect_equal(inputs[["b"]]$x, 2)
  expect_equal(inputs[[2]][["x"]], 2)
  expect_equal(names(inputs), c("a", "b"))
  expect_equal(inputs[2]$b$x, 2)

  foreach <- branches(
    list(step = "fit", artifacts = list(x = 1)), list(step = "fit", artifacts = list(x = 2))
  )$inputs
  expect_null(names(foreach))
  expect_length(foreach, 2)
  expect_snapshot(error = TRUE, {
    foreach$fit
    foreach[[3]]
    inputs$c
  })
})

test_that("inputs are iterated with for, lapply() and vapply()", {
  inputs <- branches(
    list(step = "fit", artifacts = list(x = 1)), list(step = "fit", artifacts = list(x = 2))
  )$inputs
  seen <- c()
  for (input in inputs) seen <- c(seen, input$x)
  expect_equal(seen, c(1, 2))
  expect_equal(lapply(inputs, function(input) input$x), list(1, 2))
  expect_equal(vapply(inputs, `[[`, 0, "x"), c(1, 2))
})

test_that("ten thousand inputs cost nothing until they are read", {
  tasks <- list(
    step = rep("fit", 10000), index = 0:9999, task_id = as.character(seq_len(10000))
  )
  inputs <- new_inputs(tasks, function(from, index, name) index, gather = NULL, objects = NULL)
  expect_length(inputs, 10000)
  expect_equal(inputs[[7]]$index, 6)
  expect_equal(inputs[[10000]]$x, 9999)
})

test_that("an input loads an artifact once, and says what it has if there is none", {
  task <- branches(list(step = "a", artifacts = list(score = 1, model = 2)))
  task$inputs$a$score
  task$inputs$a$score
  expect_equal(task$asked(), "score")
  expect_snapshot(error = TRUE, {
    task$inputs$a$scor
    task$inputs$a$score <- 3
  })
  expect_snapshot({
    task$inputs
    task$inputs$a
  })
})

test_that("gather_inputs() gives one artifact of all", {
  task <- branches(
    list(step = "a", artifacts = list(x = 1)), list(step = "b", artifacts = list(x = NULL))
  )
  expect_equal(gather_inputs(task$inputs, "x"), list(1, NULL))
  expect_equal(task$asked(), "x of 2")
  expect_error(gather_inputs(task$inputs, "y"), class = "metaflow_artifact_not_found")
  expect_snapshot(gather_inputs(list(), "x"), error = TRUE)
})

test_that("gather_inputs() asks again for what did not fit, and for nothing twice", {
  inputs <- lapply(1:5, function(i) list(step = "fit", artifacts = list(x = i)))
  task <- do.call(branches, inputs)
  task$inputs[[1]]$x

  expect_equal(gather_inputs(task$inputs, "x"), as.list(1:5))
  expect_equal(gather_inputs(task$inputs[4:5], "x"), list(4L, 5L))
  expect_equal(task$asked(), c("x", "x of 4", "x of 2"))
})

test_that("merge_artifacts() passes on what is the same, by reference", {
  task <- branches(
    list(step = "a", artifacts = list(same = 1, only_a = 2, own = 3, alpha = 1, `_stack` = 1)),
    list(step = "b", artifacts = list(same = 1, own = 4, alpha = 1, `_stack` = 2))
  )
  self <- task$self
  self$own <- 5
  merge_artifacts(self, task$inputs)

  expect_equal(task$asked(), character())
  expect_equal(changes(self)$references, c(only_a = 0L, same = 0L))
  expect_equal(changes(self)$written, "own")
  expect_equal(self$same, 1)
  self$same <- 2
  expect_equal(changes(self)$references, c(only_a = 0L))
  expect_equal(changes(self)$written, c("own", "same"))
})

test_that("a conflict merges nothing and names the artifacts", {
  task <- branches(
    list(step = "a", artifacts = list(same = 1, score = 2, model = 3)),
    list(step = "b", artifacts = list(same = 1, score = 3, model = 4))
  )
  expect_snapshot(merge_artifacts(task$self, task$inputs), error = TRUE)
  expect_equal(names(task$self), "alpha")
  error <- tryCatch(merge_artifacts(task$self, task$inputs), error = identity)
  expect_equal(error$artifacts, c("score", "model"))

  merge_artifacts(task$self, task$inputs, exclude = c("score", "model"))
  expect_equal(names(task$self), c("alpha", "same"))
})

test_that("include passes on nothing else, and must be there", {
  task <- branches(list(step = "a", artifacts = list(x = 1, y = 2)))
  expect_snapshot(error = TRUE, {
    merge_artifacts(task$self, task$inputs, include = "z")
    merge_artifacts(task$self, task$inputs, include = "x", exclude = "y")
    merge_artifacts(list(), task$inputs)
  })
  merge_artifacts(task$self, task$inputs, include = list("x"))
  expect_equal(names(task$self), c("alpha", "x"))
})
