# Flows that are drawn elsewhere: the file DRAWN describes them, FLOW says which one is run.
#
# What a task leaves depends on all tasks before it and on nothing else, so that whoever knows the
# flow knows its results. With RECORD, a folder, nothing is run: what `run()` would give the core is
# written there for each flow.
library(metaflow)

checksum <- function(text) {
  codes <- utf8ToInt(text)
  as.integer(sum(codes * seq_along(codes)) %% 99991)
}

# Leaves the results of a task that comes after those with the traces `before`.
leave <- function(self, before) {
  place <- if (is.null(self$index)) "-" else as.character(self$index)
  number <- checksum(paste(c(current("step_name"), place, before), collapse = " "))
  self$trace <- sprintf("%s/%d", current("step_name"), number)
  self$bulk <- rep(charToRaw(self$trace), length.out = if (number %% 3 == 0) 150000 else 50)
  self$items <- paste("item", seq_len(1 + number %% 3))
  self$size <- sprintf("case %d", number %% 2)
  if (number %% 5 == 0) system("sleep 600 &")
  Sys.sleep(0.003)
}

work <- function(self) leave(self, if (current("step_name") != "start") self$trace)

# Succeeds at its second attempt.
retried <- function(self) {
  work(self)
  if (current("retry_count") == 0) stop("no luck")
}

# Leaves nothing, and is caught.
caught <- function(self) stop("never any luck")

join <- function(self, inputs) leave(self, unlist(gather_inputs(inputs, "trace")))

add_step <- function(flow, drawn) {
  arguments <- list(
    flow,
    step = drawn$name,
    r_function = list(work = work, retried = retried, caught = caught, join = join)[[drawn$does]],
    next_step = if (length(drawn$cases)) unlist(drawn$cases) else unlist(drawn$next_steps),
    foreach = drawn[["foreach"]], condition = drawn$condition, join = drawn$does == "join"
  )
  decorators <- switch(drawn$does,
    retried = list(retry(times = 2, minutes_between_retries = 0)),
    caught = list(catch(var = "problem", print_exception = FALSE))
  )
  do.call(step, c(Filter(Negate(is.null), arguments), decorators))
}

as_flow <- function(drawn) Reduce(add_step, drawn$steps, metaflow(drawn$name))

record <- function(flow) {
  spec <- metaflow:::as_spec(flow)
  recorded <- list(
    spec = spec, session = metaflow:::session_facts(), payload = metaflow:::payload(flow)
  )
  path <- file.path(Sys.getenv("RECORD"), paste0(spec$name, ".rds"))
  writeBin(serialize(recorded, NULL, version = 2), path)
}

drawn <- jsonlite::read_json(Sys.getenv("DRAWN"))
if (nzchar(Sys.getenv("RECORD"))) {
  for (one in drawn) record(as_flow(one))
} else {
  run(as_flow(drawn[[as.integer(Sys.getenv("FLOW"))]]))
}
