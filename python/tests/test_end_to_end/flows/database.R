# A database that the script has open while steps open it themselves; with SHARED, they use the
# script's connection.
library(metaflow)
library(DBI)

db <- dbConnect(RSQLite::SQLite(), "data.sqlite")
dbWriteTable(db, "numbers", data.frame(n = 1:3))

add <- function(self) {
  own <- dbConnect(RSQLite::SQLite(), "data.sqlite")
  on.exit(dbDisconnect(own))
  dbExecute(own, "INSERT INTO numbers VALUES (10)")
}

use <- function(self) dbGetQuery(db, "SELECT sum(n) FROM numbers")

result <- metaflow("DatabaseFlow") |>
  step(step = "start", r_function = if (nzchar(Sys.getenv("SHARED"))) use else add,
       next_step = "end") |>
  step(step = "end", r_function = add) |>
  run()
cat("sum=", dbGetQuery(db, "SELECT sum(n) AS n FROM numbers")$n, "\n", sep = "")
