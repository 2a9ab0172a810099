# Steps that fail, each in its own way, and what the join is told of it.
library(metaflow)
source("failing_helpers.R")

Counter <- R6::R6Class("Counter", public = list(
  add = function(k) {
    stop("cannot add")
  }
))

setClass("Square", representation(width = "numeric"))
setGeneric("area", function(shape) standardGeneric("area"))
setMethod("area", "Square", function(shape) {
  stop("no area")
})

damage_largest_blob <- function() {
  blobs <- list.files(".metaflow/FailuresFlow/data", recursive = TRUE, full.names = TRUE)
  largest <- blobs[which.max(file.size(blobs))]
  Sys.chmod(largest, "644")
  writeBin(as.raw(1:100), largest)
}

ways <- list(
  sourced = function(self) check_size(2),
  r6 = function(self) Counter$new()$add(1),
  s4 = function(self) area(new("Square", width = 1)),
  map = function(self) Map(function(size) check_size(size), 3),
  rlang = function(self) {
    tryCatch(stop("inner"), error = function(error) {
      rlang::abort(c("outer", i = "a hint"), class = "mine", parent = error, extra = 7)
    })
  },
  warning = function(self) {
    options(warn = 2)
    as.integer("x")
  },
  quit = function(self) quit(status = 3),
  killed = function(self) tools::pskill(Sys.getpid(), 9),
  memory = function(self) numeric(1e14),
  recursion = function(self) (function(f) f(f))(function(f) f(f)),
  save = function(self) self$handle <- file(tempfile(), "w"),
  load = function(self) {
    damage_largest_blob()
    dim(self$table)
  },
  package = function(self) loadNamespace("notThere")
)

start <- function(self) {
  self$ways <- names(ways)
  self$table <- data.frame(x = runif(1e5))
}

fail <- function(self) ways[[self$input]](self)

join <- function(self, inputs) {
  for (i in seq_along(inputs)) {
    problem <- inputs[[i]]$problem
    cat(names(ways)[i], " classes=", toString(class(problem)), "\n", sep = "")
    cat(names(ways)[i], " is error=", inherits(problem, "error"), "\n", sep = "")
    cat(names(ways)[i], " message=", encodeString(conditionMessage(problem)), "\n", sep = "")
    if (inherits(problem, "mine")) {
      cat("extra=", problem$extra, "\n", sep = "")
      cat("parent=", conditionMessage(problem$parent), "\n", sep = "")
    }
  }
}

multiply_for_ever <- function(self) {
  large <- matrix(runif(4e6), 2000)
  repeat large <- crossprod(large) / 1e4
}

tell_of_slow <- function(self) {
  cat("slow classes=", toString(class(self$problem)), "\n", sep = "")
  cat("slow is error=", inherits(self$problem, "error"), "\n", sep = "")
  cat("slow message=", conditionMessage(self$problem), "\n", sep = "")
}

metaflow("FailuresFlow") |>
  step(step = "start", r_function = start, next_step = "fail", foreach = "ways") |>
  step(step = "fail", catch(var = "problem"), r_function = fail, next_step = "join") |>
  step(step = "join", r_function = join, join = TRUE, next_step = "slow") |>
  step(step = "slow", timeout(seconds = 1), catch(var = "problem"),
       r_function = multiply_for_ever, next_step = "end") |>
  step(step = "end", r_function = tell_of_slow) |>
  run()
