# A flow of one step beside start and end; the step's function is the first argument.
flow_with <- function(fun, before = function(self) self$x <- 1) {
  metaflow("F") |>
    parameter("alpha", default = 1) |>
    step(step = "start", r_function = before, next_step = "fit") |>
    step(step = "fit", r_function = fun, next_step = "end") |>
    step(step = "end")
}

messages_of <- function(found) vapply(found, function(one) one$message, "")

expect_innocent <- function(fun, ...) {
  found <- messages_of(preflight(flow_with(fun, ...), list()))
  expect_identical(found, character(), label = paste(deparse(body(fun)), collapse = "; "))
}

test_that("a call of a function that exists nowhere is told, with its line", {
  fun <- eval(parse(text = "function(self) {\n  self$y <- 1\n\n  self$z <- tofail(self$y)\n}",
    keep.source = TRUE
  ))
  found <- preflight(flow_with(fun), list())

  expect_length(found, 1)
  expect_equal(found[[1]]$name, "tofail")
  expect_equal(found[[1]]$line, 4L)
  expect_snapshot(cat(messages_of(found)))
})

test_that("a call in a helper of the script is told once, with the helper's name", {
  local_globals(quote({
    tidy_all <- function(x) lapply(x, function(one) cleen_one(one))
    clean_one <- function(x) x
  }))
  fun <- function(self) self$y <- tidy_all(self$x)
  environment(fun) <- globalenv()
  flow <- flow_with(fun)
  flow$steps[[3]]$fun <- fun

  expect_snapshot(cat(messages_of(preflight(flow, list()))))
})

test_that("guilty code is told", {
  # No models of style, as what users write may not be.
  # nolint start
  guilty <- list(
    function(self) tofail(),
    function(self) "tofail"(),
    function(self) print(tofail(1)),
    function(self) self$x[tofail2()] <- tofail(1),
    function(self) lapply(1:3, function(i) tofail(i)),
    function(self) vapply(1:3, \(i) tofail(i), 0),
    function(self) if (self$x > 1) stop("no") else tofail(),
    function(self) for (i in tofail()) print(i),
    function(self) self$y <- self$x |> tofail(),
    function(self) self$y <- self$x %>% tofail(),
    function(self) suppressWarnings(tofail()),
    function(self) local({
      a <- 1
      tofail(a)
    }),
    function(self) stats::median(tofail()),
    function(self) self$x %tofail% 2
  )
  # nolint end
  for (fun in guilty) {
    found <- preflight(flow_with(fun), list())
    expect_true(any(grepl("tofail", messages_of(found))), label = deparse(fun)[[1]])
  }
})

test_that("innocent calls are passed over", {
  # No models of style, as what users write may not be.
  # nolint start
  innocent <- alist(
    # functions that the step itself makes
    { f <- function(x) x; f(1) },
    { f = function(x) x; f(1) },
    { function(x) x } -> f,
    { assign("made", sum); made(1) },
    { made2 <<- function() 1; made2() },
    { "quoted" <- function() 1; quoted() },
    { setGeneric("area", function(shape) standardGeneric("area")); area(1) },
    { f <- if (TRUE) sum else mean; f(1) },
    (function(g) g(2))(sqrt),
    sapply(list(sum), function(f) f(1)),
    { for (f in list(sum, mean)) print(f(1:3)) },
    { list2env(list(h = sum), environment()); h(1) },
    { c(g, h) %<-% list(sum, mean); g(h(1)) },
    # things that are attached or read while it runs
    { library(notinstalled); ggplot(mtcars) },
    { require("notinstalled"); ggplot(mtcars) },
    { suppressPackageStartupMessages(library(notinstalled)); ggplot(mtcars) },
    { source("helpers.R"); from_the_file(1) },
    { load("things.rda"); from_the_file(1) },
    { eval(parse(text = "h <- sum")); h(1) },
    { attach(list(h = sum)); h(1) },
    { if (exists("h")) h(1) },
    notinstalled::ggplot(mtcars, notinstalled::aes(unknown(x))),
    notinstalled:::hidden(x),
    # names that mean something to whoever reads the code
    y ~ unknown(x) + s(z, k = 3),
    lm(mpg ~ poly(wt, 2), mtcars),
    stats::model.frame(y ~ Surv(time, status)),
    quote(unknown(x)),
    bquote(unknown(.(x))),
    substitute(unknown(x)),
    expression(alpha(x), beta[unknown(1)]),
    with(list(h = sum), h(1)),
    within(mtcars, { ratio <- unknown(mpg) }),
    subset(mtcars, unknown(mpg)),
    transform(mtcars, z = unknown(mpg)),
    table[, .(mean = mean(x)), by = .(group)],
    table[i == 1, `:=`(z = unknown(1))],
    table[, z := unknown(x)],
    table[order(-n()), head(.SD, 2)],
    dplyr::summarise(mtcars, n = n()),
    summarise(mtcars, n = n()),
    rlang::expr(unknown(!!x)),
    rlang::quo(unknown(x)),
    tibble::tibble(x = 1, y = unknown(x)),
    ggplot2::ggplot(mtcars, ggplot2::aes(after_stat(count))),
    match.arg("a", c("a", "b")),
    plot(1, main = bquote(unknown(x))),
    curve(unknown(x), 0, 1),
    R6::R6Class("A", public = list(f = function() private$g(), h = function() super$f())),
    # functions that are parts of something
    self$model$predict(1),
    self$x$f(unknown(1)),
    list(f = sum)$f(1),
    list(sum)[[1]](1),
    environment()$f(1),
    # what never runs, or is guarded
    if (FALSE) unknown(1),
    try(unknown(1), silent = TRUE),
    tryCatch(unknown(1), error = function(e) NULL),
    # odd code
    x[, 1, drop = FALSE],
    x[["a"]][, 1] <- 2,
    names(x)[2] <- "b",
    `my name`,
    { },
    NULL,
    1:3 |> sum(),
    switch(x, a = , b = sum(1), stop("no")),
    repeat break,
    function() NULL,
    -x,
    do.call("unknown", list()),
    Reduce(`+`, 1:3),
    sapply(1:3, "[", 1),
    Recall(1),
    UseMethod("f"),
    .Call("C_thing", 1),
    on.exit(close(con), add = TRUE),
    current("run_id"),
    invisible(gather_inputs(inputs, "x"))
  )
  # nolint end
  for (body in innocent) {
    # `self$model` and the like are another test's business.
    fun <- as.function(alist(self = , NULL))
    body(fun) <- body
    found <- Filter(
      function(one) one$kind == "unknown_function", preflight(flow_with(fun), list())
    )
    may_not_exist <- c("summarise", "%<-%")
    found <- Filter(function(one) !one$name %in% may_not_exist, found)
    expect_identical(messages_of(found), character(), label = deparse1(body))
  }
})

test_that("helpers that read their arguments as code are known by their own", {
  local_globals(quote({
    as_code <- function(x) substitute(x)
    forwards <- function(data, ...) notinstalled::mutate(data, ...)
    embraces_it <- function(data, column) notinstalled::pull(data, {{ column }})
    plain <- function(x) x
  }))
  check <- function(code) {
    fun <- as.function(alist(self = , NULL), globalenv())
    body(fun) <- code
    length(preflight(flow_with(fun), list()))
  }
  expect_equal(check(quote(as_code(unknown(1)))), 0)
  expect_equal(check(quote(forwards(mtcars, unknown(1)))), 0)
  expect_equal(check(quote(embraces_it(mtcars, unknown(1)))), 0)
  expect_equal(check(quote(plain(unknown(1)))), 1)
})

test_that("a function that the script defines further down is not unknown", {
  script <- list(list(fun = function() 1, name = "later"))
  found <- preflight(flow_with(function(self) later()), script)
  expect_identical(found, list())
})

test_that("an artifact that nothing before writes is told, with the nearest name", {
  found <- preflight(
    flow_with(function(self) print(self$modle), function(self) self$model <- 1), list()
  )
  expect_snapshot(cat(messages_of(found)))
  expect_equal(found[[1]]$kind, "unknown_artifact")
})

test_that("artifacts that a step can have are passed over", {
  expect_innocent(function(self) self$x + self$alpha)
  expect_innocent(function(self) list(self$input, self$index, self$foreach_stack()))
  expect_innocent(function(self) self[["x"]])
  expect_innocent(function(self) self[[paste0("a", 1)]])
  expect_innocent(function(self) {
    self$own <- 1
    self$own
  })
  expect_innocent(function(self) self$made$part <- 1)
  expect_innocent(function(task) task$x)
  expect_innocent(function(self) lapply(1:2, function(self) self$other))
  expect_innocent(function(self) R6::R6Class("A", list(f = function() self$other)))
  expect_innocent(function(self) tryCatch(self$maybe, error = function(e) NULL))
  expect_innocent(function(self) if ("maybe" %in% names(self)) self$maybe)
  expect_innocent(function(self) with(self, x + maybe))
  expect_innocent(function(self) ~ self$maybe)
})

test_that("whoever may have written anything silences what follows", {
  anything <- list(
    function(self) list2env(list(y = 1), self),
    function(self) assign("y", 1, self),
    function(self) for (name in letters) self[[name]] <- 1,
    function(self) print(self),
    function(self) eval(parse(text = "self$y <- 1")),
    function(self) self$y %<>% sum()
  )
  for (before in anything) expect_innocent(function(self) self$y, before)
})

test_that("a join has what it merges, and each branch what came before it", {
  joined <- function(join_function) {
    flow <- metaflow("F") |>
      step(
        step = "start", r_function = function(self) self$common <- 1, next_step = c("a", "b")
      ) |>
      step(step = "a", r_function = function(self) self$of_a <- self$common, next_step = "j") |>
      step(step = "b", r_function = function(self) self$of_b <- self$common, next_step = "j") |>
      step(step = "j", r_function = join_function, next_step = "end", join = TRUE) |>
      step(step = "end", r_function = function(self) self$of_a)
    vapply(preflight(flow, list()), function(one) paste(one$step, one$name), "")
  }
  expect_equal(joined(function(self, inputs) self$n <- 2), "end of_a")
  expect_equal(joined(function(self, inputs) self$common), c("j common", "end of_a"))
  expect_length(joined(function(self, inputs) merge_artifacts(self, inputs)), 0)
  expect_length(joined(function(self, inputs) metaflow::merge_artifacts(self, inputs)), 0)
  expect_length(joined(function(self, inputs) self$of_a <- inputs$a$of_a), 0)
})

test_that("what a step catches, and what a loop of steps writes, is there", {
  flow <- metaflow("F") |>
    step(step = "start", r_function = function(self) self$go <- "again", next_step = "loop") |>
    step(
      step = "loop", catch(var = "failure"), condition = "go",
      r_function = function(self) if (self$go == "again") self$count <- 1,
      next_step = c(again = "back", done = "end")
    ) |>
    step(step = "back", r_function = function(self) self$from_back <- 1, next_step = "loop") |>
    step(step = "end", r_function = function(self) {
      list(self$failure, self$count, self$from_back)
    })
  expect_identical(preflight(flow, list()), list())
})

test_that("a helper that would not travel is told where sending is asked for", {
  local_globals(quote(log_file <- file()))
  withr::defer(close(get("log_file", globalenv())), priority = "first")
  fun <- function(self) writeLines("x", log_file)
  environment(fun) <- globalenv()

  found <- preflight(flow_with(fun), list(), sends = TRUE)

  expect_equal(vapply(found, function(one) one$kind, ""), "not_sendable")
  expect_snapshot(cat(messages_of(found)))
})

test_that("trouble with reading the code is silence", {
  flow <- flow_with(function(self) unknown())
  flow$steps[[2]]$fun <- structure(list(), class = "broken")
  expect_identical(preflight(flow, list()), list())
  flow$steps <- "broken"
  expect_identical(preflight(flow, list()), list())
})

test_that("the code of packages has nothing to tell", {
  windows <- c(
    "win.version", ".install.winbinary", "shortPathName", "winProgressBar", "setWinProgressBar",
    "getClipboardFormats", "readClipboard", "Sys.junction", "shell.exec"
  )
  for (package in c("stats", "utils", "tools", "R6", "rlang", "cli", "magrittr", "metaflow")) {
    namespace <- asNamespace(package)
    functions <- Filter(
      function(name) is.function(namespace[[name]]) && !is.primitive(namespace[[name]]),
      utils::head(ls(namespace), 400)
    )
    known <- new.env()
    looks <- lapply(functions, function(name) look_at(namespace[[name]], "", list(), known))
    names(looks) <- functions
    found <- unknown_functions(looks, list(), known)
    # What is called on Windows only, behind a test that reading does not see through.
    names <- setdiff(vapply(found, function(one) one$name, ""), windows)
    expect_identical(names, character(), label = package)
  }
})

test_that("what no input of a join can have is told, and what one may have is passed over", {
  joined <- function(join_function, a = function(self) self$of_a <- 1) {
    flow <- metaflow("F") |>
      parameter("alpha", default = 1) |>
      step(step = "start", next_step = c("a", "b"), r_function = function(self) self$common <- 1) |>
      step(step = "a", r_function = a, next_step = "j") |>
      step(step = "b", catch(var = "problem"), next_step = "j") |>
      step(step = "j", r_function = join_function, next_step = "end", join = TRUE) |>
      step(step = "end")
    messages_of(preflight(flow, list()))
  }
  # No models of style, as what users write may not be.
  # nolint start
  guilty <- list(
    function(self, inputs) inputs$nosuch,
    function(self, inputs) inputs$a$of_aa,
    function(self, inputs) inputs$b$of_a,
    function(self, inputs) inputs[["a"]][["of_aa"]],
    function(self, inputs) for (i in 1:2) print(inputs[[i]]$of_aa$x),
    function(self, parts) gather_inputs(parts, "of_aa"),
    function(self, inputs) metaflow::gather_inputs(input = "of_aa", inputs),
    function(self, inputs) merge_artifacts(self, inputs, include = c("common", "of_aa"))
  )
  innocent <- list(
    function(self, inputs) inputs$a$of_a,
    function(self, inputs) inputs$a$of_a$part$other,
    function(self, inputs) inputs[[1]]$of_a,
    function(self, inputs) inputs[[1]]$alpha + inputs[[2]]$index,
    function(self, inputs) inputs$b$problem,
    function(self, inputs) inputs[[name]]$common,
    function(self, inputs) inputs[[1]][[name]],
    function(self, inputs) gather_inputs(inputs, "common"),
    function(self, inputs) gather_inputs(inputs, name),
    function(self, inputs) merge_artifacts(self, inputs, include = c("common", name)),
    function(self, inputs) tryCatch(inputs$a$of_aa, error = function(e) NULL),
    function(self, inputs) { inputs <- list(a = 1); inputs$nosuch },
    function(self, inputs) lapply(list(), function(inputs) inputs$nosuch),
    function(self, inputs) lapply(inputs, function(input) input$nosuch)
  )
  # nolint end
  for (fun in guilty) expect_length(joined(fun), 1)
  for (fun in innocent) expect_length(joined(fun), 0)
  expect_length(joined(guilty[[2]], a = function(self) assign_somehow(self)), 1)
  expect_snapshot(for (i in c(1, 2, 6)) cat(joined(guilty[[i]]), sep = "\n"))
})
