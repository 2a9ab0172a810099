# Every kind of value is stored by one step and compared by those that follow, and by the client.
# `Rscript values.R read RUN` is the client's turn.
library(metaflow)
source("helper-values.R")

Counter <- R6::R6Class("Counter", public = list(
  n = 0,
  add = function() {
    self$n <- self$n + 1
    invisible(self)
  }
))
setClass("Span", representation(from = "numeric", to = "numeric"))
setGeneric("span_length", function(x) standardGeneric("span_length"))
setMethod("span_length", "Span", function(x) x@to - x@from)
Account <- setRefClass("Account", fields = list(balance = "numeric"), methods = list(
  deposit = function(x) {
    balance <<- balance + x
    invisible(.self)
  }
))
make_adder <- function(n) function(x) x + n

# Values that hold an environment come back with a copy of it: what they do is compared.
living_values <- function() {
  env <- new.env()
  env$a <- 1:3
  list(
    fun = function(x, y = 2) x * y,
    closure = make_adder(10),
    env = env,
    formula = y ~ log(x) + z,
    lm = lm(mpg ~ wt, mtcars),
    glm = glm(am ~ wt, binomial, mtcars),
    r6 = Counter$new()$add(),
    s4 = new("Span", from = 1, to = 4),
    reference_class = Account$new(balance = 5),
    list_fun = list(f = make_adder(1), n = 1),
    compiled = compiler::cmpfun(function(x) x + 1),
    ecdf = ecdf(c(3, 1, 2)),
    sparse = Matrix::sparseMatrix(i = 1:2, j = 2:1, x = c(1, 2))
  )
}

same_life <- list(
  fun = function(got) got(3) == 6,
  closure = function(got) got(1) == 11,
  env = function(got) identical(got$a, 1:3),
  formula = function(got) got == (y ~ log(x) + z) && identical(environment(got)$env$a, 1:3),
  lm = function(got) {
    made <- lm(mpg ~ wt, mtcars)
    identical(coef(got), coef(made)) && identical(predict(got, mtcars[1:3, ]),
                                                  predict(made, mtcars[1:3, ]))
  },
  glm = function(got) isTRUE(all.equal(summary(got)$aic, summary(glm(am ~ wt, binomial, mtcars))$aic)),
  r6 = function(got) got$clone()$add()$n == 2 && inherits(got, "Counter"),
  s4 = function(got) identical(got, new("Span", from = 1, to = 4)) && span_length(got) == 3,
  reference_class = function(got) got$copy()$deposit(1)$balance == 6,
  list_fun = function(got) got$f(1) == 2,
  compiled = function(got) got(1) == 2,
  ecdf = function(got) got(2) == 2 / 3,
  sparse = function(got) identical(as.matrix(got), as.matrix(living_values()$sparse))
)

# Prints the kinds that are not what they were.
compare <- function(where, read) {
  made <- awkward_values()
  changed <- Filter(
    function(name) !identical(try(read(paste0("v_", name)), silent = TRUE), made[[name]]),
    names(made)
  )
  dead <- Filter(
    function(name) !isTRUE(try(same_life[[name]](read(paste0("v_", name))), silent = TRUE)),
    names(same_life)
  )
  cat(where, "=", toString(c(changed, dead)), "\n", sep = "")
  cat(where, " compared=", length(made) + length(same_life), "\n", sep = "")
}

store <- function(self) {
  values <- c(awkward_values(), living_values())
  for (name in names(values)) self[[paste0("v_", name)]] <- values[[name]]
}

follow <- function(self) compare("next step", function(name) self[[name]])

join <- function(self, inputs) {
  compare("inputs of a join", function(name) inputs$carry[[name]])
  # The other branch has used the objects that hold an environment, which may have changed them.
  merge_artifacts(self, inputs["carry"], include = grep("^v_", names(inputs$carry), value = TRUE))
}

end <- function(self) compare("after a join", function(name) self[[name]])

arguments <- commandArgs(trailingOnly = TRUE)
if (arguments[[1]] == "read") {
  set_namespace(NULL)
  for (step in c("start", "end")) {
    step <- run_client$new("ValuesFlow", arguments[[2]])$step(step)
    task <- step$task(step$a_task)
    compare(paste("client at", step$id), function(name) task$artifact(name))
  }
} else {
  metaflow("ValuesFlow") |>
    step(step = "start", r_function = store, next_step = c("follow", "carry")) |>
    step(step = "follow", r_function = follow, next_step = "join") |>
    step(step = "carry", next_step = "join") |>
    step(step = "join", r_function = join, join = TRUE, next_step = "end") |>
    step(step = "end", r_function = end) |>
    run()
}
