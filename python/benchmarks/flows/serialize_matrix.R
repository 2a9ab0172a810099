# The least that saving a matrix of 100 MB can cost in R: the matrix to a file, BENCH_FILE. Prints
# the CPU seconds of it.
set.seed(1)
value <- matrix(runif(12.5e6), ncol = 100)
before <- proc.time()
connection <- file(Sys.getenv("BENCH_FILE"), "wb")
invisible(serialize(value, connection, xdr = FALSE))
close(connection)
cat(sum((proc.time() - before)[1:2]), "\n")
