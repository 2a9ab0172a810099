# Sourced by failures.R.
check_size <- function(size) {
  if (size > 1) {
    stop("too large: ", size)
  }
}
