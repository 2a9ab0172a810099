#' How two runs differ
#'
#' Compares the parameters, the code, the versions of R and of the packages that made them, how the
#' tasks went, and the artifacts of two runs of a flow. Artifacts are compared by the hash of their
#' content, so that none is read; with `values = TRUE`, those that differ are.
#'
#' @param a,b A [run_client], or a pathspec such as `"HelloFlow/12"` or `"HelloFlow/latest_run"`. By
#'   default, `b` is the flow's last run.
#' @param values `[logical(1)]` Whether to load the artifacts that differ and say how.
#' @return A list that prints well. `a` and `b` tell about the runs. The rest are data frames:
#'   * `parameters` and `versions`, those that differ: `name`, `a`, `b`.
#'   * `code`: `name` of each function or value of the script that differs, `change`, and `diff`, a
#'     unified diff.
#'   * `steps`: for each `step` the number of tasks and their durations in seconds.
#'   * `tasks`: all tasks, matched by `step` and `place`, where in the foreaches (`"2"`, or
#'     `"0,2"` inside of two); `pathspec`, `status` and duration in each run, `NA` where it is not.
#'   * `artifacts`: those that differ, each at the first task that has it: `step`, `place`, `name`,
#'     `change`, and `type`, `size` and `pathspec` in each run; with `values`, `difference`, what
#'     [all.equal()] says.
#'
#'   A `change` is `"changed"`, `"only a"` or `"only b"`.
#' @inheritSection metaflow_object Errors
#' @seealso `Rscript flow.R diff 12 13` prints the same.
#' @examplesIf metaflow:::has_core()
#' old <- setwd(tempdir())
#' flow <- metaflow("HelloFlow") |>
#'   parameter("alpha", default = 1) |>
#'   step(step = "start", r_function = function(self) self$x <- self$alpha, next_step = "end") |>
#'   step(step = "end")
#' one <- run(flow)
#' other <- run(flow, alpha = 2)
#'
#' diff_runs(one$run, other$run)
#' diff_runs(one$run, other$run, values = TRUE)$artifacts
#' setwd(old)
#' @export
diff_runs <- function(a, b = NULL, values = FALSE) {
  check_flag(values, "values")
  a <- as_pathspec(a, "run", "a")
  b <- if (is.null(b)) sub("/.*", "/latest_run", a) else as_pathspec(b, "run", "b")
  answer <- ask("diff_runs", a = a, b = b, code_a = code_texts(a), code_b = code_texts(b))
  tables <- setdiff(names(answer), c("a", "b"))
  answer[tables] <- lapply(answer[tables], as_data_frame)
  if (values) answer$artifacts$difference <- differences(answer$artifacts)
  structure(answer, class = "metaflow_diff")
}

# The code of a run: the lines of each function and value by name; an empty list where there is
# none, as for a run that this package did not make.
code_texts <- function(pathspec) {
  code <- run_code(pathspec, NULL)
  parts <- Filter(Negate(is.null), c(code$functions, code$helpers))
  c(lapply(parts, code_lines), if (length(code$packages)) {
    list(`attached packages` = as.list(code$packages))
  })
}

code_lines <- function(value) {
  if (!is.function(value)) return(list(paste(describe(value), rlang::hash(value))))
  source <- tryCatch(as.character(attr(value, "srcref")), error = function(error) NULL)
  as.list(if (length(source)) source else deparse(value))
}

differences <- function(artifacts) {
  one <- function(a, b) {
    if (is.na(a) || is.na(b)) return(NA_character_)
    tryCatch(
      {
        told <- all.equal(load_artifact(a), load_artifact(b))
        if (isTRUE(told)) "equal to all.equal()" else paste(told, collapse = "; ")
      },
      error = function(error) paste("cannot be compared:", conditionMessage(error))
    )
  }
  as.character(unlist(Map(one, artifacts$pathspec_a, artifacts$pathspec_b), use.names = FALSE))
}

#' @export
format.metaflow_diff <- function(x, ...) {
  sprintf("<diff of %s and %s>", x$a$pathspec, x$b$pathspec)
}

#' @export
print.metaflow_diff <- function(x, ...) {
  cat(format(x), "\n", sep = "")
  for (side in c("a", "b")) {
    cat("  ", side, "  ", x[[side]]$pathspec, " ", describe_status(x[[side]]), "\n", sep = "")
  }
  stands <- lapply(x$tasks[c("status_a", "status_b")], function(status) {
    ifelse(is.na(status), "none", status)
  })
  other <- x$tasks[stands$status_a != stands$status_b, ]
  print_part("Parameters", x$parameters)
  print_part("Versions", x$versions)
  print_part("Tasks", other[c("step", "place", "status_a", "status_b")])
  shown <- c("step", "place", "name", "change", "type_a", "type_b", "difference")
  print_part("Artifacts", x$artifacts[intersect(shown, names(x$artifacts))])
  if (nrow(x$code)) cat("\nCode:\n", paste0(x$code$diff, "\n", collapse = "\n"), sep = "")
  parts <- list(x$parameters, x$versions, other, x$artifacts, x$code)
  if (all(vapply(parts, nrow, 0L) == 0)) cat("\nThey do not differ.\n")
  invisible(x)
}

print_part <- function(title, frame) {
  if (nrow(frame)) {
    cat("\n", title, ":\n", sep = "")
    print(as.data.frame(frame), row.names = FALSE, right = FALSE)
  }
}
