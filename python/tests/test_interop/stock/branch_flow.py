"""A static split with values of many kinds, and a caught failure."""

import datetime

from metaflow import FlowSpec, catch, step


class BranchFlow(FlowSpec):
    @step
    def start(self):
        self.nothing = None
        self.flag = True
        self.big = 2**70
        self.half = 0.5
        self.text = "día\n"
        self.raw = b"\x00\xff"
        self.array = bytearray(b"abc")
        self.values = [1, 2.5, "x", None, [True]]
        self.pair = (1, "two")
        self.unique = {1, 2, 3}
        self.mapping = {"a": 1, "b": {"c": [1, 2]}}
        self.by_number = {1: "one"}
        self.z = complex(1, -2)
        self.day = datetime.date(2024, 2, 29)
        self.instant = datetime.datetime(2024, 2, 29, 12, 34, 56, 789)
        self.next(self.left, self.right)

    @step
    def left(self):
        self.side = "left"
        self.next(self.join)

    @catch(var="failure", print_exception=False)
    @step
    def right(self):
        self.side = "right"
        raise ValueError("this is caught")
        self.next(self.join)

    @step
    def join(self, inputs):
        self.merge_artifacts(inputs, exclude=["side", "failure"])
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    BranchFlow()
