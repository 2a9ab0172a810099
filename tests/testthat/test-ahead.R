# The process that tasks are forked from starts before Python does, where tasks will be forked.

test_that("it is started for what looks like a run, and for nothing else", {
  withr::local_envvar(METAFLOW_DEFAULT_ISOLATION = NA)
  for (argv in list(character(), c("run", "--alpha", "1"), c("--quiet", "resume"))) {
    expect_true(will_fork(argv, list()))
  }
  for (argv in list(
    "show", "list-runs", c("resume", "--plan"), c("run", "--help"), c("run", "--inline"),
    c("run", "--isolation", "process"), c("run", "--isolation=inline")
  )) {
    expect_false(will_fork(argv, list()))
  }
})

test_that("it is started by what the arguments of run() look like", {
  withr::local_envvar(METAFLOW_DEFAULT_ISOLATION = NA)
  for (options in list(
    list(max_workers = 2), list(resume = "b"), list(show = FALSE), list(isolation = "fork")
  )) {
    expect_true(will_fork(character(), options))
  }
  for (options in list(
    list(show = TRUE), list(logs = "1/a"), list(resume = TRUE, plan = TRUE), list(inline = TRUE),
    list(isolation = "process"), list(other_args = "list-runs")
  )) {
    expect_false(will_fork(character(), options))
  }
})

test_that("a setting that asks for processes counts, unless the command asks for something else", {
  withr::local_envvar(METAFLOW_DEFAULT_ISOLATION = "process")

  expect_false(will_fork("run", list()))
  expect_true(will_fork("run", list(isolation = "fork")))
})

test_that("what an argument cannot mean is left to the core", {
  expect_null(start_ahead(character(), list(isolation = quote(x + y), show = TRUE)))
  expect_null(start_ahead("show", list()))
})

test_that("it is a process of its own group that ends with its folder", {
  ahead <- start_ahead("run", list())
  # It reads until somebody writes, or ends it.
  expect_true(file.exists(ahead$log))
  expect_true(dir.exists(sprintf("/proc/%d", ahead$pid)))

  end_ahead(ahead)

  expect_false(dir.exists(sprintf("/proc/%d", ahead$pid)))
  expect_false(dir.exists(ahead$folder))
})

test_that("one that the core has waited for is left alone, and its folder removed", {
  ahead <- start_ahead("run", list())
  .Call(mf_end_spawned, ahead$pid, ahead$control_fd)

  expect_silent(end_ahead(within(ahead, control_fd <- -1L)))

  expect_false(dir.exists(ahead$folder))
  expect_null(end_ahead(NULL))
})

test_that("the core is told in what the environment has changed since it was started", {
  withr::local_envvar(AHEAD_KEPT = "kept", AHEAD_CHANGED = "old", AHEAD_GONE = "gone")
  ahead <- list(
    pid = 7L, control_fd = 8L, log = "a.log", environment = unclass(Sys.getenv()), own = "AHEAD_OWN"
  )
  withr::local_envvar(AHEAD_CHANGED = "new", AHEAD_NEW = "", AHEAD_GONE = NA)

  told <- describe_ahead(ahead)

  expect_equal(told[c("pid", "control_fd", "log")], list(pid = 7L, control_fd = 8L, log = "a.log"))
  expect_mapequal(
    told$environment,
    list(AHEAD_CHANGED = "new", AHEAD_NEW = "", AHEAD_GONE = NULL, AHEAD_OWN = NULL)
  )
  expect_null(describe_ahead(NULL))
})

test_that("environment variables are set and unset as they are told", {
  withr::local_envvar(AHEAD_GONE = "gone", AHEAD_CHANGED = "old")

  set_environment(list(AHEAD_GONE = NULL, AHEAD_CHANGED = "new"))
  set_environment(list())

  expect_equal(Sys.getenv(c("AHEAD_GONE", "AHEAD_CHANGED"), NA, names = FALSE), c(NA, "new"))
})

test_that("its memory is set as that of one which the core starts", {
  path <- system.file("python/metaflow_core/compute/fork.py", package = "metaflow", mustWork = TRUE)
  code <- paste(readLines(path, encoding = "UTF-8"), collapse = "\n")
  settings <- regmatches(code, regexpr("_MEMORY = \\{[^}]*\\}", code))
  pairs <- regmatches(settings, gregexpr('"[^"]+": "[^"]+"', settings))[[1]]

  expect_setequal(pairs, sprintf('"%s": "%s"', names(zygote_memory), zygote_memory))
})
