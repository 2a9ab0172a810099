test_that("ids of sixteen digits keep every digit", {
  expect_identical(as_id(1795235811450006, "run_id", NULL), "1795235811450006")
  expect_identical(as_id(12L, "run_id", NULL), "12")
  expect_identical(as_id("12", "run_id", NULL), "12")
  expect_identical(
    as_id(bit64::as.integer64("1795235811450006"), "run_id", NULL), "1795235811450006"
  )
})

test_that("what is no id is an error", {
  for (x in list(NULL, NA, NA_character_, "", c("a", "b"), 1.5, 2^60, list("a"), mtcars)) {
    expect_error(as_id(x, "run_id", NULL), class = "metaflow_invalid_argument")
  }
})

test_that("the parent of a pathspec is all but its last part", {
  expect_identical(parent_pathspec("Flow/12/start"), "Flow/12")
  expect_null(parent_pathspec("Flow"))
  expect_identical(parent_id("Flow/12/start"), "12")
  expect_null(parent_id("Flow"))
})
