test_that("a step's artifacts come back as they were assigned", {
  fun <- function(self) {
    self$number <- self$x + 1L
    self$table <- data.frame(a = factor("u"), b = as.Date("2024-02-29"))
    self$nothing <- NULL
    self$x[2] <- 0L
  }
  environment(fun) <- globalenv()

  done <- run_step(flow_with(fun), "start", list(x = 1:3, untouched = 5))

  expect_equal(done$status, 0L)
  expect_true(done$result$ok)
  expect_setequal(names(done$result$values), c("number", "table", "nothing", "x"))
  expect_identical(done$result$values$number, 2:4)
  expect_identical(
    done$result$values$table, data.frame(a = factor("u"), b = as.Date("2024-02-29"))
  )
  expect_identical(done$result$values$x, c(1L, 0L, 3L))
  expect_equal(done$asked, "x")
})

test_that("an error ends with status 1, its frames in the log, and what was assigned before", {
  path <- withr::local_tempfile(fileext = ".R")
  writeLines(c(
    "deeper <- function(x) {",
    "  y <- x",
    "  tofail(y)",
    "}",
    "start <- function(self) {",
    "  self$before <- 1",
    "  sapply(1, function(i) deeper(i))",
    "}"
  ), path)
  withr::defer(rm(list = c("deeper", "start"), envir = globalenv()))
  sys.source(path, globalenv(), keep.source = TRUE)

  done <- run_step(flow_with(get("start", globalenv())), "start")

  expect_equal(done$status, 1L)
  failure <- done$result$failure
  expect_equal(failure$kind, "error")
  expect_equal(failure$message, "could not find function \"tofail\"")
  expect_equal(failure$call, "tofail(y)")
  expect_equal(unlist(failure$classes), c("simpleError", "error", "condition"))
  lines <- vapply(failure$frames, function(frame) frame$line, 0L)
  expect_equal(lines, c(7L, 7L, 3L))
  expect_s3_class(unserialize(failure$condition), "simpleError")
  expect_identical(done$result$values, list(before = 1))
  expect_true("Error in tofail(y) : could not find function \"tofail\"" %in% done$log)
  expect_match(done$log, "at .*:3 in deeper\\(i\\)", all = FALSE)
})

test_that("an interrupt ends the step with the reason, and tells where it was", {
  path <- withr::local_tempfile(fileext = ".R")
  writeLines(c(
    "count <- function(n) {",
    "  tools::pskill(Sys.getpid(), 2)",
    "  repeat {",
    "    n <- n + 1",
    "  }",
    "}",
    "start <- function(self) {",
    "  self$before <- 1",
    "  tryCatch(count(0), error = function(error) 'it goes on')",
    "}"
  ), path)
  withr::defer(rm(list = c("count", "start"), envir = globalenv()))
  sys.source(path, globalenv(), keep.source = TRUE)

  done <- run_step(flow_with(get("start", globalenv())), "start")

  expect_equal(done$status, 1L)
  failure <- done$result$failure
  expect_equal(failure[c("kind", "message")], list(kind = "timeout", message = "It took too long."))
  expect_equal(vapply(failure$frames, function(frame) frame$line, 0L), c(9L, 3L))
  expect_s3_class(unserialize(failure$condition), "metaflow_task_timeout")
  expect_identical(done$result$values, list(before = 1))
  expect_false(is.null(done$result$kept))
  expect_match(done$log, "at .*:3 in count\\(0\\)", all = FALSE)
})

test_that("an error in a method is at the line that called the generic", {
  path <- withr::local_tempfile(fileext = ".R")
  writeLines(c(
    "start <- function(self) {",
    "  table <- mtcars[mtcars$carb == 3, ]",
    "  self$p_value <- t.test(mpg ~ am, table)$p.value",
    "}"
  ), path)
  withr::defer(rm(list = "start", envir = globalenv()))
  sys.source(path, globalenv(), keep.source = TRUE)

  done <- run_step(flow_with(get("start", globalenv())), "start")

  expect_equal(done$result$failure$frames[[1]]$line, 3L)
})

test_that("the script's helpers, values, packages and options of its functions are there", {
  definitions <- quote({
    limit <- 3
    with_default <- function(x, n = limit) by_name(x) + n
    by_name <- function(x) do.call("twice", list(x))
    twice <- function(x) 2 * x
    format.kind <- function(x, ...) "a kind"
  })
  local_globals(definitions)
  fun <- function(self) {
    self$result <- with_default(1)
    self$shown <- format(structure(1, class = "kind"))
    self$attached <- "package:splines" %in% search()
  }
  environment(fun) <- globalenv()
  withr::local_package("splines")

  done <- run_step(flow_with(fun), "start")

  expect_identical(done$result$values, list(attached = TRUE, result = 5, shown = "a kind"))
})

test_that("classes of the script work in a step: S4, reference classes, R6", {
  definitions <- quote({
    setClass("Shape", representation(side = "numeric"), where = globalenv())
    setGeneric("area", function(x) standardGeneric("area"), where = globalenv())
    setMethod("area", "Shape", function(x) squared(x@side), where = globalenv())
    setMethod("length", "Shape", function(x) 7L, where = globalenv())
    squared <- function(x) x^2
    account <- setRefClass("Account",
      fields = list(balance = "numeric"),
      methods = list(add = function(x) {
        balance <<- balance + x
        invisible(.self)
      }), where = globalenv()
    )
    base_class <- R6::R6Class("Base",
      public = list(hello = function() greeting), parent_env = globalenv()
    )
    derived_class <- R6::R6Class("Derived", inherit = base_class, parent_env = globalenv())
    greeting <- "hello"
  })
  local_globals(definitions)
  fun <- function(self) {
    shape <- new("Shape", side = 3)
    self$area <- area(shape)
    self$length <- length(shape)
    self$balance <- account$new(balance = 1)$add(2)$balance
    self$hello <- derived_class$new()$hello()
  }
  environment(fun) <- globalenv()

  done <- run_step(flow_with(fun), "start")

  expect_identical(
    done$result$values, list(area = 9, balance = 3, hello = "hello", length = 7L)
  )
})

test_that("any function is a step's function", {
  local_globals(quote(named <- function(self) self$x <- 42))
  functions <- list(
    named = get("named", globalenv()),
    returns = function(self) {
      self$x <- 42
      return("ignored")
    },
    closure = local({
      value <- 42
      function(self) self$x <- value
    }),
    lambda = \(self) self$x <- 42,
    dots = function(...) {
      self <- ..1
      self$x <- 42
    }
  )
  flow <- metaflow("TestFlow")
  for (name in names(functions)) {
    flow <- step(flow, step = name, r_function = functions[[name]])
  }
  for (name in names(functions)) {
    expect_identical(run_step(flow, name)$result$values, list(x = 42))
  }
})

test_that("a function without arguments, one of a package, and none at all run", {
  flow <- metaflow("TestFlow") %>%
    step(step = "start", r_function = function() cat("no arguments\n"), next_step = "pkg") %>%
    step(step = "pkg", r_function = base::invisible, next_step = "end") %>%
    step(step = "end")

  expect_equal(run_step(flow, "start")$log, "no arguments")
  expect_equal(run_step(flow, "pkg")$status, 0L)
  expect_equal(run_step(flow, "end")$status, 0L)
})

test_that("a join reads its inputs, merges by reference and loads only what it reads", {
  fun <- function(self, inputs) {
    self$sum <- inputs$a$score + inputs[[2]]$score
    self$all <- unlist(gather_inputs(inputs, "other"))
    self$steps <- vapply(inputs, function(input) names(input)[[1]], "")
    merge_artifacts(self, inputs, exclude = c("score", "other"))
  }
  inputs <- list(
    list(step = "a", artifacts = list(score = 1, other = 3, shared = mtcars)),
    list(step = "b", artifacts = list(score = 2, other = 4, shared = mtcars))
  )

  done <- run_step(flow_with(fun, join = TRUE), "start", inputs = inputs)

  expect_identical(done$result$values$sum, 3)
  expect_identical(done$result$values$all, c(3, 4))
  expect_equal(
    done$result$values$shared, list(name = "shared", kind = "reference", index = 0L)
  )
  expect_equal(done$asked, c("score", "score", "all other"))
})

test_that("a foreach tells its number of items and shows them", {
  fun <- function(self) self$grid <- data.frame(depth = 1:2, kind = c("u", "v"))

  done <- run_step(flow_with(fun), "start", foreach = "grid")

  expect_equal(done$result$outcome[1:2], list(num_splits = 2L, values = list("1, u", "2, v")))
})

test_that("a foreach hands over its items one by one, in the message or in a file", {
  grid <- data.frame(depth = 1:2, kind = factor(c("u", "v")))
  fun <- function(self) self$grid <- grid

  for (limit in c(65536L, 100L)) {
    done <- run_step(flow_with(fun), "start", foreach = "grid", inline_limit_bytes = limit)
    items <- done$result$outcome$items
    expect_equal(is.null(items$path), limit == 65536L)
    starts <- cumsum(c(0, items$sizes))
    cut <- lapply(1:2, function(i) unserialize(items$bytes[(starts[[i]] + 1):starts[[i + 1]]]))
    expect_identical(cut, list(grid[1, ], grid[2, ]))
  }
})

test_that("items that the core can cut out, or that are too large, are not handed over", {
  native <- run_step(flow_with(function(self) self$x <- c("a", "b")), "start", foreach = "x")
  large <- run_step(
    flow_with(function(self) self$x <- list(runif(1000), runif(1000))), "start",
    foreach = "x", items_limit_bytes = 10000
  )

  expect_null(native$result$outcome$items)
  expect_null(large$result$outcome$items)
  expect_equal(large$result$outcome$num_splits, 2L)
})

test_that("a task of a foreach gets its item, or cuts it out of the whole", {
  fun <- function(self) self$seen <- list(self$input, self$input)
  frames <- list(list(step = "fit", var = "xs", num_splits = 3L, index = 1L, value = ""))

  whole <- run_step(flow_with(fun), "start", list(xs = list(1, "two", 3)), frames = frames)
  item <- run_step(
    flow_with(fun), "start", list(xs = list(1, "two", 3)), frames = frames, item = "the item"
  )

  expect_identical(whole$result$values$seen, list("two", "two"))
  expect_identical(item$result$values$seen, list("the item", "the item"))
  expect_equal(item$asked, "xs")
})

test_that("an item that came with the task is not asked for", {
  fun <- function(self) self$seen <- list(self$input, self$foreach_stack()[[1]]$value)
  frame <- function(var) list(step = "s", var = var, num_splits = 3L, index = 1L, value = "")
  ahead <- c(list(found = TRUE, name = "ys", is_item = TRUE), encode_artifact(list("the item")))

  done <- run_step(
    flow_with(fun), "start", list(xs = list(1, "two", 3)), frames = list(frame("xs"), frame("ys")),
    item_ahead = ahead
  )

  expect_identical(done$result$values$seen, list(list("the item"), "two"))
  expect_equal(done$asked, "xs")
})

test_that("a foreach that is empty, too large or no vector fails and says so", {
  fun <- function(self) {
    self$empty <- list()
    self$many <- 1:101
    self$environment <- new.env()
  }
  cases <- c(
    empty = "metaflow_foreach_empty", many = "metaflow_too_many_splits",
    environment = "metaflow_foreach_not_iterable", absent = "metaflow_artifact_not_found"
  )
  for (name in names(cases)) {
    failure <- run_step(flow_with(fun), "start", foreach = name)$result$failure
    expect_equal(failure$classes[[1]], cases[[name]])
  }
})

test_that("a condition chooses a step by the artifact's value", {
  fun <- function(self) self$size <- 2L
  flow <- metaflow("TestFlow") %>%
    step(step = "start", r_function = fun, condition = "size", next_step = c(`1` = "x", `2` = "y"))

  done <- run_step(flow, "start", condition = "size")
  expect_equal(done$result$outcome, list(chosen = "y"))

  other <- metaflow("TestFlow") %>%
    step(step = "start", r_function = fun, condition = "size", next_step = c(big = "x"))
  failure <- run_step(other, "start", condition = "size")$result$failure
  expect_equal(failure$classes[[1]], "metaflow_no_case")
})

test_that("an endless recursion is an error, and of a long stack both ends are told", {
  local_globals(quote({
    h_forever <- function(n) h_forever(n + 1)
    h_deep <- function(n) if (n == 0) stop("at the bottom") else h_deep(n - 1)
  }))
  forever <- function(self) h_forever(1)
  deep <- function(self) h_deep(200)
  environment(forever) <- environment(deep) <- globalenv()

  failure <- run_step(flow_with(forever), "start")$result$failure
  expect_match(failure$message, "infinite recursion|stack")

  frames <- run_step(flow_with(deep), "start")$result$failure$frames
  expect_length(frames, 30)
  expect_equal(frames[[2]]$call, "h_deep(200)")
})

test_that("an artifact that cannot be stored is named", {
  fun <- function(self) {
    self$fine <- 1
    self$handle <- file("nowhere")
  }

  done <- run_step(flow_with(fun), "start")

  expect_equal(done$status, 1L)
  expect_equal(done$result$failure$kind, "save")
  expect_match(done$result$failure$message, "Artifact `handle` cannot be stored", fixed = TRUE)
  expect_identical(done$result$values, list(fine = 1))
})

test_that("a disk that is full while an artifact is written fails the task and names it", {
  fun <- function(self) {
    self$fine <- 1
    self$large <- runif(1e5)
  }

  done <- run_step(flow_with(fun), "start", largest_file_kb = 100)

  expect_equal(done$result$failure$kind, "save")
  expect_match(done$result$failure$message, "Artifact `large` cannot be stored", fixed = TRUE)
  expect_match(done$result$failure$message, "cannot write .*/artifact-.*: File too large")
  expect_identical(done$result$values, list(fine = 1))
})

test_that("a large artifact lies in a file of the spool", {
  fun <- function(self) self$large <- runif(2000)

  done <- run_step(flow_with(fun), "start", inline_limit_bytes = 1000L)

  expect_named(done$result$artifacts[[1]], c("name", "kind", "path", "size_bytes", "r_type"))
})

test_that("the random stream is the one that the core gave", {
  fun <- function(self) self$x <- runif(3)

  first <- run_step(flow_with(fun), "start")
  again <- run_step(flow_with(fun), "start")
  other <- run_step(flow_with(fun), "start", seed = as.raw(rep(7, 2496)))

  expect_identical(first$result$values, again$result$values)
  expect_false(identical(first$result$values, other$result$values))
})

test_that("environment variables, current() and warnings reach the step and its log", {
  fun <- function(self) {
    self$variable <- Sys.getenv("STAGE")
    self$pathspec <- current("pathspec")
    warning("careful")
    message("after")
  }

  done <- run_step(flow_with(fun), "start", environment = list(STAGE = "a b='c'"))

  expect_identical(
    done$result$values, list(pathspec = "TestFlow/1/start/2", variable = "a b='c'")
  )
  expect_match(done$log, "careful", all = FALSE)
  expect_equal(utils::tail(done$log, 1), "after")
})

test_that("quit() in a step sends no result", {
  done <- run_step(flow_with(function(self) quit(status = 3)), "start")

  expect_equal(done$status, 3L)
  expect_false(isTRUE(done$result$ok))
})

test_that("a worker loads no Python, and neither rlang nor cli to run a step", {
  fun <- function(self) self$loaded <- loadedNamespaces()

  loaded <- run_step(flow_with(fun), "start", packages = "metaflow")$result$values$loaded

  expect_false(any(c("reticulate", "rlang", "cli") %in% loaded))
})

test_that("a package that is missing where the task runs is an error of its start", {
  flow <- flow_with(function(self) NULL)
  bytes <- unserialize(payload(flow))
  bytes$packages <- c(bytes$packages, "notthere")

  expect_error(load_payload(serialize(bytes, NULL)), class = "metaflow_package_missing")
})

test_that("a condition is kept with the user's frames as its trace, without ours", {
  fun <- function(self) {
    tryCatch(
      stop("inner"),
      error = function(error) rlang::abort("outer", class = "mine", extra = 7, parent = error)
    )
  }
  # The lines of this test would be in the snapshot.
  fun <- utils::removeSource(fun)
  environment(fun) <- globalenv()

  condition <- unserialize(run_step(flow_with(fun), "start")$result$failure$condition)

  expect_s3_class(condition, "mine")
  expect_identical(condition$extra, 7)
  expect_identical(conditionMessage(condition$parent), "inner")
  expect_null(condition$parent$trace)
  expect_identical(length(condition$trace$call), 2L)
  expect_snapshot(cat(format(condition, simplify = "none")))
})

test_that("failures that R has no class for have one that says what they are", {
  kinds <- list(
    out_of_memory = function(self) numeric(1e14),
    recursion = function(self) (function(f) f(f))(function(f) f(f)),
    disk_full = function(self) stop("cannot write to 'x': No space left on device"),
    error = function(self) stop(structure(class = c("odd", "error", "condition"), list()))
  )
  for (kind in names(kinds)) {
    environment(kinds[[kind]]) <- globalenv()
    failure <- run_step(flow_with(kinds[[kind]]), "start")$result$failure
    expect_equal(failure$kind, kind)
    own <- c(paste0("metaflow_task_", kind), "metaflow_task_failed")
    expect_equal(own %in% unlist(failure$classes), rep(kind != "error", 2))
    expect_s3_class(unserialize(failure$condition), unlist(failure$classes), exact = TRUE)
  }
})

test_that("a warning that counts as an error is at its line", {
  path <- withr::local_tempfile(fileext = ".R", lines = c(
    "start <- function(self) {",
    "  options(warn = 2)",
    "  as.integer(\"x\")",
    "}"
  ))
  withr::defer(rm(list = "start", envir = globalenv()))
  sys.source(path, globalenv(), keep.source = TRUE)

  failure <- run_step(flow_with(get("start", globalenv())), "start")$result$failure

  expect_match(failure$message, "converted from warning")
  expect_equal(failure$frames[[1]]$line, 3L)
})

test_that("the call of a function without a name shows no code", {
  expect_equal(one_line(as.call(list(function(y) y, 10))), "`<function>`(10)")
})
