# What an R script may rely on in its steps.
library(metaflow)
library(splines)

before <- ls(globalenv())

offset <- 40
add <- function(x) x + shift()
shift <- function() offset
scale_by <- function(k) function(self) self$scaled <- self$answer * k

early <- function(self) {
  self$early <- "yes"
  if (offset > 0) return(invisible(NULL))
  self$early <- "no"
}

tell <- function(self) {
  cat("helper=", add(2), "\n", sep = "")
  cat("package=", "package:splines" %in% search(), "\n", sep = "")
  cat("spline=", ncol(bs(1:10, df = 4)), "\n", sep = "")
  cat("answer=", self$answer, "\n", sep = "")
  cat("early=", self$early, "\n", sep = "")
  cat("scaled=", self$scaled, "\n", sep = "")
  cat("short=", self$short, "\n", sep = "")
  cat("names=", toString(names(self)), "\n", sep = "")
  cat("in names=", "short" %in% names(self), "\n", sep = "")
  self$v <- 1:3
  self$v[3] <- 0L
  self$list$deep$x <- 1
  cat("replaced=", toString(self[["v"]]), "\n", sep = "")
  cat("nested=", self$list$deep$x, "\n", sep = "")
  cat("missing=", conditionMessage(tryCatch(self$shart, error = identity)), "\n", sep = "")
  cat("class=", class(tryCatch(self$shart, error = identity))[1], "\n", sep = "")
  cat("wd=", getwd(), "\n", sep = "")
  for (name in c("flow_name", "step_name", "username", "retry_count", "namespace")) {
    cat("current ", name, "=", current(name), "\n", sep = "")
  }
  cat("pathspec=", current("pathspec"), "\n", sep = "")
  cat("origin=", is.null(current("origin_run_id")), "\n", sep = "")
}

flow <- metaflow("LanguageFlow") %>%
  step(step = "start", r_function = function(self) self$answer <- 42, next_step = "early") %>%
  step(step = "early", r_function = early, next_step = "closure") %>%
  step(step = "closure", r_function = scale_by(10), next_step = "short") %>%
  step(step = "short", r_function = \(self) self$short <- "backslash", next_step = "from_package") %>%
  step(step = "from_package", r_function = base::print, next_step = "tell") %>%
  step(step = "tell", r_function = tell, next_step = "end") %>%
  step(step = "end")

cat("new globals=", toString(setdiff(ls(globalenv()), c(before, "before", "flow"))), "\n", sep = "")
result <- flow %>% run()
cat("equals zero=", result == 0, "\n", sep = "")
cat("status=", result$status, "\n", sep = "")
cat("result pathspec=", result$pathspec, "\n", sep = "")
cat("run successful=", result$run$successful, "\n", sep = "")
cat("globals after=", toString(setdiff(ls(globalenv()), c(before, "before", "flow", "result"))),
    "\n", sep = "")
