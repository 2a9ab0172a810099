"""Tells what the steps' functions will stumble over; R finds it, see `R/preflight.R`.

A warning has ``step``, ``kind`` ("unknown_function", "unknown_artifact" or "not_sendable"),
``name``, ``file`` (or ""), ``line`` (or 0) and ``message``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from metaflow_core import config
from metaflow_core.cli.invocation import Invocation
from metaflow_core.errors import MetaflowError

Warnings = Sequence[Mapping[str, Any]]

_MOST_SHOWN = 5


def warn_before_run(invocation: Invocation, asked: bool | None, *, quiet: bool) -> None:
    """Print the warnings of a flow that is about to run.

    Args:
        invocation: The command.
        asked: What the command line says; None leaves it to the setting.
        quiet: Whether the run prints only what tasks print.
    """
    wanted = config.get("METAFLOW_PREFLIGHT") != "0" if asked is None else asked
    if not wanted or quiet:
        return
    try:
        warnings = invocation.preflight(False)
    except MetaflowError:
        return  # a run does not fail for want of warnings
    print_warnings(invocation, warnings, most=_MOST_SHOWN)


def print_warnings(invocation: Invocation, warnings: Warnings, most: int) -> None:
    """Print the first *most* of *warnings* to standard error, and how many more there are."""
    lines = [f"Warning: {_place(one)}{one['message']}." for one in warnings[:most]]
    if len(warnings) > most:
        lines.append(f"... and {len(warnings) - most} more: {invocation.command('check')}")
    if lines:
        invocation.emit("".join(f"{line}\n" for line in lines), "stderr")


def count_of(warnings: Warnings) -> str:
    """``1 warning``, ``3 warnings``."""
    return f"{len(warnings)} warning{'' if len(warnings) == 1 else 's'}"


def _place(warning: Mapping[str, Any]) -> str:
    """``flow.R:8: ``, or nothing where the line is not known."""
    if not warning["file"] or not warning["line"]:
        return ""
    return f"{os.path.relpath(warning['file'])}:{warning['line']}: "
