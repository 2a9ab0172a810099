"""Log lines in Metaflow's format: ``[MFLOG|0|<UTC time>Z|<source>|<line id>]text``.

Source of the format: Netflix/metaflow 2.19, mflog/mflog.py.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from uuid import uuid4

RUNTIME, TASK, LOAD = "runtime", "task", "load"
"""Sources of lines: the process that captures a task's output, the task itself, and what was
printed before the user's code began, which has no file of its own."""

STDOUT, STDERR = "stdout", "stderr"
"""Streams of a task."""

TICK_US = 2
"""Stock Metaflow sorts the lines of one microsecond by their text, so there is one line in each."""

_SECOND_US = 1_000_000

_LINE = re.compile(rb"(?:\[!)?\[MFLOG\|0\|(.+?)Z\|(.+?)\|(.+?)\](.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of a log.

    Args:
        at: When it was captured, in seconds since 1970, or None if the line does not tell.
        text: The line, without its end.
        source: `RUNTIME`, `TASK`, `LOAD` or another, or "" if the line does not tell.
        id: The line's id, or "".
    """

    at: float | None
    text: str
    source: str = ""
    id: str = ""


def format_line(source: str, text: str, at: float) -> bytes:
    """One line of a log file, with its end.

    Args:
        source: `RUNTIME`, `TASK` or `LOAD`.
        text: The line; a line end in it would make it two.
        at: When it was captured, in seconds since 1970.
    """
    return format_lines(source, [text.encode("utf-8", "surrogateescape")], round(at * _SECOND_US))


def format_lines(source: str, lines: Sequence[bytes], at_us: int) -> bytes:
    """Lines of a log file that came together, each with its end.

    Args:
        source: `RUNTIME`, `TASK` or `LOAD`.
        lines: The lines, without their ends.
        at_us: When the first was captured, in microseconds since 1970; each further one is
            `TICK_US` later.
    """
    parts: list[bytes] = []
    done = 0
    while done < len(lines):
        second, start_us = divmod(at_us + done * TICK_US, _SECOND_US)
        within = range(start_us, _SECOND_US, TICK_US)[: len(lines) - done]
        parts += _within_second(source, second, within, lines[done : done + len(within)])
        done += len(within)
    return b"".join(parts)


def _within_second(
    source: str, second: int, microseconds: range, lines: Sequence[bytes]
) -> list[bytes]:
    # A time and an id for each line would cost more than all else that is done with it.
    head = f"[MFLOG|0|{_stamp(second)}.%06dZ|{source}|{str(uuid4())[:-6]}%06d]%b\n".encode()
    return [head % (us, us, line) for us, line in zip(microseconds, lines, strict=True)]


@lru_cache(maxsize=1)
def _stamp(second: int) -> str:
    return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}"


def parse_lines(data: bytes) -> Iterator[LogLine]:
    """The lines of a log file; one that is not in the format has its text only."""
    lines = data.split(b"\n")
    if not lines[-1]:
        lines.pop()
    return map(parse_line, lines)


def parse_line(line: bytes) -> LogLine:
    """A line of a log file, without its end."""
    found = _LINE.fullmatch(line)
    if found is not None:
        stamp, source, identity, text = (part.decode("utf-8", "replace") for part in found.groups())
        try:
            at = datetime.fromisoformat(f"{stamp}+00:00").timestamp()
        except ValueError:
            pass
        else:
            return LogLine(at, text, source, identity)
    return LogLine(None, line.decode("utf-8", "replace"))


def merge(logs: Iterable[bytes]) -> Iterator[LogLine]:
    """The lines of several log files of one stream, by time, as stock Metaflow has them.

    A line without a time stays behind the line that it follows in its file. `logs.LogReader` needs
    no whole files.
    """
    keyed = (_with_times(data) for data in logs)
    return (line for _, line in heapq.merge(*keyed, key=lambda pair: pair[0]))


def _with_times(data: bytes) -> list[tuple[float, LogLine]]:
    latest = 0.0
    pairs: list[tuple[float, LogLine]] = []
    for line in parse_lines(data):
        latest = latest if line.at is None else line.at
        pairs.append((latest, line))
    return sorted(pairs, key=lambda pair: pair[0])
