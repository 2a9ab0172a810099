# Parameters of every type; their values are printed as R sees them.
library(metaflow)

show_value <- function(name, value) {
  cat(name, "=", encodeString(paste(deparse(value, width.cutoff = 500), collapse = "")), "\n",
      sep = "")
}

names_of_parameters <- c(
  "text", "my_file", "alpha", "count", "debug", "strict", "words", "grid", "made", "stamp", "nothing"
)

start <- function(self) {
  for (name in names_of_parameters) show_value(name, self[[name]])
  show_value("listed", current("parameter_names"))
}

end <- function(self) {
  show_value("alpha at the end", self$alpha)
  show_value("assigned", tryCatch(self$alpha <- 1, error = conditionMessage))
}

# Counts how often it is evaluated, in a file.
stamp <- function(context) {
  cat("evaluated\n", file = "stamps.txt", append = TRUE)
  paste(context$flow_name, context$user_name, context$parameter_name)
}

flow <- metaflow("ParametersFlow") |>
  parameter("text", help = "the user's own text, such as 100% \"quoted\"") |>
  parameter("my_file", default = "a_b.csv") |>
  parameter("alpha", default = 0.1) |>
  parameter("count", type = "int", default = 3L) |>
  parameter("debug", is_flag = TRUE, default = FALSE) |>
  parameter("strict", type = "bool", default = TRUE) |>
  parameter("words", separator = ",", default = "x,y") |>
  parameter("grid", type = "json", default = list(depth = 1:3, kind = "gbm")) |>
  parameter("made", default = function() 2 + 2) |>
  parameter("stamp", default = stamp) |>
  parameter("nothing") |>
  step(step = "start", r_function = start, next_step = "end") |>
  step(step = "end", r_function = end)

if (nzchar(Sys.getenv("FROM_R"))) {
  run(flow, text = "a = 'b' \"c\" $HOME `d` \\ *\n\u00e4\u2603 --x", my_file = "my_file name.csv",
      alpha = 1e-7, count = 12, debug = TRUE, strict = FALSE, words = "p q,r",
      grid = list(depth = 5, names = c("a", "b")), made = 1.5, tag = c("one", "two words"))
} else {
  run(flow, alpha = 0.25)
}
