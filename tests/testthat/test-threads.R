# Threads in the way of a fork are counted, and named where they can be.

test_that("threads are counted", {
  status <- withr::local_tempfile(lines = c("Name:\tR", "Threads:\t3", "VmHWM:\t  2048 kB"))

  expect_equal(thread_hazard(status), "what the script loads has started threads (3 run)")
  expect_equal(peak_memory_bytes(status), 2048 * 1024)
  writeLines("Threads:\t1", status)
  expect_null(thread_hazard(status))
  expect_null(thread_hazard("/nowhere"))
  expect_null(peak_memory_bytes("/nowhere"))
})

test_that("libraries that may have started threads are named", {
  status <- withr::local_tempfile(lines = "Threads:\t3")
  maps <- withr::local_tempfile(lines = c(
    "7f00-7f01 r-xp 00000000 08:01 42 /opt/mkl/libmkl_core.so.2",
    "7f01-7f02 r-xp 00000000 08:01 43 /opt/mkl/libiomp5.so",
    "7f02-7f03 r-xp 00000000 08:01 44 /usr/lib/libgomp.so.1",
    "7f03-7f04 rw-p 00000000 00:00 0"
  ))

  expect_equal(threaded_libraries("none", maps), c("MKL", "Intel OpenMP"))
  expect_equal(threaded_libraries("OpenMP", "/nowhere"), "OpenBLAS (OpenMP)")
  expect_length(threaded_libraries("pthreads", "/nowhere"), 0)
  expect_equal(
    thread_hazard(status, "OpenMP"),
    "what the script loads, perhaps OpenBLAS (OpenMP), has started threads (3 run)"
  )
  expect_equal(
    thread_starter(NA, c("MKL", "TBB")),
    "what the script loads, perhaps MKL or TBB,"
  )
})
