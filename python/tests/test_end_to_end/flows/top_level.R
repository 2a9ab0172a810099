# What the script has open when it calls run() is its own: no task has it.
library(metaflow)

log_file <- file("log.txt", "w")
writeLines("written once", log_file)
server <- serverSocket(0L + as.integer(Sys.getenv("PORT")))
pdf("own.pdf")
plot(1)
large <- as.numeric(1:2e7)

start <- function(self) {
  cat("connections=", nrow(showConnections()), "\n", sep = "")
  cat("devices=", length(dev.list()), "\n", sep = "")
  cat("large=", sum(large), "\n", sep = "")
}

metaflow("TopLevelFlow") |>
  step(step = "start", r_function = start, next_step = "end") |>
  step(step = "end", r_function = start) |>
  run()
