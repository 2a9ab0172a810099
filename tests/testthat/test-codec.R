round_trip <- function(value) decode_artifact(through_core(encode_artifact(value)))

test_that("every kind of value comes back identical", {
  values <- awkward_values()
  for (name in names(values)) {
    expect_identical(round_trip(values[[name]]), values[[name]], label = name)
  }
})

test_that("the sign of zero and the kind of not-a-number are kept", {
  expect_identical(1 / round_trip(c(-0, 0)), c(-Inf, Inf))
  expect_identical(is.nan(round_trip(c(NaN, NA))), c(TRUE, FALSE))
})

test_that("text keeps its encoding mark where it is not native", {
  bytes <- awkward_values()$bytes
  expect_equal(Encoding(round_trip(bytes)), "bytes")
  expect_identical(charToRaw(round_trip(bytes)), charToRaw(bytes))
})

test_that("functions, models, environments and objects come back the same", {
  closure <- local({
    n <- 2
    function(x) x + n
  })
  expect_equal(round_trip(closure)(1), 3)
  expect_equal(round_trip(mean), mean)
  formula <- y ~ x
  expect_equal(round_trip(formula), formula, ignore_formula_env = TRUE)
  model <- stats::lm(mpg ~ wt, mtcars)
  expect_equal(stats::coef(round_trip(model)), stats::coef(model))
  expect_equal(stats::predict(round_trip(model)), stats::predict(model))
  env <- list2env(list(a = 1))
  env$self <- env
  back <- round_trip(env)
  expect_identical(back$a, 1)
  expect_identical(back$self, back)
  counter <- R6::R6Class("Counter", public = list(n = 0, add = function() {
    self$n <- self$n + 1
    invisible(self)
  }))
  expect_equal(round_trip(counter$new()$add())$add()$n, 2)
})

test_that("an S4 object and a sparse matrix come back identical", {
  sparse <- Matrix::sparseMatrix(i = 1:2, j = 2:1, x = c(1, 2))
  expect_identical(round_trip(sparse), sparse)
})

test_that("random nested values come back identical", {
  for (seed in seq_len(300)) {
    value <- withr::with_seed(seed, random_value())
    if (!identical(round_trip(value), value)) fail(sprintf("with_seed(%d, random_value())", seed))
  }
  succeed()
})

test_that("only what Python can tell apart is native", {
  native <- list(
    NULL, TRUE, 1L, 1.5, "a", c(1, 2), 1:3, c(TRUE, FALSE), c("a", "b"), NaN, Inf, seq_len(1000)
  )
  other <- list(
    NA, NA_real_, c(1, NA), list(), list(1), list(1, 2), list(a = 1), c(a = 1), numeric(),
    character(), factor("a"), as.Date("2024-02-29"), matrix(1), raw(1), 1i, seq_len(1001), sum
  )
  expect_true(all(vapply(native, is_native, NA)))
  expect_false(any(vapply(other, is_native, NA)))
})

test_that("what Python wrote becomes what the help page says", {
  from <- function(value) decode_artifact(list(kind = "python", value = value))
  expect_identical(from(list(1L, 2L)), 1:2)
  expect_identical(from(list("a")), "a")
  expect_identical(from(list()), list())
  expect_identical(from(list(1L, 2.5)), list(1L, 2.5))
  expect_identical(from(list(1L, NULL)), list(1L, NULL))
  expect_identical(from(list(a = list(1, 2), b = list(list(1L)))), list(a = c(1, 2), b = list(1L)))
  expect_identical(from(as.raw(1)), as.raw(1))
  expect_null(from(NULL))
})

test_that("a numpy array becomes a vector, matrix or array", {
  from <- function(data, dtype, shape, fortran = FALSE) {
    value <- list(
      ndarray = TRUE, shape = as.list(shape), dtype = dtype, data = data, fortran = fortran
    )
    decode_artifact(list(kind = "python", value = value))
  }
  doubles <- writeBin(c(1, 2, 3, 4, 5, 6), raw(), endian = "little")
  expect_identical(from(doubles, "<f8", 6), c(1, 2, 3, 4, 5, 6))
  expect_identical(from(doubles, "<f8", c(2, 3)), matrix(c(1, 2, 3, 4, 5, 6), 2, byrow = TRUE))
  expect_identical(from(doubles, "<f8", c(2, 3), fortran = TRUE), matrix(c(1, 2, 3, 4, 5, 6), 2))
  expect_identical(
    from(writeBin(1:8, raw(), endian = "big"), ">i4", c(2, 2, 2)),
    aperm(array(1:8, c(2, 2, 2)), 3:1)
  )
  long <- writeBin(c(5L, 0L, -1L, -1L), raw(), endian = "little")
  expect_identical(from(long, "<i8", 2), c(5L, -1L))
  huge <- writeBin(c(0L, 1L, 0L, -1L), raw(), endian = "little")
  expect_identical(from(huge, "<i8", 2), c(2^32, -2^32))
  expect_identical(from(as.raw(c(1, 0)), "|b1", 2), c(TRUE, FALSE))
  expect_identical(from(as.raw(c(255, 0)), "|u1", 2), c(255L, 0L))
  expect_identical(from(list("a", "b"), "<U1", 2), c("a", "b"))
  expect_error(from(raw(8), "<M8", 1), class = "metaflow_artifact_not_convertible")
})

test_that("a handle of this process is refused by name, a pointer deep inside is warned about", {
  connection <- file("nowhere")
  withr::defer(close(connection))
  model <- list(fit = list(inner = list(pointer = attr(connection, "conn_id"))))
  expect_snapshot({
    encode_artifact(connection, "con")
    encode_artifact(list(deep = list(list(con = connection))), "box")
  }, error = TRUE)
  expect_snapshot(invisible(encode_artifact(model, "model")))
})

test_that("an error for an artifact is raised with its class", {
  expect_error(
    decode_artifact(list(kind = "error", class = "blob_corrupted", message = "It is damaged.")),
    "It is damaged", class = "metaflow_blob_corrupted"
  )
})

# A value by way of a file, whatever its size.
through_file <- function(value) {
  spool <- withr::local_tempdir()
  artifact <- encode_artifact(value, "x", spool, inline_limit_bytes = 1, room_bytes = 36)
  if (artifact$kind == "r") {
    bytes <- readBin(artifact$path, "raw", 1e7)
    expect_identical(bytes[1:36], raw(36))
    expect_equal(length(bytes), 36 + artifact$size_bytes)
  }
  decode_artifact(c(artifact, offset = 36))
}

test_that("every kind of value comes back identical from a file", {
  values <- awkward_values()
  for (name in names(values)) {
    expect_identical(through_file(values[[name]]), values[[name]], label = name)
  }
})

test_that("random nested values come back identical from a file", {
  for (seed in seq_len(100)) {
    value <- withr::with_seed(seed, random_value())
    if (!identical(through_file(value), value)) fail(sprintf("with_seed(%d, random_value())", seed))
  }
  succeed()
})

test_that("a value comes back identical wherever its end falls between the pieces of a file", {
  head_bytes <- length(serialize(raw(1), NULL)) - 1 + 36
  for (pieces in c(1, 2, 3)) {
    for (beside in -2:2) {
      value <- rep_len(as.raw(0:250), pieces * 32768 - head_bytes + beside)
      expect_identical(through_file(value), value)
    }
  }
})

test_that("R reads what goes to a file by itself, too", {
  spool <- withr::local_tempdir()
  value <- list(a = runif(1e5), b = as.character(1:1e5), c = 1:10)
  artifact <- encode_artifact(value, "x", spool)
  file <- file(artifact$path, "rb")
  withr::defer(close(file))

  expect_identical(unserialize(file), value)
})

test_that("only values above the limit go to a file", {
  spool <- file.path(withr::local_tempdir(), "made", "when", "needed")
  limit <- length(serialize(runif(100), NULL))
  expect_identical(length(encode_artifact(runif(100) + NA, "x", spool, limit)$bytes), limit)
  expect_false(dir.exists(spool))
  expect_equal(dirname(encode_artifact(runif(101) + NA, "x", spool, limit)$path), spool)
})

test_that("a handle in a value that goes to a file is refused", {
  connection <- file("nowhere")
  withr::defer(close(connection))

  expect_error(
    encode_artifact(list(runif(1e4), connection), "x", withr::local_tempdir(), 1000),
    class = "metaflow_not_sendable"
  )
})

test_that("what cannot be written or read is an error", {
  no_folder <- withr::local_tempfile(lines = "a file")
  expect_error(
    encode_artifact(runif(1e4), "x", no_folder, 1000),
    "Artifact `x` cannot be stored.*cannot make .*: Not a directory",
    class = "metaflow_store_unavailable"
  )
  cut_off <- withr::local_tempfile()
  writeBin(utils::head(serialize(runif(1e4), NULL, xdr = FALSE), 5000), cut_off)
  expect_error(read_serialized(cut_off), "cannot read .*: it is cut off")
  expect_error(read_serialized("not there"), "cannot open not there: No such file")
})
