# What every vignette begins with: its flows run for real, in a directory of their own.

# Without Python a page shows its code and says so. A Python that was asked for has to work.
can_run <- metaflow:::has_core()
if (!can_run && nzchar(Sys.getenv("RETICULATE_PYTHON"))) metaflow:::core()

knitr::opts_chunk$set(eval = can_run, error = FALSE, collapse = TRUE, comment = "#>")

if (can_run) {
  directory <- tempfile("flows-")
  dir.create(directory)
  knitr::opts_knit$set(root.dir = directory)
  Sys.setenv(
    METAFLOW_USER = "ada",
    METAFLOW_DATASTORE_SYSROOT_LOCAL = directory,
    # For the R processes that a page starts by itself.
    R_LIBS = paste(.libPaths(), collapse = .Platform$path.sep),
    PATH = paste(R.home("bin"), Sys.getenv("PATH"), sep = .Platform$path.sep)
  )
} else {
  cat(
    "> **Not run.** This page was made where there is no Python for metaflow, so results are",
    "> missing. `metaflow::install_metaflow()` makes one.",
    sep = "\n"
  )
}
