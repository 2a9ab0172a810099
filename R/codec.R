# R value to typed artifact bytes, and back.
#
# What has an exact native form in Python that can be told apart on the way back is plain data
# (kind `native`); everything else is R `serialize()` bytes (kind `r`). The rule stands in
# `is_native()` alone.

#' How R values become artifacts
#'
#' What a step assigns to `self` comes back `identical()` in the next step, and through the client.
#'
#' @section What R writes:
#' These have a native form, so that a Python client sees `None`, `True`, `1`, `1.5`, `"a"` or a
#' list of such:
#'
#' - `NULL`;
#' - a logical, integer, double or character vector of length one to 1000, if it has no attributes
#'   and no `NA` (`NaN`, `Inf` and `-Inf` are fine), and its text is valid.
#'
#' Everything else is stored as the bytes of [serialize()]: any list, also of length one, whatever
#' has names or a class, raw and complex vectors, functions, environments, models. Assigning `NULL`
#' makes an artifact that is `NULL`; it does not remove one.
#'
#' An environment, an R6 object or a data.table that a step has changed in place is written as if it
#' had been assigned. A function or a formula comes back with a copy of its environment, unless that
#' is the global one or a package's. What a step's own function makes (a formula, an R6 object, a
#' function) carries the function's variables with it: remove large ones before the step ends.
#' `self` is among them, but can be read only while its task runs.
#'
#' @section What cannot be an artifact:
#' A database connection, a file connection, an external pointer or a Python object has no meaning
#' in another process: assigning one is an error of class `metaflow_not_sendable` when the step
#' ends. A pointer deep inside of an object, as in some fitted models, is lost with a warning; such
#' objects rebuild it when they are used.
#'
#' @section What Python wrote:
#' From flows written in Python, and by the older R package:
#'
#' | Python | R |
#' |---|---|
#' | `None` | `NULL` |
#' | `bool`, `float`, `str` | logical, double, character of length one |
#' | `int` | integer if it fits, else double (exact up to 2^53) |
#' | `bytes`, `bytearray` | raw |
#' | a list or tuple of one kind of `bool`, `int`, `float` or `str` | a vector |
#' | an empty list, or any other | a list |
#' | `dict` | a named list |
#' | a numpy array | a vector, matrix or array |
#' | `set`, `frozenset` | a list or a vector, sorted |
#' | `complex` | complex |
#' | `date`, `timedelta` | `Date`, `difftime` in seconds |
#' | `datetime` | `POSIXct`; without a zone, the clock is read as UTC |
#'
#' Anything else is an error of class `metaflow_artifact_not_convertible` that names its class.
#'
#' @section What foreach iterates over:
#' The elements of a list, the elements of a vector, the rows of a data frame or a matrix (each
#' with one row, and its names). An element of a vector keeps its class and drops its name; so a
#' factor, a `Date` or a `POSIXct` stays one. A vector of length one is one item. An empty value,
#' and what is no vector at all, is an error.
#'
#' @name artifacts
#' @examplesIf metaflow:::has_core()
#' # Kept as they are, though Python has no such values
#' old <- setwd(tempdir())
#' start <- function(self) {
#'   self$dates <- as.Date("2024-02-29") + 0:1
#'   self$model <- lm(mpg ~ wt, mtcars)
#'   self$nothing <- NULL
#' }
#' metaflow("ValueFlow") |>
#'   step(step = "start", r_function = start, next_step = "end") |>
#'   step(step = "end", r_function = function(self) print(class(self$model))) |>
#'   run()
#' run_client$new("ValueFlow/latest_run")$artifact(c("dates", "nothing"))
#' setwd(old)
NULL

most_native_elements <- 1000

# `value` as an artifact that fits into a message: `list(kind, ...)`. With a `spool`, more than
# `inline_limit_bytes` of serialized bytes go to a file in it, after `room_bytes` of zeros, and are
# never all in memory.
#
# Signals `metaflow_not_sendable` if the value is a handle of this process.
encode_artifact <- function(value, name = "value", spool = NULL, inline_limit_bytes = 65536,
                            room_bytes = 0) {
  if (is_native(value)) {
    return(list(kind = "native", value = if (is.character(value)) enc2utf8(value) else value))
  }
  on_pointer <- function(value) judge_artifact(value, name)
  r_type <- class(value)[[1]]
  if (is.null(spool)) return(list(kind = "r", bytes = to_bytes(value, on_pointer), r_type = r_type))
  make_path <- function() {
    dir.create(spool, showWarnings = FALSE, recursive = TRUE)
    tempfile("artifact-", tmpdir = spool)
  }
  written <- tryCatch(
    .Call(mf_serialize, value, inline_limit_bytes, make_path, room_bytes),
    error = function(error) abort_not_written(name, conditionMessage(error))
  )
  if (written[[2]]) on_pointer(value)
  if (is.raw(written[[1]])) return(list(kind = "r", bytes = written[[1]], r_type = r_type))
  list(kind = "r", path = written[[3]], size_bytes = written[[1]], r_type = r_type)
}

abort_not_written <- function(name, reason) {
  abort(
    c(
      sprintf("Artifact `%s` cannot be stored.", name),
      x = reason,
      i = "METAFLOW_TEMPDIR names another folder, should this one be full."
    ),
    class = "store_unavailable", name = name, call = NULL
  )
}

# The value of an artifact that came in a message or from the client.
decode_artifact <- function(artifact, call = rlang::caller_env()) {
  switch(artifact$kind,
    native = from_native(artifact$value),
    r = revive(
      if (is.null(artifact$path)) {
        unserialize(artifact$bytes)
      } else {
        read_serialized(artifact$path, artifact$offset %||% 0)
      }
    ),
    python = from_python(artifact$value),
    error = abort(artifact$message, class = artifact$class, call = call),
    abort(
      sprintf("An artifact of the unknown kind `%s` arrived.", artifact$kind),
      class = "protocol", call = call
    )
  )
}

# Whether the native form of `x` is exact and can be told apart when it is read.
is_native <- function(x) {
  if (is.null(x)) return(TRUE)
  typeof(x) %in% c("logical", "integer", "double", "character") && is.null(attributes(x)) &&
    length(x) >= 1 && length(x) <= most_native_elements && !has_na(x) &&
    (!is.character(x) || is_portable_text(x))
}

# NaN is a number that Python has too; NA is not.
has_na <- function(x) {
  if (is.double(x)) any(is.na(x) & !is.nan(x)) else anyNA(x)
}

# Text that is the same in UTF-8: bytes that R does not know the encoding of are not.
is_portable_text <- function(x) {
  encoding <- Encoding(x)
  if (any(encoding == "bytes")) return(FALSE)
  unmarked <- x[encoding == "unknown"]
  plain <- !grepl("[^ -~]", unmarked, useBytes = TRUE) | l10n_info()[["UTF-8"]]
  all(plain) && all(validUTF8(enc2utf8(x)))
}

# A list of scalars is a vector: R lists are never native.
from_native <- function(x) if (is.list(x)) unlist(x) else x

from_python <- function(x) {
  if (!is.list(x) || is.object(x)) return(x)
  if (isTRUE(x$ndarray)) return(from_ndarray(x))
  if (is.null(names(x)) && is_uniform(x)) return(unlist(x))
  lapply(x, from_python)
}

# Whether a list holds scalars of one kind.
is_uniform <- function(x) {
  length(x) > 0 &&
    all(vapply(x, function(item) is.atomic(item) && !is.raw(item) && length(item) == 1, NA)) &&
    length(unique(vapply(x, typeof, ""))) == 1
}

# A numpy array: `shape`, `dtype` as numpy writes it, `data` (raw, or a list of texts), and
# `fortran`, whether the first index runs fastest, as in R.
from_ndarray <- function(x) {
  shape <- as.integer(unlist(x$shape))
  values <- if (is.raw(x$data)) from_buffer(x$data, x$dtype) else unlist(x$data)
  if (length(shape) < 2) return(values)
  if (isTRUE(x$fortran)) return(array(values, shape))
  aperm(array(values, rev(shape)), rev(seq_along(shape)))
}

from_buffer <- function(data, dtype) {
  endian <- if (startsWith(dtype, ">")) "big" else "little"
  kind <- sub("^[<>=|]", "", dtype)
  size <- as.integer(sub("^[a-zA-Z]+", "", kind))
  read <- function(what, ...) {
    readBin(data, what, length(data) %/% size, size = size, endian = endian, ...)
  }
  switch(substr(kind, 1, 1),
    f = read("double"),
    c = readBin(data, "complex", length(data) %/% size, endian = endian),
    b = as.logical(read("integer")),
    i = if (size == 8) whole_64(data, endian, signed = TRUE) else read("integer"),
    u = if (size == 8) {
      whole_64(data, endian, signed = FALSE)
    } else if (size == 4) {
      read("integer") %% 2^32
    } else {
      read("integer", signed = FALSE)
    },
    abort(
      sprintf("A numpy array of type `%s` has no form in R.", dtype),
      class = "artifact_not_convertible"
    )
  )
}

# 64-bit integers as integers if all fit, else as doubles.
whole_64 <- function(data, endian, signed) {
  words <- readBin(data, "integer", length(data) %/% 4, size = 4, endian = endian)
  odd <- rep_len(c(TRUE, FALSE), length(words))
  low <- words[if (endian == "little") odd else !odd]
  high <- words[if (endian == "little") !odd else odd]
  unsigned <- function(word) ifelse(is.na(word), 2^31, word %% 2^32)
  high <- if (signed) ifelse(is.na(high), -2^31, high) else unsigned(high)
  value <- high * 2^32 + unsigned(low)
  if (all(abs(value) <= .Machine$integer.max)) as.integer(value) else value
}

# data.table marks its tables with a pointer that no serialization keeps; without it a table is not
# identical to the one that was written, and `:=` copies it.
revive <- function(value) {
  if (inherits(value, "data.table") && requireNamespace("data.table", quietly = TRUE)) {
    data.table::setalloccol(value)
  }
  value
}

judge_artifact <- function(value, name) {
  pointer <- find_pointer(value)
  if (is.null(pointer)) return(invisible())
  place <- sprintf("`%s%s` is an external pointer of a <%s>.", name, pointer$path, pointer$class)
  if (pointer$fatal) {
    abort(
      c(
        sprintf("Artifact `%s` cannot be stored.", name),
        x = place,
        i = "It has no meaning in another process: store what it was made from."
      ),
      class = "not_sendable", name = name, call = NULL
    )
  }
  warning(
    sprintf("Artifact `%s`: %s It will be a null pointer when it is read.", name, place),
    call. = FALSE
  )
}
