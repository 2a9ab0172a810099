test_that("items are those that vctrs counts", {
  items <- function(x) lapply(seq_len(foreach_size(x)), function(i) foreach_item(x, i))
  expect_identical(items(list(a = 1, b = "x")), list(1, "x"))
  expect_identical(items(c(u = 1, v = 2)), list(1, 2))
  expect_identical(items("one"), list("one"))
  expect_identical(items(NA), list(NA))
  expect_identical(
    items(factor(c("u", "v"))), list(factor("u", c("u", "v")), factor("v", c("u", "v")))
  )
  expect_identical(items(as.Date("2024-02-29") + 0:1)[[2]], as.Date("2024-03-01"))
  time <- as.POSIXct("2024-02-29 12:00", tz = "America/New_York")
  expect_identical(items(time), list(time))
  frame <- data.frame(a = 1:2, b = c("x", "y"))
  expect_identical(items(frame), list(frame[1, ], frame[2, ]))
  expect_identical(items(frame["a"])[[2]], frame[2, "a", drop = FALSE])
  expect_identical(items(matrix(1:4, 2)), list(matrix(c(1L, 3L), 1), matrix(c(2L, 4L), 1)))
  expect_identical(items(tibble::tibble(a = 1:2))[[2]], tibble::tibble(a = 2L))
  expect_equal(items(data.table::data.table(a = 1:2))[[2]], data.table::data.table(a = 2L))
  expect_identical(items(list(NULL)), list(NULL))
})

test_that("an empty value and what is no vector are clear errors", {
  expect_snapshot(error = TRUE, {
    foreach_size(list(), "items")
    foreach_size(character(), "items")
    foreach_size(mtcars[0, ], "items")
    foreach_size(NULL, "items")
    foreach_size(new.env(), "items")
    foreach_size(mean, "items")
    foreach_size(lm(mpg ~ wt, mtcars), "items")
  })
})

test_that("labels are short", {
  label <- function(x) foreach_labels(x)[[1]]
  expect_equal(label(c("a", "b")), "a")
  expect_equal(label(1.5), "1.5")
  expect_equal(label(mtcars[c("mpg", "cyl")]), "21, 6")
  expect_equal(label(list(list(depth = 1, kind = "u"))), "depth=1, kind=u")
  expect_equal(label(list(mtcars)), "a <data.frame>")
  expect_equal(label(list(NULL)), "NULL")
  expect_equal(label(strrep("x", 100)), paste0(strrep("x", 27), "..."))
  expect_equal(label("two\nlines"), "two lines")
  expect_equal(label(as.Date("2024-02-29")), "2024-02-29")
})

# Vectors of every kind that a column may be, with gaps.
some_columns <- function(n) {
  gaps <- function(x) replace(x, sample(n, n %/% 4), NA)
  list(
    whole = gaps(sample(-5:5, n, replace = TRUE)), flag = gaps(sample(c(TRUE, FALSE), n, TRUE)),
    real = gaps(rnorm(n) * 10^sample(-12:15, n, TRUE)), round = 10^sample(-6:9, n, TRUE),
    odd = sample(c(NaN, Inf, -Inf, 0.1 + 0.2), n, TRUE), complex = complex(n, rnorm(n), 1),
    text = gaps(sample(c("a", "two words", "\u00e9", "line\nbreak", ""), n, TRUE)),
    kind = factor(gaps(sample(c("u", "v"), n, TRUE)), c("v", "u", "w")),
    level = factor(sample(c("low", "high"), n, TRUE), c("low", "high"), ordered = TRUE),
    day = gaps(as.Date("2024-02-29") + sample(n)),
    time = as.POSIXct("2024-02-29", tz = "America/New_York") + sample(c(0, 0.5, 86400), n, TRUE),
    span = as.difftime(rnorm(n), units = "hours"),
    long = bit64::as.integer64(sample(n)), raw = as.raw(sample(255, n, TRUE)),
    list = lapply(seq_len(n), function(i) if (i %% 2) letters[i] else list(a = i)),
    lists = I(as.list(seq_len(n))), matrix = matrix(rnorm(2 * n), n)
  )
}

random_frame <- function(seed) {
  set.seed(seed)
  n <- sample(12, 1)
  columns <- some_columns(n)
  frame <- data.frame(row.names = seq_len(n))
  for (name in sample(names(columns), sample(0:6, 1))) frame[[name]] <- columns[[name]]
  if (seed %% 3 == 0) row.names(frame) <- paste("row", sample(100, n))
  if (seed %% 5 == 0) frame <- frame[sample(n), , drop = FALSE]
  if (seed %% 7 == 0) names(frame) <- rep("same", length(frame))
  if (seed %% 11 == 0) attr(frame, "note") <- "kept"
  frame
}

test_that("items that are cut at once are those that `[` gives one by one", {
  for (seed in 1:150) {
    frame <- random_frame(seed)
    rows <- lapply(seq_len(nrow(frame)), function(i) frame[i, , drop = FALSE])
    expect_identical(foreach_items(frame), rows)
  }
  columns <- some_columns(8)
  for (x in columns[names(columns) != "lists"]) {
    one_by_one <- lapply(seq_len(foreach_size(x)), function(i) foreach_item(x, i))
    expect_identical(foreach_items(x), one_by_one)
  }
  tibble <- tibble::as_tibble(columns[setdiff(names(columns), "lists")])
  expect_identical(foreach_items(tibble), lapply(1:8, function(i) tibble[i, ]))
  expect_identical(foreach_items(tibble[1:5]), lapply(1:8, function(i) tibble[i, 1:5]))
  table <- data.table::as.data.table(columns[setdiff(names(columns), c("lists", "matrix", "raw"))])
  data.table::setkey(table, whole)
  rows <- lapply(1:8, function(i) table[i])
  expect_equal(foreach_items(table), rows)
  expect_equal(lapply(foreach_items(table), attributes), lapply(rows, attributes))
  expect_identical(foreach_items(c(a = 1, b = NA)), list(1, NA_real_))
})

test_that("what a row is called does not depend on the other rows", {
  for (seed in 1:150) {
    frame <- random_frame(seed)
    alone <- lapply(seq_len(nrow(frame)), function(i) brief_item(frame[i, , drop = FALSE]))
    alone <- substr(gsub("[[:space:]]+", " ", unlist(alone)), 1, 60)
    expect_equal(substr(foreach_labels(frame, 1e6), 1, 60), alone)
  }
  columns <- some_columns(8)
  for (x in columns[names(columns) != "lists"]) {
    alone <- vapply(foreach_items(x), brief_item, "")
    expect_equal(foreach_labels(x, 1e6), gsub("[[:space:]]+", " ", alone))
  }
})
