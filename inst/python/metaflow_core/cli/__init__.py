"""The command line: parses, calls one function, prints. No logic; may import all but `bridge`."""
