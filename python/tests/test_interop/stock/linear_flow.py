"""Parameters, a retried step, output on both streams."""

from metaflow import FlowSpec, Parameter, current, retry, step


class LinearFlow(FlowSpec):
    alpha = Parameter("alpha", default=0.5, type=float)
    title = Parameter("title", default='ünï "quoted"')
    words = Parameter("words", default="a,b", separator=",")

    @retry(times=1, minutes_between_retries=0)
    @step
    def start(self):
        print("attempt", current.retry_count)
        if current.retry_count == 0:
            raise ValueError("only the second attempt works")
        self.number = 3
        self.next(self.end)

    @step
    def end(self):
        import sys

        print("to stderr", file=sys.stderr)
        self.number += self.alpha


if __name__ == "__main__":
    LinearFlow()
