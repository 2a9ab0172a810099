# What a foreach iterates over: items as vctrs counts them.

# data.table indexes its tables as data frames in a package that does not say that it knows them.
.datatable.aware <- TRUE # nolint: object_name_linter. The name is data.table's.

# Number of items of the foreach artifact `name`.
foreach_size <- function(x, name = "x", call = rlang::caller_env()) {
  if (!is_iterable(x)) {
    abort(
      c(
        sprintf("`foreach = \"%s\"` cannot iterate over %s.", name, describe(x)),
        i = "Assign a list, a vector, a data frame or a matrix to it."
      ),
      class = "foreach_not_iterable", name = name, call = call
    )
  }
  size <- if (length(dim(x))) nrow(x) else length(x)
  if (size == 0) {
    abort(
      c(
        sprintf("`foreach = \"%s\"` has no items: it is %s.", name, empty_kind(x)),
        i = "It needs at least one; a step before it can choose another way by `condition`."
      ),
      class = "foreach_empty", name = name, call = call
    )
  }
  size
}

# Item `i`, counted from 1.
foreach_item <- function(x, i) {
  if (length(dim(x)) == 0) return(x[[i]])
  if (inherits(x, "data.table")) return(x[i])
  index <- c(list(x, i), rep(list(quote(expr = )), length(dim(x)) - 1), list(drop = FALSE))
  do.call(`[`, index)
}

# Item `i` in a few words, for display.
foreach_label <- function(x, i, most_chars = 30) {
  item <- foreach_item(x, i)
  text <- if (length(dim(item)) && nrow(item) == 1) {
    paste(vapply(as.list(as.data.frame(item)), brief, ""), collapse = ", ")
  } else {
    brief(item)
  }
  text <- gsub("[[:space:]]+", " ", text)
  if (nchar(text) > most_chars) paste0(substr(text, 1, most_chars - 3), "...") else text
}

brief <- function(x) {
  if (is.atomic(x) && length(x) == 1) return(format(x, trim = TRUE))
  if (is.atomic(x) && length(x) > 1 && length(x) <= 10) {
    return(paste(format(x, trim = TRUE), collapse = ", "))
  }
  if (is.list(x) && length(x) && length(x) <= 10 && !is.object(x)) {
    texts <- vapply(x, brief, "")
    if (!is.null(names(x))) texts <- paste(names(x), texts, sep = "=")
    return(paste(texts, collapse = ", "))
  }
  describe(x)
}

# A vector or what behaves like one; an object with its own idea of elements is no vector.
is_iterable <- function(x) {
  (is.atomic(x) && !is.null(x)) || is.data.frame(x) ||
    (is.list(x) && (!is.object(x) || inherits(x, c("list", "vctrs_vctr", "POSIXlt"))))
}

empty_kind <- function(x) {
  if (is.data.frame(x)) return("a data frame without rows")
  if (length(dim(x))) return("a matrix without rows")
  if (is.object(x)) return(sprintf("an empty <%s>", class(x)[[1]]))
  if (is.list(x)) "an empty list" else sprintf("an empty %s vector", typeof(x))
}
