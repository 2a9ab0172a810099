# Enters the failed task of the flow that has run here, and looks at its data.
task <- metaflow::debug_task("WideFlow/latest_run/gather")
stopifnot(conditionMessage(task$condition) == "something to resume", is.function(task$fun))
stopifnot(identical(metaflow::gather_inputs(task$inputs, "x"), list(1L)))
