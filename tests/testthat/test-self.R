test_that("artifacts load when they are read, and once", {
  task <- self_with(list(x = 1, y = 2))
  self <- task$self

  expect_equal(names(self), c("x", "y"))
  expect_equal(task$asked(), character())
  expect_equal(self$x + self[["x"]], 2)
  expect_equal(task$asked(), "x")
})

test_that("self behaves as an environment does", {
  self <- self_with(list(x = c(1, 2, 3), l = list(a = 1)))$self

  self$x[2] <- 20
  self$l$b <- 2
  self[["new"]] <- "n"
  self$made$deep$x <- 1
  expect_equal(self$made, list(deep = list(x = 1)))
  rm("made", envir = self)
  expect_equal(self$x, c(1, 20, 3))
  expect_equal(self$l, list(a = 1, b = 2))
  expect_true("new" %in% names(self))
  expect_length(self, 3)
  expect_true(exists("x", envir = self))
  expect_equal(get("new", envir = self), "n")
  expect_equal(mget(c("new", "x"), envir = self), list(new = "n", x = c(1, 20, 3)))
  expect_equal(with(self, new), "n")
  expect_setequal(ls(self), c("l", "new", "x"))
  expect_equal(as.list(self)$new, "n")
  assign("assigned", 1, envir = self)
  expect_true("assigned" %in% changes(self)$written)
})

test_that("assigning in a function changes the same self, as for an environment", {
  self <- self_with()$self
  fill <- function(where) where$x <- 1
  fill(self)
  expect_equal(self$x, 1)
})

test_that("only what was assigned is written", {
  self <- self_with(list(x = 1, y = 2, gone = 3))$self
  self$x
  self$y <- 5
  self$z <- NULL
  rm("gone", envir = self)

  expect_equal(
    changes(self),
    list(written = c("y", "z"), references = integer(), removed = "gone")
  )
  expect_null(self$z)
})

test_that("what was changed in place is written, what was only read is not", {
  new_env <- function() list2env(list(n = 1))
  table <- data.table::data.table(a = 1:2)
  self <- self_with(list(
    env = new_env(), read = new_env(), plain = list(1, mtcars), list = list(deep = list(new_env())),
    model = lm(mpg ~ wt, mtcars), table = table
  ))$self
  self$env$n <- 2
  self$list$deep[[1]]
  list <- self$list
  list$deep[[1]]$n <- 2
  data.table::set(self$table, 1L, "a", 5L)
  summary(self$model)
  self$read$n
  self$plain

  expect_setequal(changes(self)$written, c("env", "list", "table"))
})

test_that("what a step makes takes neither artifacts nor pipes along in `self`", {
  task <- self_with(list(loaded = runif(1e4)))
  step <- function(self) {
    self$loaded
    self$large <- runif(1e4)
    self$model <- lm(mpg ~ wt, mtcars[1:5, ])
    self$closure <- function() self$large
  }
  step <- utils::removeSource(step)
  environment(step) <- globalenv()
  step(task$self)

  expect_lt(length(encode_artifact(task$self$model)$bytes), 20000)
  bytes <- encode_artifact(task$self$closure)$bytes
  expect_lt(length(bytes), 20000)

  # As in another process, where the task is not known.
  rm(list = attr(task$self, "id"), envir = the$tasks)
  expect_error(unserialize(bytes)(), "has ended", class = "metaflow_task_ended")
})

test_that("parameters are read-only, whichever way they are assigned", {
  self <- self_with(list(alpha = 0.5), parameters = "alpha")$self

  expect_snapshot(self$alpha <- 1, error = TRUE)
  expect_error(self[["alpha"]] <- 1, "AttributeError", class = "metaflow_read_only")
  expect_error(self$alpha[2] <- 1, class = "metaflow_read_only")
  expect_error(assign("alpha", 1, envir = self), class = "metaflow_read_only")
  expect_equal(self$alpha, 0.5)
})

test_that("a missing artifact is an error that lists what is there", {
  self <- self_with(list(score = 1, model = 2))$self
  expect_snapshot(self$scroe, error = TRUE)
  expect_snapshot(self[["q"]], error = TRUE)
  expect_error(self$q, "has no attribute", class = "metaflow_artifact_not_found")
})

test_that("names that cannot be artifacts are refused", {
  self <- self_with()$self
  expect_snapshot(error = TRUE, {
    self[["_private"]] <- 1
    self[["a/b"]] <- 1
    self[[1]]
    self[[c("a", "b")]] <- 1
    self$input <- 1
  })
})

test_that("a self prints what it holds without loading it", {
  task <- self_with(list(alpha = 0.5, data = mtcars, model = 1), parameters = "alpha")
  task$self$data
  task$self$note <- "hello"
  expect_snapshot(print(task$self))
  expect_equal(task$asked(), "data")
})

test_that("a foreach task sees its item, its index and the stack", {
  grid <- data.frame(depth = 1:2, kind = c("u", "v"))
  task <- self_with(
    frames = list(frame_of("files", 1L, 3L), frame_of("grid", 0L, 2L)),
    foreach = list(list(files = c("a", "b", "c")), list(grid = grid))
  )

  expect_equal(task$self$input, grid[1, , drop = FALSE])
  expect_equal(task$self$index, 0L)
  expect_equal(task$self$foreach_stack(), list(
    list(index = 1L, num_splits = 3L, value = "b"),
    list(index = 0L, num_splits = 2L, value = grid[1, ])
  ))
  expect_equal(task$asked(), c("grid", "files"))
})

test_that("outside of a foreach there is no item", {
  self <- self_with()$self
  expect_null(self$input)
  expect_null(self$index)
  expect_equal(self$foreach_stack(), list())
})

test_that("an item may be NULL", {
  self <- self_with(
    frames = list(frame_of("l", 1L, 2L)), foreach = list(list(l = list(1, NULL)))
  )$self
  expect_null(self$input)
})

test_that("every control character is refused in a name, and other characters are not", {
  refused <- c("", "_a", "a/b", "\001", "a\nb", "a\177", "\u0085", "a\u2028", "\u2029b")

  expect_false(any(vapply(refused, is_artifact_name, NA)))
  expect_true(all(vapply(c("a", "a_", ".a", "\u00e4", "a b", "\u200b"), is_artifact_name, NA)))
})
