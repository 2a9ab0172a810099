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

test_that("functions of a file that the script sources learn their lines, also in a circle", {
  folder <- withr::local_tempdir()
  withr::local_dir(folder)
  writeLines(c("", "clean <- function(x) x + 1", "source(\"script.R\")"), "helpers.R")
  writeLines(c("library(metaflow)", "if (TRUE) source('helpers.R')", "source(other)"), "script.R")
  script <- script_functions("script.R")

  bare <- utils::removeSource(function(x) x + 1)
  expect_equal(
    function_source(with_source(bare, "clean", script)), list(file = "helpers.R", line = 2L)
  )
})

test_that("methods of R6, S4 and reference classes, and functions in lists learn their lines", {
  path <- withr::local_tempfile(fileext = ".R", lines = c(
    "Counter <- R6::R6Class(\"Counter\", public = list(",
    "  add = function(k) \"added\"))",
    "steps <- list(inner = list(",
    "  first = function() \"in a list\"), size = 2)",
    "methods::setClass(\"Box\", methods::representation(w = \"numeric\"))",
    "methods::setGeneric(\"area\", function(shape) standardGeneric(\"area\"))",
    "methods::setMethod(\"area\", \"Box\",",
    "  function(shape) \"the area\")",
    "Account <- methods::setRefClass(\"Account\", methods = list(",
    "  pay = function(sum) \"paid\"))"
  ))
  bare <- new.env(parent = globalenv())
  assign(".packageName", "test", bare)
  suppressMessages(sys.source(path, bare, keep.source = FALSE))
  script <- script_functions(path)
  found <- mget(ls(bare, all.names = TRUE), bare)
  found <- Map(function(value, name) with_source(value, name, script), found, names(found))
  table <- grep("^[.]__T__area", names(found), value = TRUE)
  line_of <- function(fun) function_source(fun)$line

  expect_equal(line_of(found$Counter$public_methods$add), 2L)
  expect_equal(line_of(found$steps$inner$first), 4L)
  expect_equal(line_of(found[[table]]$Box), 8L)
  expect_equal(line_of(found$.__C__Account@refMethods$pay), 10L)
})

test_that("a reference to a text that is no file counts for nothing", {
  typed <- eval(parse(text = "function(x) x", keep.source = TRUE)[[1]])
  attr(attr(typed, "srcref"), "srcfile")$filename <- ""

  expect_equal(function_source(typed), list(file = "", line = 0L))
})
