"""Does: carries out what the scheduler decides. May import everything but `cli` and `bridge`."""
