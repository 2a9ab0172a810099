"""A flow for the stock Metaflow: the columns of the data frame of `large.R` as Python's lists."""

import os
import random

from metaflow import FlowSpec, step

ROWS = 1_000_000


class LargeFlow(FlowSpec):
    @step
    def start(self) -> None:
        value = {
            "id": list(range(ROWS)),
            "x": [random.random() for _ in range(ROWS)],
            "label": [f"label {number}" for number in range(ROWS)],
        }
        if os.environ["BENCH_DO"] == "save":
            self.value = value
        self.next(self.end)

    @step
    def end(self) -> None:
        pass


if __name__ == "__main__":
    LargeFlow()
