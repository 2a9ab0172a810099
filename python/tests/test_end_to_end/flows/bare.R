# Tells which packages R needs to call Python.
invisible(reticulate::import("sys"))
cat("packages:", loadedNamespaces(), "\n")
