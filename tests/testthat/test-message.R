# Messages of the core are decoded by the package itself: see src/message.c.

decode <- function(bytes) .Call(mf_decode, bytes)
encode <- function(value) serialize(value, NULL, version = 2)

test_that("plain data comes back as it was written", {
  values <- list(
    NULL, list(), list(a = 1)[0],
    TRUE, c(TRUE, NA), 1L, c(-1L, NA, .Machine$integer.max), numeric(), 1.5,
    c(NA, NaN, Inf, -0, .Machine$double.xmin), 1i, complex(real = NA, imaginary = 1), "", "a",
    c("b", NA, "\u00e4\u4e2d"), as.raw(0:255), list(1, "a", list(NULL, raw(3))),
    list(a = 1L, b = list(a = NULL, b = "x")), c(a = 1, b = 2), as.Date("2024-02-29"),
    factor(c("u", "v")), matrix(1:4, 2, dimnames = list(NULL, c("x", "y"))),
    data.frame(x = 1:3, y = letters[1:3]), as.POSIXct("2024-02-29", tz = "UTC"),
    structure(list(message = "no", call = NULL), class = c("one", "condition"))
  )
  for (value in values) expect_identical(decode(encode(value)), value)
  latin1 <- iconv("\u00e4", "UTF-8", "latin1")
  expect_identical(Encoding(decode(encode(latin1))), "latin1")
})

test_that("a list of any length may hold named lists, each with its own word for names", {
  head <- encode(NULL)[1:14]
  record <- encode(list(a = 1L, b = "x"))[-(1:14)]
  bytes <- c(head, as.raw(c(0, 0, 0, 19)), writeBin(300L, raw(), endian = "big"), rep(record, 300))

  expect_identical(decode(bytes), rep(list(list(a = 1L, b = "x")), 300))
})

test_that("what is cut off, damaged or no plain data is an error", {
  bytes <- encode(list(a = 1:3, b = "text", c = list(TRUE, as.raw(1:9))))

  for (size in seq_len(length(bytes) - 5)) expect_error(decode(bytes[seq_len(size)]), "damaged")
  expect_error(decode(serialize(1, NULL, version = 3)), "damaged")
  expect_error(decode(encode(mean)), "damaged|no plain data")
  expect_error(decode(encode(globalenv())), "no plain data|damaged")
  longer <- replace(encode(1:3), 19:22, as.raw(c(0x7f, 0xff, 0xff, 0xff)))
  expect_error(decode(longer), "damaged")
})

test_that("bytes that were changed at random are an error or plain data, and never a crash", {
  withr::local_seed(1)
  bytes <- encode(list(a = 1:3, b = c("x", "\u00e4"), c = list(factor("u"), as.raw(1:9))))

  is_plain <- function(x) is.null(x) || is.atomic(x) || is.list(x)
  results <- lapply(1:2000, function(i) {
    changed <- replace(bytes, sample(length(bytes), 2), as.raw(sample(0:255, 2, replace = TRUE)))
    tryCatch(decode(changed), error = function(error) "an error")
  })

  expect_true(all(vapply(results, is_plain, NA)))
})

test_that("messages pass through pipes one by one until they are closed", {
  ends <- .Call(mf_pipe)
  on.exit(.Call(mf_close, ends[[1]]))
  from <- pipes(ends[[1]], -1L)
  to <- pipes(-1L, ends[[2]])

  expect_true(to$send(encode(list(type = "one"))))
  expect_true(to$send(encode(list(type = "two", bytes = raw(40000)))))

  expect_identical(from$receive(), list(type = "one"))
  expect_identical(from$receive(), list(type = "two", bytes = raw(40000)))
  .Call(mf_close, ends[[2]])
  expect_null(.Call(mf_receive, ends[[1]]))
})
