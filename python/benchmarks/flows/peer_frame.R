# Saves and loads the data frame of `large.R` as the older package does: reticulate makes Python's
# of it, which is pickled, packed and hashed. Prints the CPU seconds of each. Leaves the same as R
# serializes it, unpacked, in the file `frame.rds`.
set.seed(1)
rows <- 1e6
value <- data.frame(id = seq_len(rows), x = runif(rows), label = sprintf("1: label %d", seq_len(rows)))
pickle <- reticulate::import("pickle", convert = FALSE)
gzip <- reticulate::import("gzip", convert = FALSE)
hashlib <- reticulate::import("hashlib", convert = FALSE)

# What is loaded once in a session is not counted.
invisible(reticulate::r_to_py(head(value)))

cpu_s <- function() sum(proc.time()[1:2])
started <- cpu_s()
bytes <- pickle$dumps(reticulate::r_to_py(value), 4L)
name <- hashlib$sha1(bytes)
packed <- gzip$compress(bytes, 3L)
saved <- cpu_s()
invisible(reticulate::py_to_r(pickle$loads(gzip$decompress(packed))))
cat(saved - started, cpu_s() - saved, "\n")
saveRDS(value, "frame.rds", compress = FALSE)
