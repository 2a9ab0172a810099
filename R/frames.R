# The user's frames at a failure, with their variables: kept with the failed attempt, for who enters
# the task later. They are looked at once the step is over, when nothing of it is on the stack.
#
# What is kept is bounded in size and in the work to look through it, and holds no secrets: a
# variable that does not fit, or should not be seen, is replaced by a description.

most_frames_bytes <- 64 * 2^20
most_looked_at <- 20000

# The frames as an artifact, or NULL: `environments` of the frames, `told` as `user_frames()` has
# them, outermost first.
keep_frames <- function(environments, told, task) {
  if (length(told) == 0 || length(told) != length(environments) || !keeps_frames(task)) return(NULL)
  budget <- list2env(list(bytes = most_frames_bytes, values = most_looked_at))
  tryCatch(
    {
      # The innermost are the likeliest to be wanted.
      is_step <- seq_along(environments) == 1
      variables <- rev(Map(
        keep_variables, rev(environments), rev(is_step),
        MoreArgs = list(budget = budget)
      ))
      kept <- Map(function(frame, variables) c(frame, list(variables = variables)), told, variables)
      suppressWarnings(encode_artifact(
        kept, "_frames", task$spool, task$inline_limit_bytes, task$room_bytes
      ))
    },
    error = function(error) NULL
  )
}

keeps_frames <- function(task) {
  asked <- the$payload$keep_frames %||% getOption("metaflow.keep_frames")
  !isFALSE(task$keep_frames) && !isFALSE(asked) && !isFALSE(getOption("metaflow.keep_frames"))
}

keep_variables <- function(env, is_step, budget) {
  names <- ls(env, all.names = TRUE)
  lazy <- rlang::env_binding_are_lazy(env, names)
  variables <- Map(function(name, is_lazy) {
    if (is_secret(name)) return(left_out("its name is that of a secret"))
    if (is_lazy) return(not_evaluated(name, env, is_step))
    if (bindingIsActive(as.name(name), env)) return(left_out("an active binding"))
    # An argument that was not given has no value, nor has `...` one of its own.
    value <- tryCatch(list(get(name, envir = env)), error = function(error) NULL)
    if (length(value) && typeof(value[[1]]) != "...") keep_value(value[[1]], budget)
  }, names, lazy)
  Filter(Negate(is.null), variables)
}

# A step that fails at once has not looked at the `self` that `call_step()` gives it.
not_evaluated <- function(name, env, is_step) {
  given <- do.call(substitute, list(as.name(name), env))
  from_us <- is_step && (identical(given, quote(self)) || identical(given, quote(inputs)))
  if (from_us) stand_in(as.character(given)) else left_out("it was not evaluated")
}

# A value as it is kept.
keep_value <- function(x, budget) {
  if (inherits(x, "metaflow_self")) return(stand_in("self"))
  if (inherits(x, c("metaflow_inputs", "metaflow_input"))) return(stand_in("inputs"))
  x <- without_secrets(x)
  before <- budget$bytes
  reason <- why_left_out(x, budget, new.env(parent = emptyenv()))
  if (is.null(reason)) return(if (is.null(x)) stand_in("NULL") else x)
  budget$bytes <- before
  left_out(reason, x)
}

left_out <- function(reason, x) {
  what <- if (!missing(x)) c(describe(x), if (length(dim(x))) paste(dim(x), collapse = " x "))
  structure(list(what = toString(what), reason = reason), class = "metaflow_left_out")
}

# What is put in place of a value that means nothing in another process, or cannot be in a list.
stand_in <- function(what) structure(list(what = what), class = "metaflow_stand_in")

#' @export
format.metaflow_left_out <- function(x, ...) {
  what <- if (nzchar(x$what)) paste0(x$what, ": ") else ""
  sprintf("<not kept: %s%s>", what, x$reason)
}

#' @export
print.metaflow_left_out <- function(x, ...) {
  writeLines(format(x))
  invisible(x)
}

# Names of what should not be stored, as people write them.
is_secret <- function(names) {
  pattern <- "passw|pwd|passphrase|secret|token|credential|api_?key|(^|[._])(auth|key)$"
  grepl(pattern, names, ignore.case = TRUE)
}

# Of plain lists and named texts, such as a configuration, only the secrets themselves are left out.
without_secrets <- function(x, depth = 3) {
  if (is.object(x) || is.null(names(x)) || !(is.list(x) || is.character(x))) return(x)
  secret <- is_secret(names(x))
  if (is.character(x)) {
    x[secret] <- "<not kept: a secret>"
    return(x)
  }
  x[secret] <- list(left_out("its name is that of a secret"))
  if (depth > 0 && length(x) <= 1000) x[!secret] <- lapply(x[!secret], without_secrets, depth - 1)
  x
}

# Why a value is not kept, or NULL; takes what it needs from the budget.
why_left_out <- function(x, budget, seen) {
  budget$values <- budget$values - 1
  if (budget$values < 0) return("there is too much to look through")
  if (inherits(x, handle_classes) || is_live_pointer(x)) {
    return("it has no meaning in another process")
  }
  if (is.environment(x)) return(why_environment_left_out(x, budget, seen))
  budget$bytes <- budget$bytes - size_of(x)
  if (budget$bytes < 0) return("too large")
  inner <- attributes(x)[setdiff(names(attributes(x)), plain_attributes)]
  if (is.function(x) && !is.primitive(x)) inner <- c(inner, list(environment(x)))
  if (is.list(x) || is.expression(x)) inner <- c(inner, unclass(x))
  for (part in inner) {
    reason <- if (is_compound(part) || is.list(x)) why_left_out(part, budget, seen)
    if (!is.null(reason)) return(reason)
  }
}

why_environment_left_out <- function(env, budget, seen) {
  is_ours <- inherits(env, c("metaflow_self", "metaflow_inputs"))
  key <- format.default(env)
  if (is_ours || is_shared_environment(env) || !is.null(seen[[key]])) return(NULL)
  seen[[key]] <- TRUE
  names <- ls(env, all.names = TRUE)
  if (any(is_secret(names))) return("it holds what looks like a secret")
  if (any(rlang::env_binding_are_lazy(env, names))) return("it holds what was not evaluated")
  for (name in names) {
    reason <- why_left_out(variable(name, env), budget, seen)
    if (!is.null(reason)) return(reason)
  }
  why_left_out(parent.env(env), budget, seen)
}

# Size of a value without those in it, in bytes. Texts are only counted: looking at each takes long.
size_of <- function(x) {
  if (is.list(x) || is.expression(x)) return(8 * length(x) + 64)
  if (is.character(x) && length(x) > 1000) return(64 * length(x))
  if (is.function(x) || is.language(x)) return(1000)
  as.numeric(utils::object.size(x))
}

# Frames that were kept -------------------------------------------------------------------------

# The frames of a scene: environments by the name of their function, outermost first, in which
# `self` is what the attempt left.
kept_frames <- function(scene, fun, call) {
  asked <- list(type = "get", from = "wrote", index = NULL, name = "_frames")
  answer <- question(scene$channel, asked)
  if (!answer$found) abort_no_frames(scene, call)
  frames <- decode_artifact(answer)
  above <- if (is.function(fun) && !is.primitive(fun)) environment(fun) else globalenv()
  left <- left_by(scene)
  inputs <- if (scene$task$is_join) task_inputs(scene$task, scene$channel)
  environments <- lapply(frames, function(frame) {
    values <- lapply(frame$variables, function(value) {
      if (!inherits(value, "metaflow_stand_in")) return(value)
      switch(value$what, self = left, inputs = inputs)
    })
    list2env(values, parent = above)
  })
  names(environments) <- vapply(frames, function(frame) sub("\\(.*", "", frame$call), "")
  structure(
    environments, class = "metaflow_frames", about = as_frames(frames),
    pathspec = scene$task$pathspec
  )
}

abort_no_frames <- function(scene, call) {
  why <- if (identical(scene$task$status, "failed")) {
    "its worker was ended from outside, failed outside of your functions, or keeping is turned off"
  } else {
    "it did not fail"
  }
  abort(
    c(
      sprintf("No frames were kept of task %s: %s.", scene$task$pathspec, why),
      i = sprintf("Run it here: `debug_task(\"%s\", mode = \"browser\")`.", scene$task$pathspec)
    ),
    class = "no_frames", call = call
  )
}

#' @export
`[.metaflow_frames` <- function(x, i) unclass(x)[i]

#' @export
format.metaflow_frames <- function(x, ...) {
  c(
    sprintf("<frames of task %s at its failure, innermost last>", attr(x, "pathspec")),
    unlist(Map(function(label, env, number) {
      names <- ls(env, all.names = TRUE)
      c(sprintf("%d: %s", number, label), sprintf("     %s  %s", format(names), vapply(
        names, function(name) describe_kept(get(name, envir = env)), ""
      )))
    }, frame_labels(attr(x, "about")), unclass(x), seq_along(x)), use.names = FALSE)
  )
}

#' @export
print.metaflow_frames <- function(x, ...) {
  writeLines(format(x))
  invisible(x)
}

# `about` is what `as_frames()` returns.
frame_labels <- function(about) {
  paste0(about$call, ifelse(nzchar(about$file), sprintf(" at %s:%d", about$file, about$line), ""))
}

describe_kept <- function(x) {
  if (inherits(x, "metaflow_left_out")) return(format(x))
  if (inherits(x, "metaflow_self")) return("self, with what it had at the failure")
  size <- if (length(dim(x))) sprintf(", %s", paste(dim(x), collapse = " x ")) else ""
  paste0(describe(x), size)
}
