test_that("a wrapper is its decorator by name", {
  expect_equal(retry(times = 1)$attributes, decorator("retry", times = 1)$attributes)
  expect_equal(retry(1), retry(times = 1))
  expect_equal(
    environment_variables(A = 1, B = TRUE)$attributes,
    list(vars = list(A = "1", B = "TRUE"))
  )
  expect_equal(decorator("schedule")$attributes$daily, TRUE)
  expect_equal(schedule(hourly = TRUE)$attributes$daily, FALSE)
  expect_equal(isolation()$attributes, list(mode = "auto"))
  expect_equal(isolation("fork")$attributes, decorator("isolation", mode = "fork")$attributes)
  expect_equal(secrets("a")$attributes$sources, list("a"))
})

test_that("defaults are Metaflow's", {
  expect_equal(retry()$attributes, list(times = 3L, minutes_between_retries = 2L))
  expect_equal(catch()$attributes, list(var = NULL, print_exception = TRUE))
  expect_equal(
    batch()$attributes[c("cpu", "gpu", "memory")], list(cpu = 1L, gpu = 0L, memory = 4096L)
  )
})

test_that("decorators print as they were written", {
  expect_snapshot({
    retry(times = 2)
    timeout(minutes = 1.5)
    batch(cpu = 4, image = "r:4", efa = 1)
    decorator("catch", var = "failure")
    environment_variables(A = 1)
    schedule(cron = "0 10 * * ? *")
  })
})

test_that("unknown names and wrong values are refused with the near match", {
  expect_snapshot(error = TRUE, {
    decorator("rety")
    decorator("conda")
    decorator("retry", tims = 3)
    decorator("retry", 3)
    decorator(3)
    retry(times = -1)
    retry(times = 1.5)
    retry(minutes_between_retries = "2")
    catch(var = "not a name")
    timeout()
    timeout(seconds = -1)
    resources(cpu = 0)
    resources(memory = NA)
    batch(quoue = "x")
    environment_variables("x")
    environment_variables(A = 1:2)
    environment_variables()
    schedule(daily = TRUE, hourly = TRUE)
    project()
    project(name = "My Project")
    secrets()
    card(id = 1)
    isolation("thread")
    isolation(1)
  })
})
