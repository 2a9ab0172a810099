# Starts the process that a run's tasks are forked from (see R/zygote.R) before Python is started:
# the two take about as long as each other, and neither needs the other to start.

# Starts it if tasks will be forked, by the looks of it; NULL if not, or if it cannot be: the core
# starts one when it needs one, and tells why if it cannot. `argv` are the words of the terminal.
start_ahead <- function(argv, options) {
  if (!can_fork()) return(NULL)
  tryCatch(if (will_fork(argv, options)) spawn_zygote(), error = function(error) NULL)
}

# Whether tasks are forked where nothing else is asked for; the core's `CAN_FORK` is its twin.
can_fork <- function() startsWith(R.version$os, "linux")

# Guesses whether a command will fork tasks, before there is a command line to parse it. A guess may
# be wrong: then a process was started for nothing, or later than it could have been.
will_fork <- function(argv, options) {
  isolation <- options[["isolation"]] %||% Sys.getenv("METAFLOW_DEFAULT_ISOLATION")
  not_forks <- c("process", "inline", "--inline", "--isolation=process", "--isolation=inline")
  if (any(c(isolation, argv) %in% not_forks)) return(FALSE)
  if (length(argv)) {
    return(any(c("run", "resume") %in% argv) && !any(c("--plan", "--help") %in% argv))
  }
  others <- c(
    "inline", "plan", "other_args", "show", "check", "help", "logs", "dump", "batch",
    "step_functions"
  )
  all(vapply(options[names(options) %in% others], isFALSE, NA))
}

# Settings of its memory, for its forks' sake: see their twins in `compute/fork.py`.
zygote_memory <- c(
  GLIBC_TUNABLES = "glibc.malloc.hugetlb=1", R_NSIZE = "3000000", R_VSIZE = "256M"
)

# Until a run takes it over, and gives it a folder of its own, it has one in this session's.
spawn_zygote <- function() {
  environment <- unclass(Sys.getenv())
  folder <- tempfile("zygote-")
  dir.create(folder)
  log <- file.path(folder, "zygote.log")
  memory <- zygote_memory[setdiff(names(zygote_memory), names(environment))]
  added <- c(R_LIBS = paste(.libPaths(), collapse = .Platform$path.sep), TMPDIR = folder, memory)
  script <- system.file("zygote.R", package = "metaflow", mustWork = TRUE)
  ids <- .Call(
    mf_spawn, c(rscript_path(), "--vanilla", script, Sys.getpid()),
    paste0(names(added), "=", added), log
  )
  list(
    pid = ids[[1]], control_fd = ids[[2]], folder = folder, log = log,
    environment = environment, own = names(memory)
  )
}

# What the core has to know of it. The environment of a run is that which R has when it asks for the
# run, and starting Python changes it: told are the variables that differ, NULL for one to unset.
describe_ahead <- function(ahead) {
  if (is.null(ahead)) return(NULL)
  now <- unclass(Sys.getenv())
  before <- ahead$environment
  is_new <- is.na(before[names(now)]) | before[names(now)] != now
  unset <- c(setdiff(names(before), names(now)), ahead$own)
  gone <- stats::setNames(vector("list", length(unset)), unset)
  environment <- c(as.list(now[is_new]), gone)
  c(ahead[c("pid", "control_fd", "log")], list(environment = environment))
}

# Ends it, unless the core has done so, and removes its folder.
end_ahead <- function(ahead) {
  if (is.null(ahead)) return(invisible())
  .Call(mf_end_spawned, ahead$pid, ahead$control_fd)
  unlink(ahead$folder, recursive = TRUE)
}
