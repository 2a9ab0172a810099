# What a flow's functions will stumble over, found before anything runs.
#
# A warning must be right. So what cannot be known by reading the code is passed over in silence:
# a step that defines or attaches things while it runs, arguments that a function takes as code and
# not as values, artifacts once `self` is handed to a function that may assign some, and all that
# stands in `try()` or `tryCatch()`.

# The warnings for a flow: a list of lists with `step`, `kind` ("unknown_function",
# "unknown_artifact" or, where `sends`, "not_sendable"), `name`, `file`, `line` and `message`.
#
# `sends`: whether to try as well what sending the functions to a worker would say; a run does that
# itself. Never an error: trouble with the reading of the code is no trouble of the code's.
preflight <- function(flow, script = script_functions(), sends = FALSE) {
  quietly <- function(code) {
    tryCatch(suppressWarnings(code), error = function(error) list())
  }
  steps <- quietly(Filter(function(step) !is.null(step$fun), flow$steps))
  found <- quietly({
    known <- new.env(parent = emptyenv())
    looks <- lapply(steps, function(step) {
      arguments <- c(names(formals(step$fun)), "", "")
      look_at(
        step$fun, step$label, script, known,
        self = arguments[[1]], inputs = if (step$is_join) arguments[[2]] else ""
      )
    })
    names(looks) <- vapply(steps, function(step) step$name, "")
    c(
      quietly(unknown_functions(looks, script, known)),
      quietly(unknown_artifacts(flow, looks)),
      quietly(unknown_inputs(flow, looks))
    )
  })
  c(found, if (sends) quietly(unsendable(steps)))
}

unsendable <- function(steps) {
  tryCatch(
    {
      find_helpers(steps)
      list()
    },
    metaflow_error = function(error) {
      first <- sub("\n.*", "", conditionMessage(error))
      list(list(
        step = error$step, kind = "not_sendable", name = error$name, file = "", line = 0L,
        message = sub("[.]$", "", first)
      ))
    }
  )
}

# Calls of functions that exist nowhere ------------------------------------------------------------

unknown_functions <- function(looks, script, known) {
  told <- character()
  found <- list()
  written <- unique(vapply(script, function(one) one$name, ""))
  for (step in names(looks)) {
    reached <- reachable(looks[[step]], script, known)
    if (any(vapply(reached, function(look) look$is_dynamic, NA))) next
    defined <- c(written, unlist(lapply(reached, function(look) look$global)))
    for (look in reached) {
      for (call in look$calls) {
        key <- paste(call$line, call$name)
        is_there <- call$name %in% defined || exists(call$name, look$env, mode = "function")
        if (is_there || key %in% told) next
        told <- c(told, key)
        found[[length(found) + 1]] <- warn(step, "unknown_function", call, sprintf(
          "%s calls `%s()`, and there is no such function%s",
          who_calls(step, look), call$name, near_function(call$name)
        ))
      }
    }
  }
  found
}

who_calls <- function(step, look) {
  if (nzchar(look$helper)) sprintf("step `%s`, through `%s`,", step, look$helper) else
    sprintf("step `%s`", step)
}

# What a function and the helpers of the script that it uses, directly or not, look like.
reachable <- function(look, script, known) {
  found <- list(look)
  at <- 1
  seen <- character()
  while (at <= length(found)) {
    here <- found[[at]]
    for (name in setdiff(here$names, c(here$locals, seen))) {
      owner <- owner_of(name, here$env)
      value <- if (!is.null(owner)) variable(name, owner)
      if (!is.function(value) || is.primitive(value) || isNamespace(environment(value))) next
      seen <- c(seen, name)
      found[[length(found) + 1]] <- look_at(value, name, script, known, helper = name)
    }
    at <- at + 1
  }
  found
}

# The script's function of nearly that name, or that of a package with one letter changed.
near_function <- function(name) {
  own <- Filter(function(x) exists(x, globalenv(), mode = "function"), ls(globalenv()))
  hint <- near(name, own)
  if (nzchar(hint)) return(hint)
  near(name, agrep(name, unlist(lapply(search(), ls)), max.distance = 1, value = TRUE), most = 1)
}

# Artifacts that no earlier step writes ----------------------------------------------------------

unknown_artifacts <- function(flow, looks) {
  steps <- flow$steps
  names(steps) <- vapply(steps, function(step) step$name, "")
  parameters <- vapply(flow$parameters, function(parameter) parameter$name, "")
  always <- c(parameters, foreach_names, "name")
  after <- artifacts_after(steps, looks)
  found <- list()
  for (step in names(looks)) {
    look <- looks[[step]]
    here <- c(always, after[[step]])
    if (anything %in% here) next
    for (read in look$reads[!duplicated(vapply(look$reads, function(read) read$name, ""))]) {
      if (read$name %in% here) next
      found[[length(found) + 1]] <- warn(step, "unknown_artifact", read, sprintf(
        "step `%s` reads `self$%s`, which no step before it %s%s", step, read$name,
        if (steps[[step]]$is_join) "hands on (a join has what it merges)" else "writes",
        near(read$name, here)
      ))
    }
  }
  found
}

# What a join asks its inputs for, and none of them can have.
unknown_inputs <- function(flow, looks) {
  steps <- flow$steps
  names(steps) <- vapply(steps, function(step) step$name, "")
  parameters <- vapply(flow$parameters, function(parameter) parameter$name, "")
  after <- artifacts_after(steps, looks)
  found <- list()
  for (step in names(looks)) {
    before <- Filter(function(name) step %in% steps[[name]]$next_steps, names(steps))
    reads <- looks[[step]]$input_reads
    for (read in reads[!duplicated(lapply(reads, `[`, c("name", "from")))]) {
      from <- if (nzchar(read$from)) intersect(read$from, before) else before
      has <- c(parameters, foreach_names, unlist(after[from]))
      if (read$is_step) has <- before
      if (!length(from) || anything %in% has || read$name %in% has) next
      found[[length(found) + 1]] <- warn(step, "unknown_artifact", read, sprintf(
        if (read$is_step) {
          "step `%s` reads `inputs$%s`, and no step of that name leads to it%s"
        } else {
          "step `%s` asks its inputs for `%s`, which no step before it writes%s"
        },
        step, read$name, near(read$name, has)
      ))
    }
  }
  found
}

# Stands for artifacts whose names cannot be known.
anything <- "*"

# Names of the artifacts that each step may have when it ends, by way of any path to it.
artifacts_after <- function(steps, looks) {
  after <- lapply(steps, function(step) own_artifacts(step, looks[[step$name]]))
  repeat {
    before <- after
    for (step in steps) {
      for (following in intersect(step$next_steps, names(steps))) {
        if (hands_on(steps[[following]], looks[[following]])) {
          after[[following]] <- union(after[[following]], after[[step$name]])
        }
      }
    }
    if (identical(before, after)) return(after)
  }
}

own_artifacts <- function(step, look) {
  caught <- Filter(function(decorator) decorator$name == "catch", step$decorators)
  unique(c(
    look$writes,
    unlist(lapply(caught, function(decorator) decorator$attributes$var)),
    if (isTRUE(look$shares_self)) anything
  ))
}

# Whether a step has what the steps before it had: a join only if it merges.
hands_on <- function(step, look) !step$is_join || isTRUE(look$merges)

warn <- function(step, kind, at, message) {
  list(
    step = step, kind = kind, name = at$name, file = at$file, line = at$line, message = message
  )
}

near <- function(name, known, most = Inf) {
  if (is.finite(most)) known <- known[utils::adist(name, known)[1, ] <= most]
  hint <- did_you_mean(name, known)
  if (length(hint)) paste0("; ", sub("^D", "d", hint[[1]])) else ""
}

# Reading a function's code ----------------------------------------------------------------------

# What the code of a function does, as far as reading tells: an environment with
# `calls` and `reads` (lists with `name`, `file`, `line`), `writes` (names of artifacts), `names`
# (all that it names), `locals` (names that it assigns), `global` (those of `<<-`), and whether it
# `is_dynamic` (makes or attaches things by names that only running it tells), `shares_self`
# (hands `self` on, or assigns by computed names), `merges`; and `input_reads`, what it asks its
# inputs for: like `reads`, with the step that it is asked `from`, or "", or `is_step`.
#
# `known` keeps the looks of helpers; `self` and `inputs` are the names of the arguments that are
# the task's.
look_at <- function(fun, label, script, known, helper = "", self = "", inputs = "") {
  if (nzchar(helper) && identical(known[[helper]]$fun, fun)) return(known[[helper]])
  source <- function_source(with_source(fun, label, script))
  code <- with_source(fun, label, script)
  look <- list2env(list(
    fun = fun, env = environment(fun), helper = helper,
    calls = list(), reads = list(), writes = character(), names = character(),
    locals = local_names(fun), global = character(),
    is_dynamic = FALSE, shares_self = FALSE, merges = FALSE, input_reads = list(),
    captures = any(capturing %in% all.names(body(fun)))
  ), parent = emptyenv())
  # Assigned to, or an argument of another function, it may be anything.
  if (inputs %in% vapply(assignment_targets(body(fun)), deparse1, "")) inputs <- ""
  at <- list(
    self = self, inputs = inputs, calls = TRUE, reads = TRUE,
    file = source$file, line = source$line
  )
  for (default in Filter(is.call, as.list(formals(code)))) read_code(default, at, look)
  read_code(body(code), at, look)
  if (nzchar(helper)) known[[helper]] <- look
  look
}

local_names <- function(fun) {
  targets <- Filter(function(x) is.symbol(x) || is.character(x), assignment_targets(body(fun)))
  unique(c(names(formals(fun)), vapply(targets, as.character, "")))
}

# Functions after which it is not known by reading what else is there.
defining <- c(
  "library", "require", "requireNamespace", "loadNamespace", "attachNamespace", "attach", "source",
  "sys.source", "load", "assign", "delayedAssign", "makeActiveBinding", "list2env", "eval", "evalq",
  "exists", "get0", "existsFunction", "is.function", "setGeneric", "setClass", "setRefClass",
  "setMethod", "load_all", "import", "use", "p_load", "import_from", "here", "source_python",
  "sourceCpp", "cppFunction", "%<-%", "%->%"
)

# Functions whose arguments are code and stay code.
quoting <- c("quote", "bquote", "substitute", "expression", "~", "alist", "::", ":::", "@")

# What a function uses to see an argument as code.
capturing <- c(
  "substitute", "match.call", "sys.call", "sys.function", "enquo", "enquos", "enexpr", "enexprs",
  "ensym", "ensyms", "quos", "exprs", "enquo0", "enquos0", "..."
)

# Functions of R's own packages that read an argument as code.
masking <- c("with", "within", "subset", "transform", "curve", ".Internal", "trace", "Recall")

machines <- c(
  ".Platform", "OS.type", "Sys.info", "R.version", "R.Version", "getRversion", "version",
  "interactive", "capabilities", "Sys.getenv"
)

guarding <- c("try", "tryCatch", "try_fetch", "possibly", "safely")

read_code <- function(code, at, look) {
  if (is.symbol(code)) {
    name <- as.character(code)
    look$names <- c(look$names, name)
    if (identical(name, at$self)) look$shares_self <- TRUE
  }
  if (!is.call(code)) return(invisible())
  head <- code[[1]]
  name <- if (is.symbol(head) || is.character(head)) as.character(head) else ""
  if (name %in% quoting) return(invisible())
  switch(name,
    "{" = read_block(code, at, look),
    "<-" = , "=" = , "<<-" = read_assignment(code, at, look, is_global = name == "<<-"),
    "%<>%" = read_assignment(code, at, look, is_global = FALSE),
    "function" = read_function(code, at, look),
    "$" = , "[[" = read_part(code, at, look),
    "if" = read_if(code, at, look),
    read_call(code, head, name, at, look)
  )
}

read_arguments <- function(code, at, look) {
  for (i in seq_along(code)[-1]) {
    if (!identical(code[[i]], quote(expr = ))) read_code(code[[i]], at, look)
  }
}

# The only place where lines are known: each statement of a block has its own.
read_block <- function(code, at, look) {
  lines <- attr(code, "srcref")
  for (i in seq_along(code)[-1]) {
    if (length(lines) >= i) at$line <- as.integer(lines[[i]])[[1]]
    read_code(code[[i]], at, look)
  }
}

# What is done on some machines only is not known from this one.
read_if <- function(code, at, look) {
  if (identical(code[[2]], FALSE)) return(invisible())
  if (any(all.names(code[[2]]) %in% machines)) at$calls <- FALSE
  read_arguments(code, at, look)
}

read_function <- function(code, at, look) {
  if (at$self %in% names(code[[2]])) at$self <- ""
  # What a function makes of code that it takes, a class or a module, may have a `self` of its own.
  at$reads <- at$reads && at$calls
  for (default in Filter(is.call, as.list(code[[2]]))) read_code(default, at, look)
  read_code(code[[3]], at, look)
}

# `self$x`, `self[["x"]]` and the parts of anything else.
read_part <- function(code, at, look) {
  if (!is_self(code[[2]], at)) {
    note_input_part(code, at, look)
    if (identical(code[[1]], quote(`$`))) return(read_code(code[[2]], at, look))
    at$calls <- FALSE
    return(read_arguments(code, at, look))
  }
  name <- part_name(code)
  if (is.null(name)) {
    read_code(code[[3]], at, look)
  } else if (at$reads) {
    look$reads[[length(look$reads) + 1]] <- list(name = name, file = at$file, line = at$line)
  }
}

# `inputs$step`, and the parts of it and of `inputs[[i]]`.
note_input_part <- function(code, at, look) {
  name <- part_name(code)
  whole <- code[[2]]
  if (is.null(name)) return(invisible())
  if (is_inputs(whole, at)) return(note_input(name, at, look, is_step = TRUE))
  if (!is.call(whole) || !is_part(whole) || !is_inputs(whole[[2]], at)) return(invisible())
  note_input(name, at, look, from = part_name(whole) %||% "")
}

note_input <- function(name, at, look, from = "", is_step = FALSE) {
  if (!at$reads) return(invisible())
  read <- list(name = name, from = from, is_step = is_step, file = at$file, line = at$line)
  look$input_reads <- c(look$input_reads, list(read))
}

# The names that `gather_inputs()` and `merge_artifacts()` ask the inputs for, if they stand there.
note_asked <- function(code, name, at, look) {
  fun <- list(gather_inputs = gather_inputs, merge_artifacts = merge_artifacts)[[name]]
  call <- as.list(match.call(fun, code))
  if (!is_inputs(call$inputs, at)) return(invisible())
  asked <- if (name == "gather_inputs") call$input else call$include
  if (is.call(asked) && identical(asked[[1]], quote(c))) asked <- as.list(asked)[-1]
  for (one in Filter(is_string, as.list(asked))) note_input(one, at, look)
}

read_assignment <- function(code, at, look, is_global) {
  target <- code[[2]]
  while (is.call(target)) {
    if (is_part(target) && is_self(target[[2]], at)) {
      name <- part_name(target)
      if (is.null(name)) look$shares_self <- TRUE else look$writes <- union(look$writes, name)
      break
    }
    # What else stands in it, such as the index of a part, is read.
    for (i in seq_along(target)[-(1:2)]) {
      if (!identical(target[[i]], quote(expr = ))) read_code(target[[i]], at, look)
    }
    target <- if (length(target) > 1) target[[2]]
  }
  if (is.symbol(target)) {
    if (is_global) look$global <- c(look$global, as.character(target))
    if (is_self(target, at)) look$shares_self <- TRUE
    look$names <- c(look$names, as.character(target))
  }
  read_code(code[[3]], at, look)
}

read_call <- function(code, head, name, at, look) {
  if (!nzchar(name)) {
    if (identical(head[[1]], quote(`::`)) || identical(head[[1]], quote(`:::`))) {
      name <- as.character(head[[3]])
      fun <- loaded_function(as.character(head[[2]]), name)
    } else {
      read_code(head, at, look)
      fun <- NULL
      at$calls <- at$calls && is.call(head) && identical(head[[1]], quote(`(`))
    }
  } else {
    look$names <- c(look$names, name)
    if (at$calls && !name %in% c(look$locals, ":=")) {
      look$calls[[length(look$calls) + 1]] <- list(name = name, file = at$file, line = at$line)
    }
    fun <- if (!name %in% look$locals) get0(name, look$env, mode = "function")
  }
  if (name %in% defining) look$is_dynamic <- TRUE
  if (name %in% c("eval", "evalq", "source", "sys.source")) look$shares_self <- TRUE
  if (name %in% c("gather_inputs", "merge_artifacts") && nzchar(at$inputs)) {
    note_asked(code, name, at, look)
  }
  if (name == "merge_artifacts") {
    look$merges <- TRUE
    return(invisible())
  }
  if (name %in% guarding) at$calls <- at$reads <- FALSE
  is_own <- name %in% look$locals && !look$captures
  if (!is_own && (is.null(fun) || takes_code(fun, name))) at$calls <- FALSE
  read_arguments(code, at, look)
}

# Whether a function may see an argument as code, and give names in it a meaning of its own.
takes_code <- function(fun, name) {
  if (is.primitive(fun)) return(name %in% c("[", masking))
  home <- environmentName(topenv(environment(fun)))
  if (home %in% c("base", "stats", "utils", "methods", "graphics", "grDevices", "metaflow")) {
    return(name %in% masking)
  }
  if (name == "%>%") return(FALSE)
  "..." %in% names(formals(fun)) || any(c(capturing, "UseMethod") %in% all.names(body(fun))) ||
    embraces(body(fun))
}

# `{{ x }}` anywhere in code.
embraces <- function(code) {
  if (!is.call(code)) return(FALSE)
  is_block <- function(x) is.call(x) && identical(x[[1]], quote(`{`)) && length(x) == 2
  if (is_block(code) && is_block(code[[2]])) return(TRUE)
  any(vapply(as.list(code), embraces, NA))
}

# A function of a package that is loaded; one that is not may have any.
loaded_function <- function(package, name) {
  if (isNamespaceLoaded(package)) get0(name, asNamespace(package), mode = "function")
}

is_self <- function(code, at) is.symbol(code) && identical(as.character(code), at$self)

is_inputs <- function(code, at) {
  is.symbol(code) && nzchar(at$inputs) && identical(as.character(code), at$inputs)
}

is_part <- function(code) {
  identical(code[[1]], quote(`$`)) || identical(code[[1]], quote(`[[`))
}

# The `x` of `self$x` and `self[["x"]]`; NULL if it is computed.
part_name <- function(code) {
  part <- code[[3]]
  is_constant <- is_string(part) || (is.symbol(part) && identical(code[[1]], quote(`$`)))
  if (is_constant) as.character(part)
}
