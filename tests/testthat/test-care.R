test_that("a sound store has no damage", {
  local_store()
  damage <- metaflow_fsck("TrainFlow")

  expect_identical(nrow(damage), 0L)
  expect_identical(vapply(damage, typeof, ""), c(
    kind = "character", path = "character", message = "character", affected = "list"
  ))
})

test_that("nothing is called unused while a task may be running", {
  local_store()
  expect_error(metaflow_gc("TrainFlow"), class = "metaflow_store_error")
})

test_that("damage is told with what it affects, and unused blobs are removed on request", {
  runs <- local_store_copy()
  root <- sub("^local@", "", get_metadata())
  blobs <- list.files(file.path(root, ".metaflow", "TrainFlow", "data"), recursive = TRUE,
    full.names = TRUE
  )
  unlink(file.path(root, ".metaflow", runs$running), recursive = TRUE)
  unused <- file.path(root, ".metaflow", "TrainFlow", "data", "aa", strrep("a", 40))
  dir.create(dirname(unused), showWarnings = FALSE)
  file.copy(blobs[[1]], unused)

  expect_true(strrep("a", 40) %in% metaflow_gc("TrainFlow"))
  expect_gt(attr(metaflow_gc("TrainFlow", remove = TRUE), "freed_bytes"), 0)
  expect_false(file.exists(unused))

  for (blob in blobs) if (file.exists(blob)) writeBin(as.raw(0), blob)
  damage <- metaflow_fsck("TrainFlow")
  expect_true(any(damage$kind == "blob_corrupted"))
  expect_gt(length(damage$affected[[1]]), 0)

  metaflow_fsck("TrainFlow", remove = TRUE)
  expect_identical(unique(metaflow_fsck("TrainFlow")$kind), "blob_missing")
})
