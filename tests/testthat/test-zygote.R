# What would make a forked task behave otherwise than a fresh process is seen, and named.

# A server on a port that nobody has.
a_server <- function() {
  for (port in 20000 + sample(40000, 100)) {
    server <- try(serverSocket(port), silent = TRUE)
    if (!inherits(server, "try-error")) return(server)
  }
  stop("no port is free")
}

test_that("a process without anything of the kind has no hazard", {
  expect_null(connection_hazard(character()))
  expect_null(device_hazard())
  expect_null(process_hazard())
  expect_null(package_hazards(c("stats", "cli")))
})

test_that("packages that do not survive a fork are named, each with the reason", {
  found <- package_hazards(c("stats", "rJava", "arrow"))

  expect_setequal(
    found,
    c(
      "package arrow keeps thread pools",
      "package rJava keeps a Java machine"
    )
  )
})

test_that("an open connection, device, socket or process is a hazard", {
  path <- withr::local_tempfile()
  connection <- file(path, "w")
  expect_match(connection_hazard(), path, fixed = TRUE)
  close(connection)

  grDevices::pdf(NULL)
  expect_equal(device_hazard(), "a graphics device is open")
  grDevices::dev.off()

  server <- a_server()
  expect_true("a network connection is open" %in% descriptor_hazards(-1L))
  close(server)

  expect_equal(
    descriptor_hazards(-1L, c("/a/b.sqlite", "/c.db", "pipe:[7]", "anon_inode:[eventpoll]")),
    c("files are open (b.sqlite, c.db)", "a pipe is open")
  )
  expect_null(descriptor_hazards(-1L, character()))
  expect_null(python_hazard(c("stats", "cli")))

  process <- pipe("cat", "w")
  expect_equal(process_hazard(), "what the script loads has started processes")
  close(process)
  expect_null(process_hazard())
})

test_that("a rehearsal leaves nothing behind", {
  withr::local_seed(1)
  seed <- get(".Random.seed", globalenv())
  state <- c(the$payload, the$current)
  open <- length(list.files("/proc/self/fd"))

  expect_silent(warm_up())

  expect_identical(get(".Random.seed", globalenv()), seed)
  expect_identical(c(the$payload, the$current), state)
  expect_length(ls(the$tasks), 0)
  expect_length(list.files("/proc/self/fd"), open)
})

test_that("values whose references are no longer counted are copied when they are changed", {
  place <- new.env()
  place$numbers <- c(1, 2, 3)
  place$nested <- list(a = list("x"), f = function(n = 1) n + 1)
  place$own <- place
  makeActiveBinding("active", function() stop("was asked for"), place)
  delayedAssign("never", stop("was forced"), assign.env = place)
  other <- place$numbers
  f <- place$nested$f

  expect_gt(.Call(mf_share, list(place)), 10)
  place$numbers[[1]] <- 9
  place$nested$a[[1]] <- "y"
  formals(place$nested$f)$n <- 5

  expect_equal(place$numbers, c(9, 2, 3))
  expect_equal(other, c(1, 2, 3))
  expect_equal(place$nested$a, list("y"))
  expect_equal(c(f(), place$nested$f()), c(2, 6))
})

test_that("packages that tasks share are shared once, and those that come later with the flow", {
  shared <- share_memory()

  expect_setequal(shared, loadedNamespaces())
  expect_identical(share_memory("payload", setdiff(shared, "stats")), shared)
})
