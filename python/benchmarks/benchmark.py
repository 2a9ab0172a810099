"""What a benchmark is: what it measures with, what it answers, and what that must reach."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Literal, NamedTuple

from benchmarks.measure import Cost, cost_of

FLOWS = Path(__file__).with_name("flows")

SETTINGS = {
    "METAFLOW_USER": "bench",
    # As at users': Python keeps what it has compiled.
    "PYTHONDONTWRITEBYTECODE": "",
}
"""Environment variables of what is measured."""


class Figure(NamedTuple):
    """What one round measured.

    Args:
        value: The measure, in its target's unit.
        reference: The same of what it is compared with; None where nothing is.
    """

    value: float
    reference: float | None = None


@dataclass(frozen=True)
class Limit:
    """What a figure must reach.

    Args:
        bound: The number.
        of: What is compared with it: the value itself, the value over its reference, or the value
            less its reference.
        at_least: Whether the bound is a lower one.
    """

    bound: float
    of: Literal["value", "ratio", "difference"] = "value"
    at_least: bool = False

    def is_reached(self, rounds: Sequence[Figure]) -> bool:
        """Whether the median of *rounds* keeps to it."""
        middle = median(self._compared(figure) for figure in rounds)
        return middle >= self.bound if self.at_least else middle <= self.bound

    def _compared(self, figure: Figure) -> float:
        if self.of == "value":
            return figure.value
        assert figure.reference is not None
        by_ratio = self.of == "ratio"
        return figure.value / figure.reference if by_ratio else figure.value - figure.reference

    def __str__(self) -> str:
        sign = "≥" if self.at_least else "≤"
        match self.of:
            case "ratio" if 0 < self.bound < 0.5:
                return f"{sign} ref/{1 / self.bound:g}"
            case "ratio":
                return f"{sign} {self.bound:g} × ref"
            case "difference":
                return f"{sign} ref + {self.bound:g}"
            case _:
                return f"{sign} {self.bound:g}"


@dataclass(frozen=True)
class Target:
    """A row of the table.

    Args:
        name: Its figure's name in what the benchmark answers.
        what: What is measured, in a few words.
        unit: Its unit.
        must: What has to be reached; None for a figure that is only told.
        aim: What is wished for.
        reference: What it is compared with, in a few words.
    """

    name: str
    what: str
    unit: str
    must: Limit | None = None
    aim: Limit | None = None
    reference: str = ""


@dataclass
class Workbench:
    """What benchmarks measure with.

    Every command gets a directory of its own, and none is removed before the last one has ended:
    files are made more slowly where many were removed.

    Args:
        root: Where the directories are made.
        is_full: Whether to measure at full size what is large.
    """

    root: Path
    is_full: bool = False
    _made: int = field(default=0, init=False)
    _kept: dict[str, Path] = field(default_factory=dict, init=False)

    def directory(self) -> Path:
        """A new empty directory."""
        self._made += 1
        made = self.root / str(self._made)
        made.mkdir()
        return made

    def once(self, name: str, make: Callable[[], Path]) -> Path:
        """What *make* has made, at the first time that it was asked for by *name*."""
        if name not in self._kept:
            self._kept[name] = make()
        return self._kept[name]

    def r(self, code: str) -> Cost:
        """R on a line of code, without anybody's profile."""
        return cost_of(["Rscript", "--vanilla", "-e", code], self.directory())

    def flow(
        self,
        script: str,
        *words: str,
        directory: Path | None = None,
        exit_code: int = 0,
        **variables: object,
    ) -> Cost:
        """A command of a flow in the folder ``flows``.

        Args:
            script: Name of the file.
            words: Words of the command line.
            directory: Where it runs and where its store is; by default a new one.
            exit_code: How it must end.
            variables: What the script looks at: environment variables, ``BENCH_`` in front.
        """
        named = {f"BENCH_{name.upper()}": value for name, value in variables.items()}
        where = directory or self.directory()
        command = ["Rscript", FLOWS / script, *(words or ["run"])]
        return cost_of(command, where, {**SETTINGS, **named}, exit_code)


Round = Callable[[Workbench], Mapping[str, Figure]]


@dataclass(frozen=True)
class Benchmark:
    """A function that measures once, and what its figures must reach.

    Args:
        name: What `make bench B=` calls it.
        targets: Its rows of the table.
        round: Measures once.
        most_rounds: How often it is run at most, for one that takes long.
    """

    name: str
    targets: Sequence[Target]
    round: Round
    most_rounds: int


def benchmark(name: str, *targets: Target, most_rounds: int = 1000) -> Callable[[Round], Benchmark]:
    """Make a benchmark of the function that measures once."""
    return lambda function: Benchmark(name, targets, function, most_rounds)


def bare_r(bench: Workbench) -> Cost:
    """The reference of most: R that is started and does nothing."""
    return bench.r("0")
