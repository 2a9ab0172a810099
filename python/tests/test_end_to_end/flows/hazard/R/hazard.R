threads <- function() .Call(hazard_threads)
crash <- function() .Call(hazard_crash)
deep <- function() .Call(hazard_deep)
limit_memory <- function(bytes) .Call(hazard_limit, bytes)

kept <- new.env()

.onLoad <- function(libname, pkgname) {
  switch(Sys.getenv("HAZARD"),
    threads = threads(),
    blas = crossprod(matrix(1, 500, 500)),
    connection = kept$handle <- file(nullfile(), "r"),
    socket = kept$handle <- socketConnection(port = Sys.getenv("PORT"), open = "r+b"),
    device = grDevices::pdf(NULL),
    database = kept$handle <- DBI::dbConnect(RSQLite::SQLite(), "held.sqlite"),
    pipe = loadNamespace("later"),
    python = reticulate::import("json"),
    child = parallel::mcparallel(Sys.sleep(20), detached = TRUE),
    background = system("sleep 20 >/dev/null 2>&1", wait = FALSE),
    finalizer = reg.finalizer(kept, function(kept) cat("the package ends\n"), onexit = TRUE),
    memory = kept$large <- numeric(1.25e8) + 1,
    words = {
      cat("hazard is loading\n")
      warning("nothing to see")
    }
  )
}
