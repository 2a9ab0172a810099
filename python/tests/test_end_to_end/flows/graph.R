# A branch inside of a foreach, joins that merge, and a switch whose cases meet again.
library(metaflow)

say <- function(name, value) cat(name, "=", toString(value), "\n", sep = "")
message_of <- function(code) tryCatch({code; "none"}, error = conditionMessage)

start <- function(self) {
  self$common <- "from start"
  self$items <- c("p", "q", "r")
}

inner_join <- function(self, inputs) {
  say(paste("conflict", self$input), message_of(merge_artifacts(self, inputs)))
  say(paste("nothing merged", self$input), !"common" %in% names(self))
  say(paste("both", self$input), message_of(
    merge_artifacts(self, inputs, include = "common", exclude = "side")
  ))
  merge_artifacts(self, inputs, exclude = c("side"))
  self$sides <- unlist(gather_inputs(inputs, "side"))
  stack <- self$foreach_stack()
  say(paste("stack", self$input), c(stack[[1]]$index, stack[[1]]$num_splits, stack[[1]]$value))
}

outer_join <- function(self, inputs) {
  say("missing", message_of(merge_artifacts(self, inputs, include = "nowhere")))
  merge_artifacts(self, inputs, include = c("common", "own"))
  say("own", self$own)
  say("sides", unlist(gather_inputs(inputs, "sides")))
  say("by position", inputs[[2]]$sides)
  say("merged", sort(names(self)))
  self$count <- length(inputs)
}

metaflow("GraphFlow") %>%
  step(step = "start", r_function = start, foreach = "items", next_step = "split") %>%
  step(step = "split", r_function = function(self) self$own <- "same", next_step = c("left", "right")) %>%
  step(step = "left", r_function = function(self) self$side <- paste0("L", self$input),
       next_step = "inner_join") %>%
  step(step = "right", r_function = function(self) self$side <- paste0("R", self$input),
       next_step = "inner_join") %>%
  step(step = "inner_join", r_function = inner_join, join = TRUE, next_step = "outer_join") %>%
  step(step = "outer_join", r_function = outer_join, join = TRUE, next_step = "choose") %>%
  step(step = "choose", r_function = function(self) self$size <- if (self$count > 2) "big" else "small",
       condition = "size", next_step = c(big = "many", small = "few")) %>%
  step(step = "many", r_function = function(self) self$way <- "many", next_step = "end") %>%
  step(step = "few", r_function = function(self) self$way <- "few", next_step = "end") %>%
  step(step = "end", r_function = function(self) {
    say("way", self$way)
    say("common", self$common)
  }) %>%
  run()
