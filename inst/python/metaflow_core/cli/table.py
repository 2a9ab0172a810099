"""Columns as text for a terminal."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any


def table(
    columns: Mapping[str, Sequence[Any]], shown: Mapping[str, str], width: int | None = None
) -> str:
    """Aligned columns with a head line; a line that says so if there are no rows.

    Args:
        columns: Column name to its values, all of one length.
        shown: Names of the columns to show, in order, with their heads.
        width: Longest line; the widest columns are cut. None for any length.
    """
    rows = list(
        zip(*(map(_COLUMN_TEXT.get(name, text), columns[name]) for name in shown), strict=True)
    )
    if not rows:
        return "(none)"
    lines = [tuple(shown.values()), *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    widths = _fitted(widths, width)
    lines = [tuple(map(_cut, line, widths)) for line in lines]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _fitted(widths: list[int], most: int | None) -> list[int]:
    """Widths of columns that fit together, taken from the widest first."""
    widths = list(widths)
    while most and sum(widths) + 2 * (len(widths) - 1) > most and max(widths) > _NARROWEST:
        widths[widths.index(max(widths))] -= 1
    return widths


def _cut(cell: str, width: int) -> str:
    return cell if len(cell) <= width else f"{cell[: width - 1]}…"


_NARROWEST = 12


def terminal_width() -> int | None:
    """Columns of the terminal; None where nobody looks, whose tables are as wide as they are."""
    try:
        return os.get_terminal_size(1).columns or None
    except OSError:
        return None


def text(value: Any) -> str:
    """A value in a table: nothing for None, the first line of a long text."""
    if value is None:
        return ""
    if isinstance(value, list):
        return ", ".join(map(text, value))
    return str(value).split("\n", 1)[0]


def time_text(at: float | None) -> str:
    """Seconds since 1970 as local time."""
    return "" if at is None else f"{datetime.fromtimestamp(at):%Y-%m-%d %H:%M:%S}"


def duration_text(seconds: float | None) -> str:
    """A duration such as ``0.21 s``, ``3 min 5 s`` or ``2 h 4 min``."""
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.2f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def size_text(size_bytes: int) -> str:
    """A size such as ``812 B`` or ``1.2 MB``."""
    size = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    raise AssertionError


_COLUMN_TEXT: dict[str, Any] = {
    "created_at": time_text,
    "finished_at": time_text,
    "duration_s": duration_text,
    "cpu_s": duration_text,
    "started_at": time_text,
    "duration_a_s": duration_text,
    "duration_b_s": duration_text,
    "size_a_bytes": lambda size: "" if size is None else size_text(size),
    "size_b_bytes": lambda size: "" if size is None else size_text(size),
    "peak_memory_bytes": lambda size: "" if size is None else size_text(size),
    "memory_bytes": lambda size: "" if size is None else size_text(size),
}
