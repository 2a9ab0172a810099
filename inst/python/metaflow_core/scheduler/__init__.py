"""Decides: events in, actions out. No clock, process, storage or randomness; may import `model`."""
