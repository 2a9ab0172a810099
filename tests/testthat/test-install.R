test_that("the core's requirements are those that the package ships", {
  expect_match(core_requirements(), "^(click|isal)>=", all = TRUE)
})

test_that("the Python that runs the core is fit", {
  expect_null(why_unfit(Sys.getenv("RETICULATE_PYTHON")))
})

test_that("the first fit Python is taken", {
  python <- Sys.getenv("RETICULATE_PYTHON")

  expect_equal(fit_python(c("/no/such/python", python)), python)
})

test_that("where no Python is fit, the error says of each why not", {
  error <- expect_error(fit_python("/no/such/python"), class = "metaflow_no_python")

  expect_match(conditionMessage(error), "/no/such/python cannot be started", fixed = TRUE)
  expect_match(conditionMessage(error), "install_metaflow(python = ", fixed = TRUE)
})

test_that("conda is refused with what to do instead", {
  expect_error(
    install_metaflow(method = "conda"),
    "METAFLOW_PYTHON",
    class = "metaflow_invalid_argument"
  )
})

test_that("the core is compiled for the Python that will run it", {
  folder <- withr::local_tempdir()
  writeLines("x = 1", file.path(folder, "module.py"))

  compile_core(Sys.getenv("RETICULATE_PYTHON"), folder)

  expect_match(list.files(file.path(folder, "__pycache__")), "^module[.].*[.]pyc$")
})

test_that("a library that cannot be written to does not stop the installation", {
  expect_silent(compile_core(Sys.getenv("RETICULATE_PYTHON"), "/no/such/folder"))
})
