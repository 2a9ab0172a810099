# A channel on which the core has one message; `said` are the messages to it.
inline_core <- function(task) {
  said <- list()
  list(
    hear = function() serialize(task, NULL, version = 2),
    say = function(bytes) said[[length(said) + 1]] <<- unserialize(bytes),
    said = function() said
  )
}

# Runs step `start` of a flow with the function `fun` in this session.
serve_here <- function(fun, ..., flow = flow_with(fun)) {
  core <- inline_core(utils::modifyList(list(
    type = "task", step = "start", is_join = FALSE, spool = tempdir(), inline_limit_bytes = 65536,
    room_bytes = 0, current = list(pathspec = "TestFlow/1/start/2"), artifacts = list(),
    parameters = list(), frames = list(), seed = as.raw(rep(1:4, 624)), print_error = FALSE
  ), list(...)))
  status <- serve_inline(inline_payload(flow), core$hear, core$say)
  messages <- core$said()
  types <- vapply(messages, `[[`, "", "type")
  output <- function(stream) {
    of_stream <- Filter(function(message) identical(message$stream, stream), messages)
    rawToChar(c(raw(), unlist(lapply(of_stream, `[[`, "bytes"))))
  }
  list(
    status = status, stdout = output("stdout"), stderr = output("stderr"),
    result = if ("result" %in% types) messages[[which(types == "result")]]
  )
}

test_that("what a step prints is seen and logged, in its order", {
  fun <- function(self) {
    cat("half")
    cat(" line\n")
    message("told")
    print(2)
  }

  seen <- capture.output(suppressMessages(served <- serve_here(fun)))

  expect_equal(served$status, 0L)
  expect_equal(seen, c("half line", "[1] 2"))
  expect_equal(served$stdout, "half line\n[1] 2\n")
  expect_equal(served$stderr, "told\n")
})

test_that("warnings are logged as R tells them", {
  expect_warning(served <- serve_here(function(self) warning("careful", call. = FALSE)))

  expect_equal(served$stderr, "Warning: careful\n")
})

test_that("a failure has the condition, and is in the log", {
  told <- capture.output(type = "message", {
    served <- serve_here(function(self) stop("broken"), print_error = TRUE)
  })

  expect_equal(told[[1]], "Error in fun(self) : broken")
  expect_equal(served$status, 1L)
  expect_equal(served$result$failure$message, "broken")
  expect_match(served$stderr, "Error in fun(self) : broken", fixed = TRUE)
})

test_that("an interrupt is no result", {
  interrupt <- structure(list(), class = c("interrupt", "condition"))

  served <- serve_here(function(self) rlang::cnd_signal(interrupt))

  expect_null(served$status)
  expect_null(served$result)
})

test_that("what a step does to the session is undone", {
  withr::local_seed(1)
  before <- list(options(), Sys.getenv(), getwd(), search(), sink.number(), .Random.seed)
  fun <- function(self) {
    options(digits = 3, inline.test = 1, warn = 2)
    Sys.setenv(INLINE_TEST = "x")
    Sys.unsetenv("HOME")
    setwd(tempdir())
    attach(list(a = 1), name = "attached by a step") # nolint: undesirable_function_linter.
    sink(nullfile())
    runif(1)
  }

  serve_here(fun, environment = list(INLINE_OF_CORE = "y"))

  after <- list(options(), Sys.getenv(), getwd(), search(), sink.number(), .Random.seed)
  expect_identical(after, before)
  expect_null(the$current)
  expect_null(the$payload)
})

test_that("a step ends at its timeout, also if it did not notice", {
  busy <- serve_here(function(self) while (TRUE) NULL, timeout_s = 0.05)
  deaf <- serve_here(function(self) sort(runif(3e6), method = "quick"), timeout_s = 0.05)

  expect_match(c(busy$result$failure$message, deaf$result$failure$message), "time limit")
})

test_that("a step that waits ends at its timeout", {
  asleep <- serve_here(timeout_s = 0.05, function(self) {
    Sys.sleep(30)
    self$woke <- TRUE
  })

  expect_match(asleep$result$failure$message, "time limit")
  expect_length(asleep$result$artifacts, 0)
})

test_that("the session's error handler is called at the error", {
  local_globals(quote({
    n_called <- 0
    note_call <- function() n_called <<- n_called + 1
  }))
  withr::local_options(error = expression(note_call()))

  capture.output(served <- serve_here(function(self) stop("broken")), type = "message")

  expect_equal(get("n_called", globalenv()), 1)
})

test_that("a function that is debugged or traced is the session's own", {
  fit <- function(self) NULL
  debug(fit)
  on.exit(undebug(fit))
  expect_true(isdebugged(inline_payload(flow_with(fit))$steps$start$fun))

  local_globals(quote(fit_here <- function(self) 1))
  flow <- eval(quote(metaflow("T") |> step(step = "start", r_function = fit_here)), globalenv())
  suppressMessages(trace("fit_here", quote(cat("traced\n")), print = FALSE, where = globalenv()))
  expect_s4_class(inline_payload(flow)$steps$start$fun, "functionWithTrace")
})
