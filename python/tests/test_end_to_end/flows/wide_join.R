# A join of 300 tasks, of which the last has not all that the others have.
library(metaflow)

show <- function(name, value) cat(name, "=", format(value), "\n", sep = "")

of_task <- function(text) regmatches(text, regexpr("work/[0-9]+", text))

metaflow("WideJoinFlow") |>
  step(
    step = "start", foreach = "items", next_step = "work",
    r_function = function(self) self$items <- 1:300
  ) |>
  step(step = "work", next_step = "gather", r_function = function(self) {
    self$x <- self$input^2
    if (self$input < 300) self$most_have <- TRUE
  }) |>
  step(step = "gather", join = TRUE, next_step = "end", r_function = function(self, inputs) {
    show("length", length(inputs))
    show("x of the 17th", inputs[[17]]$x)
    show("index of the 17th", inputs[[17]]$index)
    show("all in order", identical(gather_inputs(inputs, "x"), lapply(1:300, function(i) i^2)))
    missing <- tryCatch(gather_inputs(inputs, "most_have"), error = identity)
    show("class", class(missing)[[1]])
    show("is of the last", of_task(format(inputs[[300]])) == of_task(conditionMessage(missing)))
  }) |>
  step(step = "end") |>
  run(max_num_splits = 300)
