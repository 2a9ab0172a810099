#' Add a step to a flow
#'
#' @param flow A flow, see [metaflow()].
#' @param ... Decorators of this step: [retry()], [catch()], [timeout()], [resources()], [batch()],
#'   [environment_variables()], or [decorator()].
#' @param step `[character(1)]` The step's name. A flow begins with `"start"` and ends with `"end"`.
#' @param r_function `[function]` What the step does: a function of `self`, and for a join of
#'   `self` and `inputs`. Its return value is ignored; what it assigns to `self` is kept. NULL is a
#'   step that passes on what it got.
#' @param foreach `[character(1)]` Name of an artifact; `next_step` runs once for each of its
#'   items: each element of a list or vector, each row of a data frame or matrix, see [artifacts].
#' @param join `[logical(1)]` Whether the step joins what a branch or a foreach has split.
#' @param next_step `[character]` Name of the step that follows; several names are a branch. With
#'   `condition`, a named vector: the names are the values that choose.
#' @param condition `[character(1)]` Name of an artifact whose value, as text, chooses one of
#'   `next_step`.
#'
#' @return A copy of `flow` with the step.
#'
#' @section Errors:
#' `metaflow_invalid_argument` if an argument is of the wrong kind, a function does not take what
#' the step gives it, or a transition contradicts itself. Whether the steps make a graph is checked
#' as a whole before a run, and all problems are reported at once.
#'
#' @examples
#' metaflow("GridFlow") %>%
#'   step(step = "start", r_function = function(self) self$grid <- 1:3,
#'        foreach = "grid", next_step = "fit") %>%
#'   step(step = "fit", retry(times = 2), next_step = "join",
#'        r_function = function(self) self$score <- self$input^2) %>%
#'   step(step = "join", join = TRUE, next_step = "end",
#'        r_function = function(self, inputs) {
#'          self$best <- max(unlist(gather_inputs(inputs, "score")))
#'        }) %>%
#'   step(step = "end")
#'
#' # One of two steps, by the value of an artifact
#' metaflow("SizeFlow") %>%
#'   step(step = "start", r_function = function(self) self$size <- "big",
#'        condition = "size", next_step = c(big = "many", small = "few"))
#' @export
step <- function(flow, ..., step, r_function = NULL, foreach = NULL, join = FALSE,
                 next_step = NULL, condition = NULL) {
  check_flow(flow)
  decorators <- check_decorators(list(...), level = "step")
  if (missing(step)) {
    abort_argument("step", "the step's name", hint = "Write `step(step = \"start\", ...)`.")
  }
  check_string(step, "step")
  check_string(foreach, "foreach", null = TRUE)
  check_string(condition, "condition", null = TRUE)
  check_flag(join, "join")
  next_step <- check_next_step(next_step, condition)
  if (!is.null(foreach) && !is.null(condition)) {
    abort(
      c(
        sprintf("Step `%s` has both `foreach` and `condition`.", step),
        i = "A step fans out or chooses; let a following step do the other."
      ),
      class = "invalid_argument"
    )
  }
  check_step_function(r_function, step, join)
  flow$steps <- c(flow$steps, list(list(
    name = step,
    fun = unmask(r_function),
    label = function_label(substitute(r_function)),
    next_steps = unname(next_step),
    foreach = foreach,
    condition = condition,
    cases = if (!is.null(condition)) next_step,
    is_join = join,
    decorators = decorators
  )))
  flow
}

check_next_step <- function(next_step, condition, call = rlang::caller_env()) {
  if (is.list(next_step)) next_step <- unlist(next_step)
  check_strings(next_step, "next_step", null = TRUE, call = call)
  cases <- names(next_step)
  if (is.null(condition) && !is.null(cases)) {
    abort(
      c(
        "`next_step` has names, but the step has no `condition`.",
        i = "Write `condition = \"artifact\"` to choose by its value, or remove the names."
      ),
      class = "invalid_argument", call = call
    )
  }
  if (!is.null(condition) && (is.null(cases) || !all(nzchar(cases)) || anyDuplicated(cases))) {
    abort(
      c(
        "With `condition`, every `next_step` needs a name of its own.",
        i = "Write `next_step = c(big = \"x\", small = \"y\")`."
      ),
      class = "invalid_argument", call = call
    )
  }
  next_step
}

# A step's function must be able to take what the step gives it: `self`, and `inputs` in a join.
check_step_function <- function(fun, step, join, call = rlang::caller_env()) {
  check_function(fun, "r_function", null = TRUE, call = call)
  if (is.null(fun)) return(invisible(fun))
  takes <- arity(fun)
  problem <- if (join && takes$most < 2) {
    c("The function of step `%s` takes no `inputs`, though the step is a join.",
      i = "Write `function(self, inputs)`.")
  } else if (join && takes$least > 2) {
    c("The function of step `%s` needs more than `self` and `inputs`.",
      i = "Give its other arguments default values.")
  } else if (!join && takes$least > 1) {
    c("The function of step `%s` needs more than `self`.",
      i = "Write `function(self)`, or `join = TRUE` if the step takes `inputs`.")
  }
  if (!is.null(problem)) {
    problem[[1]] <- sprintf(problem[[1]], step)
    abort(problem, class = "invalid_argument", argument = "r_function", call = call)
  }
  invisible(fun)
}

# How many positional arguments a function must and may be given.
arity <- function(fun) {
  arguments <- formals(args(fun))
  dots <- names(arguments) == "..."
  required <- vapply(arguments, function(x) identical(x, quote(expr = )), NA)
  list(
    least = sum(required & !dots),
    most = if (any(dots)) Inf else length(arguments)
  )
}

# A function written inside of a magrittr pipe has an environment that holds nothing but the pipe's
# `.`; it should behave like one written outside.
unmask <- function(fun) {
  if (!is.function(fun) || is.primitive(fun)) return(fun)
  if (identical(ls(environment(fun), all.names = TRUE), ".")) {
    environment(fun) <- parent.env(environment(fun))
  }
  fun
}

# The name under which the user knows the function, or "" if it was written in place.
function_label <- function(expression) {
  if (is.symbol(expression) && !identical(expression, quote(.))) return(as.character(expression))
  is_qualified <- is.call(expression) && deparse(expression[[1]], nlines = 1) %in% c("::", ":::")
  if (is_qualified) deparse(expression) else ""
}
