test_that("a column has its type, whatever is known of it", {
  columns <- list(
    pathspec = list("F/1", "F/2"), created_at = list(0, NULL), attempt = list(NULL, NULL),
    tags = list(list("a", "b"), list()), new_column = list(TRUE, NULL)
  )

  expect_identical(as_data_frame(columns), structure(
    list(
      pathspec = c("F/1", "F/2"), created_at = .POSIXct(c(0, NA), "UTC"),
      attempt = c(NA_integer_, NA_integer_), tags = list(c("a", "b"), character()),
      new_column = c(TRUE, NA)
    ),
    class = "data.frame", row.names = 1:2
  ))
})

test_that("an empty table has columns of the right types", {
  empty <- as_data_frame(list(pathspec = list(), created_at = list(), tags = list()))

  expect_identical(dim(empty), c(0L, 3L))
  expect_identical(empty$pathspec, character())
  expect_identical(empty$created_at, .POSIXct(numeric(), "UTC"))
})

test_that("rows become a data frame with the columns that are asked for", {
  rows <- list(list(call = "f()", line = 3), list(call = "g()", file = "a.R"))

  expect_identical(as_rows(rows, c("call", "file", "line")), data.frame(
    call = c("f()", "g()"), file = c(NA, "a.R"), line = c(3L, NA)
  ))
})
