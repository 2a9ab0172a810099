test_that("durations are in the two units that matter", {
  expect_identical(
    vapply(c(0, 0.44, 9.96, 12.4, 59.7, 125, 3600 * 5 + 61), format_duration, ""),
    c("0.0 s", "0.4 s", "10.0 s", "12 s", "1 min 0 s", "2 min 5 s", "5 h 1 min")
  )
  expect_null(format_duration(NULL))
})

test_that("many names are cut short, none are left out", {
  expect_identical(some_of(c("a", "b")), "a, b")
  expect_identical(some_of(letters, most = 2), "a, b, and 24 more")
  expect_null(some_of(character()))
})

test_that("values of several lines stay in their column, and absent ones have no line", {
  expect_snapshot(print_fields(list(a = "one\ntwo", long_name = 1, absent = NULL), indent = 2))
})
