# A foreach over each kind of value, side by side.
library(metaflow)

kinds <- list(
  named_list = list(a = 1:2, b = "x"),
  data_frame = data.frame(id = c(10L, 20L), label = factor(c("u", "v"))),
  matrix = matrix(1:4, 2, dimnames = list(NULL, c("p", "q"))),
  one = 7,
  dates = as.Date("2024-02-28") + 0:1
)

tell <- function(self) {
  cat(self$kind, " ", self$index, "=", paste(deparse(self$input), collapse = ""), "\n", sep = "")
  self$seen <- self$input
}

collect <- function(self, inputs) {
  self$seen <- gather_inputs(inputs, "seen")
}

compare <- function(self, inputs) {
  for (kind in names(kinds)) {
    seen <- inputs[[paste0(kind, "_join")]]$seen
    items <- kinds[[kind]]
    whole <- switch(kind,
      data_frame = do.call(rbind, seen),
      matrix = do.call(rbind, seen),
      dates = do.call(c, seen),
      one = seen[[1]],
      named_list = setNames(seen, names(items))
    )
    cat(kind, "=", identical(whole, items), "\n", sep = "")
  }
}

flow <- metaflow("ForeachFlow") |>
  step(step = "start", next_step = names(kinds))
for (kind in names(kinds)) {
  flow <- flow |>
    step(step = kind, foreach = "items", next_step = paste0(kind, "_body"),
         r_function = local({
           kind <- kind
           items <- kinds[[kind]]
           function(self) {
             self$kind <- kind
             self$items <- items
           }
         })) |>
    step(step = paste0(kind, "_body"), r_function = tell, next_step = paste0(kind, "_join")) |>
    step(step = paste0(kind, "_join"), r_function = collect, join = TRUE, next_step = "compare")
}

flow |>
  step(step = "compare", r_function = compare, join = TRUE, next_step = "end") |>
  step(step = "end") |>
  run()
