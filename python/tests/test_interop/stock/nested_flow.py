"""A foreach inside of a foreach."""

from metaflow import FlowSpec, step


class NestedFlow(FlowSpec):
    @step
    def start(self):
        self.letters = ["a", "b"]
        self.next(self.outer, foreach="letters")

    @step
    def outer(self):
        self.letter = self.input
        self.numbers = [10, 20]
        self.next(self.inner, foreach="numbers")

    @step
    def inner(self):
        self.item = f"{self.letter}{self.input}"
        self.next(self.inner_join)

    @step
    def inner_join(self, inputs):
        self.items = [i.item for i in inputs]
        self.next(self.outer_join)

    @step
    def outer_join(self, inputs):
        self.items = [i.items for i in inputs]
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    NestedFlow()
