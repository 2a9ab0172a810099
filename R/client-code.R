# What a run was made of: the functions of its steps, as they were when it was started.

# `package` is what is known of a code package, or NULL.
run_code <- function(run, package) {
  kept <- tryCatch(
    load_artifact(paste(run, "_parameters", "0", "_r_flow", sep = "/")),
    metaflow_not_found = function(error) NULL
  )
  if (is.null(kept)) {
    return(package)
  }
  functions <- lapply(kept$steps, function(step) step$fun)
  structure(
    list(
      run = run, functions = functions, helpers = kept$helpers, packages = kept$packages,
      script = kept$script, package = package
    ),
    class = "metaflow_code"
  )
}

# `Flow/12` of `Flow/12/start/3`.
run_of <- function(pathspec) {
  paste(utils::head(strsplit(pathspec, "/", fixed = TRUE)[[1]], 2), collapse = "/")
}

#' @export
format.metaflow_code <- function(x, ...) {
  has_function <- !vapply(x$functions, is.null, NA)
  c(
    title_line("code of run", x$run),
    sprintf("  Script:    %s", x$script$path),
    sprintf("  Functions: %s", some_of(names(x$functions)[has_function])),
    sprintf("  Helpers:   %s", some_of(names(x$helpers))),
    sprintf("  Packages:  %s", some_of(x$packages))
  )
}

#' @export
print.metaflow_code <- function(x, ...) {
  cat(format(x, ...), sep = "\n")
  invisible(x)
}
