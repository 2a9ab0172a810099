# All mutable state of the package, field by field.
the <- new.env(parent = emptyenv())

# The Python module `metaflow_core.bridge`, once it is loaded.
the$core <- NULL

# State of the tasks whose `self` or `inputs` live in this process, by id; see `self.R`.
the$tasks <- new.env(parent = emptyenv())

# In a worker: the flow's payload, as `load_payload()` returns it.
the$payload <- NULL

# What `current()` answers inside of a step; NULL outside of one.
the$current <- NULL

# Whether `run()` only hands over its flow, to one who evaluates a script for its code.
the$hands_over_flow <- FALSE

# Undoes what entering a task changed in this session; NULL if none is entered.
the$leave <- NULL
