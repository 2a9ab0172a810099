"""Fails in its second step unless the environment variable FIXED is set."""

import os

from metaflow import FlowSpec, step


class FailingFlow(FlowSpec):
    @step
    def start(self):
        print("started once")
        self.kept = "from the origin run"
        self.next(self.middle)

    @step
    def middle(self):
        if "FIXED" not in os.environ:
            raise ValueError("not fixed yet")
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    FailingFlow()
