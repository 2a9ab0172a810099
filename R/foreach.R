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

# All items, each as `foreach_item()` has it.
foreach_items <- function(x) {
  if (has_plain_rows(x)) return(split_rows(x))
  if (length(dim(x)) == 0 && is_plain(x)) return(elements(x))
  lapply(seq_len(foreach_size(x)), function(i) foreach_item(x, i))
}

# Each item in a few words, for display.
foreach_labels <- function(x, most_chars = 30) {
  columns <- columns_of(x)
  texts <- if (!is.null(columns)) {
    do.call(paste, c(lapply(unname(columns), brief_each, slices), sep = ", "))
  } else if (length(dim(x)) == 0 && is_plain(x)) {
    brief_each(x, elements)
  } else {
    vapply(foreach_items(x), brief_item, "")
  }
  texts <- gsub("[[:space:]]+", " ", texts)
  is_long <- nchar(texts) > most_chars
  texts[is_long] <- paste0(substr(texts[is_long], 1, most_chars - 3), "...")
  texts
}

# Rows -------------------------------------------------------------------------------------------
#
# A data frame of thousands is cut column by column: `x[i, ]` for each row costs ten times more.

# Columns whose elements are no more than a value and the attributes that all of them share.
is_plain <- function(x) {
  if (is.null(attributes(x))) return(is.atomic(x) || is.list(x))
  if (!is.null(dim(x)) || !is.atomic(x)) return(FALSE)
  if (!is.object(x)) return(identical(names(attributes(x)), "names"))
  is.null(names(x)) && class(x)[[1]] %in% plain_classes
}

plain_classes <- c("factor", "ordered", "Date", "POSIXct", "difftime", "integer64")

has_plain_rows <- function(x) {
  is.data.frame(x) && class(x)[[1]] %in% c("data.frame", "tbl_df", "data.table") && length(x) &&
    all(vapply(x, function(column) is_plain(column) && is.null(names(column)), NA))
}

split_rows <- function(x) {
  rows <- .mapply(list, lapply(unname(as.list(x)), slices), NULL)
  # What `[` gives a row, all but its name is the same for all of them.
  shared <- attributes(foreach_item(x, 1))
  row_names <- if (class(x)[[1]] == "data.frame") attr(x, "row.names")
  lapply(seq_along(rows), function(i) {
    if (!is.null(row_names)) shared$row.names <- row_names[[i]]
    `attributes<-`(rows[[i]], shared)
  })
}

# The elements of a plain vector as `[` has them, and as `[[` has them.
slices <- function(x) if (is.list(x)) lapply(x, list) else split_atomic(x, attributes(x[1]))

elements <- function(x) if (is.list(x)) unname(x) else split_atomic(x, attributes(x[[1]]))

split_atomic <- function(x, shared) {
  values <- as.list(as.vector(unclass(x)))
  if (is.object(x)) lapply(values, `attributes<-`, shared) else unname(values)
}

# Words ------------------------------------------------------------------------------------------

# What the label of a row is made of; NULL if items are no plain rows.
columns_of <- function(x) {
  if (has_plain_rows(x)) return(as.list(x))
  if (length(dim(x)) == 2 && is.atomic(x) && !is.object(x)) as.list(as.data.frame(x))
}

brief_item <- function(item) {
  if (length(dim(item)) == 0 || nrow(item) != 1) return(brief(item))
  paste(vapply(as.list(as.data.frame(item)), brief, ""), collapse = ", ")
}

# `brief()` of each part that `cut` makes of a plain vector. `format()` of all would give them
# one width and one precision.
brief_each <- function(x, cut) {
  if (inherits(x, c("factor", "Date"))) return(paste(x))
  if (!is.object(x) && is.double(x)) return(brief_numbers(x))
  if (!is.object(x) && is.atomic(x) && !is.complex(x)) return(paste(x))
  vapply(cut(x), brief, "", USE.NAMES = FALSE)
}

brief_numbers <- function(x) {
  digits <- getOption("digits")
  texts <- paste(signif(x, digits))
  # Whole digits are never rounded away.
  is_large <- is.finite(x) & abs(x) >= 10^digits
  texts[is_large] <- vapply(x[is_large], brief, "", USE.NAMES = FALSE)
  texts
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
