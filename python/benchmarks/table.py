"""The figures of all rounds as a table, and as JSON data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from benchmarks.benchmark import Benchmark, Figure, Limit, Target

HEADER = ("benchmark", "what", "rounds", "measured", "reference", "ratio", "must", "", "aim", "")


@dataclass(frozen=True)
class Row:
    """A target and what all rounds measured of it."""

    benchmark: str
    target: Target
    figures: Sequence[Figure]

    @property
    def median(self) -> Figure:
        """The medians of value and of reference."""
        values = median(figure.value for figure in self.figures)
        references = [f.reference for f in self.figures if f.reference is not None]
        return Figure(values, median(references) if references else None)

    @property
    def ratio(self) -> float | None:
        """The median of value over reference: both were measured in one round."""
        ratios = [f.value / f.reference for f in self.figures if f.reference]
        return median(ratios) if ratios else None

    def reaches(self, limit: Limit | None) -> bool | None:
        """Whether the median of all rounds keeps to *limit*; None if there is none."""
        return None if limit is None else limit.is_reached(self.figures)

    def cells(self) -> tuple[str, ...]:
        """The row of the table."""
        target, middle = self.target, self.median
        reference = ""
        if middle.reference is not None:
            reference = f"{number(middle.reference)} {target.reference}".strip()
        return (
            self.benchmark,
            target.what,
            str(len(self.figures)),
            f"{number(middle.value)} {target.unit}".strip(),
            reference,
            "" if self.ratio is None else number(self.ratio),
            *_judged(target.must, self.reaches(target.must)),
            *_judged(target.aim, self.reaches(target.aim)),
        )

    def as_data(self) -> dict[str, Any]:
        """The row as JSON data, with the figures of each round."""
        target, middle = self.target, self.median
        return {
            "benchmark": self.benchmark,
            "figure": target.name,
            "what": target.what,
            "unit": target.unit,
            "median": middle.value,
            "reference": target.reference or None,
            "reference_median": middle.reference,
            "ratio": self.ratio,
            "must": str(target.must) if target.must else None,
            "must_reached": self.reaches(target.must),
            "aim": str(target.aim) if target.aim else None,
            "aim_reached": self.reaches(target.aim),
            "rounds": [figure._asdict() for figure in self.figures],
        }


def rows(benchmark: Benchmark, rounds: Sequence[Mapping[str, Figure]]) -> list[Row]:
    """The rows of *benchmark*, of which *rounds* were measured."""
    return [Row(benchmark.name, t, [r[t.name] for r in rounds]) for t in benchmark.targets]


def text(header: Sequence[str], cells: Sequence[Sequence[str]]) -> str:
    """A table with columns of their own width."""
    widths = [max(map(len, column)) for column in zip(header, *cells, strict=True)]
    lines = ("  ".join(map(str.ljust, line, widths)).rstrip() for line in (header, *cells))
    return "\n".join(lines)


def number(value: float) -> str:
    """A number with three significant digits."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _judged(limit: Limit | None, is_reached: bool | None) -> tuple[str, str]:
    if limit is None:
        return "", ""
    return str(limit), "reached" if is_reached else "NOT reached"
