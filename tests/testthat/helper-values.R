# Kinds of R values that an artifact must keep, by name; and random nested ones.

awkward_values <- function() {
  latin1 <- "caf\xe9"
  Encoding(latin1) <- "latin1"
  values <- list(
    null = NULL, na = NA, na_int = NA_integer_, na_real = NA_real_, na_chr = NA_character_,
    na_cplx = NA_complex_,
    int1 = 1L, dbl1 = 1, true = TRUE, int_min = -.Machine$integer.max,
    dbl_vec = c(1, 2.5), int_vec = 1:3, lgl_vec = c(TRUE, FALSE),
    lgl_vec_na = c(TRUE, NA), int_vec_na = c(1L, NA), dbl_vec_na = c(1, NA),
    nan_and_na = c(NaN, NA),
    chr_vec_na = c("a", NA), chr1 = "a", chr_vec = c("a", "b"),
    named_dbl = c(x = 1, y = 2), named_chr = c(x = "x", y = "y"), named_int1 = c(a = 1L),
    list0 = list(), list_mixed = list(1, "a", TRUE), list1 = list(1),
    list_named = list(a = 1, b = "x"),
    list_partial_named = list(a = 1, 2), list_int = list(a = 1L),
    list_null = list(a = NULL, b = 1),
    list_dup = list(a = 1, a = 2), list_attr = structure(list(a = 1), extra = "x"),
    list_names_empty = stats::setNames(list(), character()),
    factor1 = factor(c("a", "b", "a")),
    factor_ord = factor(c("lo", "hi"), c("lo", "hi"), ordered = TRUE),
    date = as.Date("2024-02-29"), date_vec = as.Date("2024-02-29") + 0:1,
    posixct = as.POSIXct("2024-02-29 12:34:56"),
    posixct_ny = as.POSIXct("2024-02-29 12:34:56", tz = "America/New_York"),
    posixlt = as.POSIXlt("2024-02-29 12:34:56", tz = "UTC"),
    difftime = as.difftime(5, units = "mins"),
    matrix_dbl = matrix(1:4 + 0.5, 2), matrix_int = matrix(1:4, 2),
    matrix_dimn = matrix(1:4, 2, dimnames = list(c("a", "b"), NULL)),
    matrix_chr = matrix(letters[1:4], 2), matrix_lgl = matrix(c(TRUE, FALSE), 1),
    array3 = array(1:24, c(2, 3, 4)), matrix_1x1 = matrix(1), matrix_0 = matrix(numeric(), 0, 2),
    df = data.frame(a = 1:2, b = c("x", "y")), df_factor = data.frame(f = factor(c("u", "v"))),
    df_rownames = data.frame(a = 1:2, row.names = c("r1", "r2")),
    df_na = data.frame(a = c(1L, NA), b = c(NA, "x"), c = c(NA, TRUE)),
    df_date = data.frame(d = as.Date("2024-02-29") + 0:1),
    df_posix = data.frame(t = as.POSIXct("2024-02-29", tz = "Europe/Berlin")),
    df_1row = data.frame(a = 1), df_0row = data.frame(a = 1)[0, , drop = FALSE],
    df_0col = data.frame(row.names = 1:3),
    raw = as.raw(0:255), raw0 = raw(), raw_rds = serialize(list(1, 2), NULL),
    cplx = 1 + 2i, cplx_vec = c(1i, NA),
    call = quote(f(x, y = 2)), symbol = quote(x), expression = expression(a + b, c),
    chr0 = character(), int0 = integer(), dbl0 = numeric(), lgl0 = logical(),
    utf8 = "na\u00efve \u2603 \U1F600", long_str = strrep("x", 7e5), latin1 = latin1,
    empty_str = "", newline = "a\nb\tc\"'\\", bytes = {
      bytes <- "\xff\xfe"
      Encoding(bytes) <- "bytes"
      bytes
    },
    inf = Inf, ninf = -Inf, nan = NaN, special = c(-Inf, NaN, Inf, -0), big_int = 2147483647L,
    dbl_precise = 0.1 + 0.2, dbl_1e300 = 1e300, dbl_tiny = 5e-324, neg_zero = -0, dbl_2_53 = 2^53,
    dbl_whole = 3, many = seq_len(1000), too_many = seq_len(1001) + 0,
    list_of_df = list(df = data.frame(a = 1), n = 1),
    nested_fac = list(f = factor("a")), list_date = list(d = as.Date("2024-02-29")),
    comment = structure(1:2, comment = "note"), ts = ts(1:4, start = 2000, frequency = 4),
    table = table(c("a", "b", "a")), named_list_int = list(a = 1L, b = 2L),
    list_int1 = list(1L, 2L), list_strs = list("a", "b"),
    int_names_space = list(`a b` = 1), numver = numeric_version("1.2.3"),
    object_null = structure(list(), class = "nothing"), pairlist = pairlist(a = 1, 2),
    sentinel = list(ndarray = TRUE, kind = "r"), deep = list(list(list(list(NULL)))),
    roman = as.roman(4), primitive = sum, wide_names = stats::setNames(1:2, c("\u00e9", NA))
  )
  packages <- list(
    tibble = tibble::tibble(a = 1:2, b = list(1, "x")),
    data_table = data.table::data.table(a = 1:2),
    int64 = bit64::as.integer64("9007199254740993"),
    int64_vec = bit64::as.integer64(1:2)
  )
  c(values, packages)
}

# A random nested R value; the stream of random numbers decides.
random_value <- function(depth = 3) {
  kinds <- c("logical", "integer", "double", "character", "raw", "complex", "null")
  if (depth > 0) kinds <- c(kinds, "list", "list", "frame", "factor", "matrix", "pairlist")
  value <- switch(sample(kinds, 1),
    logical = sample(c(TRUE, FALSE, NA), random_size(), replace = TRUE),
    integer = sample(c(0L, 1L, NA, -5L, .Machine$integer.max), random_size(), replace = TRUE),
    double = sample(c(0, 1.5, NA, NaN, Inf, -Inf, 1e-310, 2^60), random_size(), replace = TRUE),
    character = sample(c("", "a", NA, "\u00ef", "1", "NA", "\n"), random_size(), replace = TRUE),
    raw = as.raw(sample(0:255, random_size(), replace = TRUE)),
    complex = complex(real = stats::rnorm(random_size())),
    null = return(NULL),
    list = lapply(seq_len(random_size()), function(i) random_value(depth - 1)),
    frame = random_frame(random_size()),
    factor = factor(sample(c("u", "v", NA), random_size(), replace = TRUE)),
    matrix = matrix(random_value(0) %||% 1, nrow = 1),
    pairlist = pairlist(x = random_value(depth - 1))
  )
  decorate(value)
}

random_frame <- function(rows) {
  data.frame(a = seq_len(rows), b = rep(sample(c(NA, "x"), 1), rows))
}

random_size <- function() sample(c(0, 1, 1, 1, 2, 3, 8), 1)

# Sometimes names, a class, or another attribute.
decorate <- function(value) {
  if (stats::runif(1) < 0.3 && is.null(dim(value)) && length(value)) {
    names(value) <- sample(c("", "a", "b", "a b", "x"), length(value), replace = TRUE)
  }
  if (stats::runif(1) < 0.1 && !is.pairlist(value)) attr(value, "note") <- random_value(0)
  if (stats::runif(1) < 0.1 && !is.object(value) && !is.pairlist(value)) class(value) <- "kind"
  value
}

# What the core makes of a message: R, the wire, and R again. Vectors longer than one are lists.
through_core <- function(artifact) {
  if (artifact$kind == "native") artifact$value <- as_wire(artifact$value)
  unserialize(serialize(artifact, NULL, version = 2))
}

as_wire <- function(value) if (length(value) > 1) as.list(value) else value
