"""Values that describe a flow and its tasks. Frozen, without I/O; may import only `errors`."""
