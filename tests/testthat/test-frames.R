# The variables of `env` as they are kept, after a round trip.
kept_of <- function(env, task = list()) {
  artifact <- keep_frames(list(env), list(list(call = "f(x)", file = "", line = 0L)), task)
  if (!is.null(artifact)) decode_artifact(artifact)[[1]]$variables
}

frame_of_call <- function(fun, ...) {
  environment(fun) <- globalenv()
  fun(...)
}

test_that("the variables of a frame are kept as they were", {
  env <- frame_of_call(function(x, y) {
    z <- data.frame(a = x)
    none <- NULL
    environment()
  }, x = 1:3)
  force(env$x)
  kept <- kept_of(env)

  expect_identical(kept[c("x", "z")], list(x = 1:3, z = data.frame(a = 1:3)))
  expect_identical(kept$none$what, "NULL")
  expect_false("y" %in% names(kept), label = "an argument that was not given is kept")
})

test_that("an argument that was not evaluated stays so", {
  env <- frame_of_call(function(x) environment(), x = stop("evaluated"))

  expect_snapshot(kept_of(env)$x)
})

test_that("a step that fails before it looks at its `self` has it all the same", {
  flow <- flow_with(global(function(me) stop("at once")), next_step = "end") %>%
    step(step = "end")
  kept <- decode_artifact(c(run_step(flow, "start")$result$kept, offset = 36))

  expect_identical(kept[[1]]$variables$me, stand_in("self"))
})

test_that("secrets are left out, wherever they have a name", {
  env <- list2env(list(
    db_password = "p1", API_KEY = "p2", `auth.token` = "p3", monkey = "banana", keys = 1:2,
    config = list(host = "h", credentials = list(user = "u", word = "p4")),
    named = c(secret = "p5", open = "o"), held = list2env(list(token = "p6"))
  ), parent = globalenv())
  artifact <- keep_frames(list(env), list(list(call = "f()", file = "", line = 0L)), list())
  text <- rawToChar(artifact$bytes[artifact$bytes != 0])
  kept <- decode_artifact(artifact)[[1]]$variables

  for (i in 1:6) expect_false(grepl(paste0("p", i), text, fixed = TRUE, useBytes = TRUE))
  expect_identical(kept$monkey, "banana")
  expect_identical(kept$keys, 1:2)
  expect_identical(kept$config$host, "h")
  expect_identical(kept$named[["open"]], "o")
})

test_that("what is too large is described, and the innermost frame comes first", {
  outer <- list2env(list(large = numeric(2^23), small = 1), parent = globalenv())
  inner <- list2env(list(large = matrix(0, 2^10, 2^10)), parent = globalenv())
  told <- list(list(call = "g()", file = "", line = 0L), list(call = "f()", file = "", line = 0L))
  kept <- decode_artifact(keep_frames(list(outer, inner), told, list()))

  expect_identical(kept[[2]]$variables$large, inner$large)
  expect_identical(kept[[1]]$variables$small, 1)
  expect_snapshot(kept[[1]]$variables$large)
})

test_that("looking through what is kept takes no longer than it may", {
  many <- rep(list(list(1, list(2))), 1e5)
  env <- list2env(list(many = many), parent = globalenv())

  expect_snapshot(kept_of(env)$many)
})

test_that("handles are described; `self` and `inputs` are stood in for", {
  connection <- textConnection("a")
  on.exit(close(connection))
  env <- list2env(list(
    con = connection, self = self_with(list(x = 1))$self,
    inputs = structure(list(), class = c("metaflow_inputs", "list"))
  ), parent = globalenv())
  kept <- kept_of(env)

  expect_s3_class(kept$con, "metaflow_left_out")
  expect_identical(kept$self$what, "self")
  expect_identical(kept$inputs$what, "inputs")
})

test_that("a model that holds its frame is kept with it", {
  env <- frame_of_call(function(data) {
    model <- lm(mpg ~ wt, data)
    environment()
  }, data = mtcars)
  force(env$data)

  expect_identical(coef(kept_of(env)$model), coef(lm(mpg ~ wt, mtcars)))
})

test_that("frames are not kept where that is turned off", {
  env <- list2env(list(x = 1), parent = globalenv())

  expect_null(kept_of(env, list(keep_frames = FALSE)))
  withr::with_options(list(metaflow.keep_frames = FALSE), expect_null(kept_of(env)))
  expect_false(is.null(kept_of(env, list(keep_frames = TRUE))))
})

test_that("a failed step keeps its frames, one that succeeds nothing", {
  fit <- function(self) {
    half <- function(x) x / 2
    wanted <- self$x
    half(wanted)
  }
  flow <- function(fun) flow_with(global(fun), next_step = "end") %>% step(step = "end")
  failed <- run_step(flow(fit), "start", list(x = "two"))
  fine <- run_step(flow(fit), "start", list(x = 2))
  kept <- decode_artifact(c(failed$result$kept, offset = 36))

  expect_identical(kept[[1]]$variables$wanted, "two")
  expect_identical(kept[[2]]$variables$x, "two")
  expect_null(fine$result$kept)
})

test_that("frames print with their variables, and `self` is that of the failure", {
  told <- list(
    list(
      call = "fit(self)", file = "flow.R", line = 12L, variables = list(self = stand_in("self"))
    ),
    list(call = "halve(x)", file = "", line = 0L, variables = list(
      x = "two", data = mtcars, password = left_out("its name is that of a secret")
    ))
  )
  scene <- scene_with(
    global(function(self) NULL), list(before = 1), left = list(`_frames` = told, made = 2),
    helpers = list(a_helper = 5), wrote = list("made")
  )
  fun <- step_function(scene, "run")
  frames <- kept_frames(scene, fun, NULL)

  expect_named(frames, c("fit", "halve"))
  expect_identical(frames$halve$x, "two")
  expect_identical(frames$fit$self$made, 2)
  expect_identical(get("a_helper", envir = frames$halve), 5)
  expect_snapshot(frames)
})

test_that("without frames it says why, and what to do", {
  scene <- scene_with(global(function(self) NULL))

  expect_snapshot(kept_frames(scene, NULL, NULL), error = TRUE)
})
