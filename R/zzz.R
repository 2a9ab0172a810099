.onAttach <- function(libname, pkgname) {
  # R need not tell, at the top of every run's output, that `step()` stands before that of package
  # stats: see "Conflicts" in `?library`.
  assign(".conflicts.OK", TRUE, envir = as.environment(paste0("package:", pkgname)))
  keep_source()
}
