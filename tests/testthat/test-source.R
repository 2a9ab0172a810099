test_that("functions of a script learn their lines from it", {
  path <- withr::local_tempfile(fileext = ".R")
  writeLines(c(
    "first <- function(self) self$x <- 1",
    "second <- function(self) self$x <- 1",
    "third <- function(self) {",
    "  sapply(1:3, function(i) i)",
    "}",
    "list(function() \"in a list\")"
  ), path)
  bare <- new.env()
  sys.source(path, bare, keep.source = FALSE)
  script <- script_functions(path)
  line_of <- function(name) {
    fun <- bare[[name]]
    found <- with_source(fun, name, script)
    expect_identical(environment(found), environment(fun))
    function_source(found)$line
  }

  expect_equal(vapply(c("first", "second", "third"), line_of, 0L, USE.NAMES = FALSE), 1:3)
  in_list <- utils::removeSource(function() "in a list")
  expect_equal(function_source(with_source(in_list, "", script))$line, 6L)
  other <- utils::removeSource(function(x) "not in the script")
  expect_equal(function_source(with_source(other, "", script)), list(file = "", line = 0L))
})

test_that("a script that cannot be read is no error", {
  path <- withr::local_tempfile(lines = "function( {")
  expect_equal(script_functions(path), list())
  expect_equal(script_functions("nowhere.R"), list())
  expect_equal(script_functions(character()), list())
})
