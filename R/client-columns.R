# What the core answers, as R vectors and data frames.

# The core sends vectors as lists, and NULL for what is not known.
as_text <- function(x) {
  as.character(unlist(x))
}

# Seconds since 1970, as the core counts, to a time in UTC; NULL stays NULL.
as_time <- function(seconds) {
  if (!is.null(seconds)) .POSIXct(as.numeric(seconds), tz = "UTC")
}

# What the columns of the core's tables hold, so that an empty column has its type too.
column_types <- c(
  at = "time", created_at = "time", finished_at = "time", started_at = "time",
  attempt = "integer", index = "integer", line = "integer", num_splits = "integer",
  number = "integer", exit_signal = "integer", pid = "integer",
  done = "integer", failed = "integer", running = "integer", expected = "integer",
  duration_s = "double", cpu_s = "double", peak_memory_bytes = "double", memory_bytes = "double",
  tasks_a = "integer", tasks_b = "integer", duration_a_s = "double", duration_b_s = "double",
  size_a_bytes = "double", size_b_bytes = "double",
  ok = "logical", tags = "texts", affected = "texts",
  call = "character", file = "character", kind = "character", path = "character",
  message = "character", origin_run_id = "character",
  name = "character", place = "character", change = "character", diff = "character",
  a = "character", b = "character", pathspec_a = "character", pathspec_b = "character",
  status_a = "character", status_b = "character", type_a = "character", type_b = "character",
  pathspec = "character", run_id = "character", source = "character", status = "character",
  step = "character", stream = "character", task = "character", task_id = "character",
  text = "character", user = "character", value = "character", var = "character",
  why = "character", worker = "character"
)

# Columns by name, each a list or a vector, as a data frame; a value that is not known is NA.
as_data_frame <- function(columns) {
  frame <- Map(as_column, columns, column_types[names(columns)])
  rows <- if (length(frame)) length(frame[[1]]) else 0L
  structure(frame, class = "data.frame", row.names = .set_row_names(rows))
}

# A list of rows, each a named list, as a data frame with these columns.
as_rows <- function(rows, columns) {
  as_data_frame(lapply(rlang::set_names(columns), function(name) lapply(rows, `[[`, name)))
}

as_column <- function(values, type) {
  if (identical(type, "texts")) {
    return(lapply(values, as_text))
  }
  known <- if (is.list(values)) unlist(lapply(values, `%||%`, NA)) else values
  if (is.na(type)) {
    known
  } else if (type == "time") {
    as_time(as.numeric(known))
  } else {
    as.vector(known, mode = type)
  }
}
