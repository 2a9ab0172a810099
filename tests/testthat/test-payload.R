helpers_of <- function(fun) {
  environment(fun) <- globalenv()
  names(unserialize(payload(flow_with(fun)))$helpers)
}

test_that("helpers are found through functions, defaults, lists, strings and formulas", {
  local_globals(quote({
    h_direct <- function() h_indirect()
    h_indirect <- function(x = h_default) x
    h_default <- 1
    h_in_list <- list(f = function() h_from_list)
    h_from_list <- 2
    h_by_name <- function() NULL
    h_in_formula <- function(x) x
    h_in_closure <- function() NULL
    h_made <- local({
      inner <- function() h_in_closure()
      function() inner()
    })
    h_unused <- 3
    h_local <- 4
  }))
  fun <- function(self) {
    h_local <- 1
    h_direct()
    h_in_list$f()
    do.call("h_by_name", list())
    lm(y ~ h_in_formula(x))
    h_made()
    self$h_unused
  }

  expect_setequal(helpers_of(fun), c(
    "h_direct", "h_indirect", "h_default", "h_in_list", "h_from_list", "h_by_name",
    "h_in_formula", "h_made", "h_in_closure"
  ))
})

test_that("S3 methods of the script are there without being named", {
  local_globals(quote({
    print.h_kind <- function(x, ...) h_shown()
    h_shown <- function() NULL
    h.unrelated <- function() NULL # nolint: object_name_linter. It looks like a method.
  }))
  expect_setequal(helpers_of(function(self) NULL), c("print.h_kind", "h_shown"))
})

test_that("helpers that use each other are no endless search", {
  local_globals(quote({
    h_even <- function(n) n == 0 || h_odd(n - 1)
    h_odd <- function(n) n != 0 && h_even(n - 1)
  }))
  expect_setequal(helpers_of(function(self) h_even(3)), c("h_even", "h_odd"))
})

test_that("a handle or a value too large is named with the step that uses it", {
  local_globals(quote({
    h_con <- file("nowhere")
    h_read <- function() readLines(h_con)
    h_large <- numeric(1e6)
  }))
  withr::defer(close(get("h_con", globalenv())))
  withr::local_options(metaflow.max_helper_bytes = 2e6)
  expect_snapshot(error = TRUE, {
    helpers_of(function(self) h_con)
    helpers_of(function(self) h_read())
    helpers_of(function(self) h_large)
  })
})

test_that("a handle in a closure's environment matters only if the function uses it", {
  with_handle <- function(use) {
    con <- file("nowhere")
    withr::defer(close(con))
    fun <- if (use) function(self) readLines(con) else function(self) NULL
    payload(flow_with(fun))
  }
  expect_snapshot(with_handle(TRUE), error = TRUE)
  expect_type(with_handle(FALSE), "raw")
})

test_that("a value of which a function only replaces a part is taken from outside", {
  fun <- function(self, given) {
    total <- sum(outside[, 1])
    outside[1, ] <- 0
    own <- 1
    own[2] <- 2
    given$x <- 3
    for (i in 1:2) i[1] <- 4
    inner <- function(y) y[1] <- 5
    self$total <- total
  }

  expect_equal(replaced_names(fun), "outside")
  expect_true("outside" %in% free_names(fun))
})

test_that("a closure's environment travels with it", {
  fun <- local({
    value <- 42
    function() value
  })
  back <- unserialize(payload(flow_with(fun)))$steps$start$fun
  expect_equal(back(), 42)
})

test_that("packages are in the order in which they were attached", {
  withr::local_package("splines")
  packages <- unserialize(payload(metaflow("F")))$packages
  expect_equal(utils::tail(packages, 1), "splines")
  expect_false("base" %in% packages)
})
