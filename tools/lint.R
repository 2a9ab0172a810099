# Runs lintr over all R code of the project, not only the package's; fails if it finds anything.

folders <- c("R", "inst", "tests", "tools", "vignettes")
lints <- do.call(c, lapply(Filter(dir.exists, folders), function(folder) {
  lintr::lint_dir(folder, relative_path = FALSE)
}))

if (length(lints)) {
  print(lints)
  quit(status = 1)
}
