# Reads what the runs of debugflow.R left in the store, in a session that ran none of them.
library(metaflow)

print(runs("DebugFlow")[c("run_id", "status", "duration_s")])

run <- run_client$new("DebugFlow/latest_successful_run")
print(run)
b <- run$step("b")
b <- b$task(b$a_task)
cat("var in step b is", b$artifact("var"), "\n")

# A failed run is read like any other: this is why the first one failed.
failed <- tail(runs("DebugFlow", status = "failed")$run_id, 1)
b <- step_client$new(paste0("DebugFlow/", failed, "/b"))
error <- b$task(b$a_task)$exception
print(error)
print(error$frames)
