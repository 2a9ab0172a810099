# How clients print: a title, then labelled lines; what is not there is left out.

print_card <- function(kind, name, status, fields) {
  cat(title_line(kind, name), if (nzchar(status)) paste0(" ", status), "\n", sep = "")
  print_fields(fields, indent = 2)
}

print_summary <- function(kind, name, fields) {
  cat(cli::rule(left = sprintf("%s Summary: %s", kind, name)), "\n", sep = "")
  names(fields) <- paste0(names(fields), ":")
  print_fields(fields, indent = 4)
}

title_line <- function(kind, name) {
  sprintf("<%s %s>", kind, name)
}

print_fields <- function(fields, indent) {
  cat(field_lines(fields, indent), sep = "\n")
}

# Labels in one column and values in another; a value of several lines stays in its column.
field_lines <- function(fields, indent) {
  fields <- fields[lengths(fields) > 0]
  labels <- formatC(names(fields), width = -max(nchar(names(fields)), 0))
  unlist(lapply(seq_along(fields), function(i) {
    lead <- paste0(strrep(" ", indent), cli::col_grey(labels[[i]]), "  ")
    rest <- strrep(" ", cli::ansi_nchar(lead))
    lines <- unlist(strsplit(as.character(fields[[i]]), "\n", fixed = TRUE))
    paste0(c(lead, rep(rest, length(lines) - 1)), lines)
  }))
}

# The first few of many names; NULL for none.
some_of <- function(names, most = 8) {
  if (length(names) == 0) {
    return(NULL)
  }
  shown <- utils::head(names, most)
  more <- length(names) - length(shown)
  paste0(
    paste(shown, collapse = ", "),
    if (more > 0) sprintf(", and %s more", format(more, big.mark = ","))
  )
}

count_of <- function(n, noun) {
  sprintf("%s %s%s", format(n, big.mark = ","), noun, if (n == 1) "" else "s")
}

# `alpha = 0.1`: a scalar as it is written in R, anything else by what it is.
format_values <- function(values) {
  one <- function(value) {
    if (is.atomic(value) && length(value) == 1) deparse(value) else describe(value)
  }
  if (length(values)) paste(names(values), "=", vapply(values, one, ""))
}

mark <- function(names, failed) {
  ifelse(names %in% failed, paste(names, cli::col_red("(failed)")), names)
}

# Where to look next, for the first task that failed.
hint_at_failure <- function(failed) {
  if (length(failed)) {
    cat(
      cli::col_cyan(cli::symbol$info), " See why: ",
      sprintf("task_client$new(\"%s\")$exception", failed[[1]]), "\n",
      sep = ""
    )
  }
}

format_time <- function(time) {
  if (!is.null(time)) format(time, "%Y-%m-%d %H:%M:%S UTC", tz = "UTC")
}

# Seconds in the two units that matter: "0.4 s", "12 s", "2 min 5 s", "1 h 3 min".
format_duration <- function(seconds) {
  if (is.null(seconds)) {
    return(NULL)
  }
  if (seconds < 10) {
    return(sprintf("%.1f s", seconds))
  }
  seconds <- round(seconds)
  if (seconds < 60) {
    sprintf("%d s", seconds)
  } else if (seconds < 3600) {
    sprintf("%d min %d s", seconds %/% 60, seconds %% 60)
  } else {
    sprintf("%d h %d min", seconds %/% 3600, seconds %% 3600 %/% 60)
  }
}

duration_s <- function(now) {
  if (!is.null(now$finished_at)) now$finished_at - now$created_at
}

describe_status <- function(now) {
  colour <- switch(now$status,
    successful = cli::col_green,
    failed = cli::col_red,
    identity
  )
  duration <- format_duration(now$duration_s %||% duration_s(now))
  paste0(colour(now$status), if (!is.null(duration)) paste(" after", duration))
}

created_by <- function(now) {
  paste0(format_time(as_time(now$created_at)), if (!is.null(now$user)) paste(" by", now$user))
}
