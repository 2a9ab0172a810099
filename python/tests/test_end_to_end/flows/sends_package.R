library(metaflow)

# As `devtools::load_all()` leaves it: attached, but in no library.
attach(new.env(), name = "package:inhouse")

metaflow("PackageFlow") |>
  step(step = "start", next_step = "end") |>
  step(step = "end") |>
  run()
