# Enters the failed task of the flow that has run here, and looks at the data in its frame and at its
# inputs. A script has no prompt to choose a frame at: all that it would offer is made.
task <- metaflow::debug_task("WideFlow/latest_run/gather", mode = "recover")
frame <- task$frames[[1]]
stopifnot(conditionMessage(task$condition) == "something to resume")
stopifnot(frame$joined == 1, identical(metaflow::gather_inputs(task$inputs, "x"), list(1L)))
