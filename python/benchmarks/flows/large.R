# Saves BENCH_COUNT large values, BENCH_KIND, and loads them in the next step. Prints the CPU seconds
# of each: the worker's, from when it has the values until it ends, or while it loads them; and what
# the session took more than for a run without.
library(metaflow, warn.conflicts = FALSE)

names <- paste0("value_", seq_len(as.integer(Sys.getenv("BENCH_COUNT"))))
cpu_s <- function() sum(proc.time()[c("user.self", "sys.self")])

make_value <- function(kind, i) {
  if (kind == "matrix") return(matrix(runif(12.5e6), ncol = 100))
  rows <- seq_len(1e6)
  data.frame(id = rows, x = runif(rows), label = sprintf("%d: label %d", i, rows))
}

touched_bytes <- as.numeric(Sys.getenv("BENCH_TOUCH_MB")) * 1e6

# As `touch_memory()` of the benchmarks: what is loaded next gets memory that was used just now.
touch_memory <- function() {
  raw(touched_bytes)
  gc()
}

# The same for what is saved: the pages of files come in other pieces than those of a process.
touch_files <- function() {
  path <- tempfile()
  file <- file(path, "wb")
  piece <- raw(32768)
  for (i in seq_len(touched_bytes / length(piece))) writeBin(piece, file)
  close(file)
  unlink(path)
}

flow <- metaflow("LargeFlow") |>
  step(step = "start", next_step = "end", r_function = function(self) {
    if (Sys.getenv("BENCH_DO") == "nothing") return()
    values <- lapply(seq_along(names), make_value, kind = Sys.getenv("BENCH_KIND"))
    touch_files()
    self$made_s <- cpu_s()
    for (i in seq_along(names)) self[[names[[i]]]] <- values[[i]]
  }) |>
  step(step = "end", r_function = function(self) {
    if (Sys.getenv("BENCH_DO") != "load") return()
    touch_memory()
    before <- cpu_s()
    for (name in names) length(self[[name]])
    self$load_s <- cpu_s() - before
  })

session_s <- function(todo) {
  Sys.setenv(BENCH_DO = todo)
  before <- cpu_s()
  flow |> run()
  cpu_s() - before
}

# The first run starts Python, and is not counted.
for (todo in c("nothing", "nothing", "save", "load")) assign(todo, session_s(todo))
run_id <- flow_client$new("LargeFlow")$latest_run
task_of <- function(step) {
  step <- step_client$new(paste("LargeFlow", run_id, step, sep = "/"))
  step$task(step$a_task)
}
start <- task_of("start")
save_s <- start$resources$cpu_s - start$artifact("made_s") + max(save - nothing, 0)
load_s <- task_of("end")$artifact("load_s") + max(load - save, 0)
cat(save_s, load_s, "\n")
