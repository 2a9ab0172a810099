"""The core of Metaflow for R: schedules, stores and reads back runs; R runs the steps."""

__version__ = "0.1.0"
