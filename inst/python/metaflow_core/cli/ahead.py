"""Guesses whether a command will fork tasks, before there is a command line to parse it.

A guess may be wrong: then a process was started for nothing, or later than it could have been.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from metaflow_core import config

_RUNS = {"run", "resume"}
_ELSE_IN_R = {"check", "dump", "help", "logs", "other_args", "plan", "show"}
"""Arguments of R's `run()` that ask for something else than a run."""


def will_fork(argv: Sequence[str], options: Mapping[str, Any]) -> bool:
    """Whether the words of a terminal and the arguments of R's `run()` look as if tasks would fork.

    Args:
        argv: Words of the command line, without the script's name.
        options: Arguments of `run()` by R's names.
    """
    ways = [str(options.get("isolation") or config.get("METAFLOW_DEFAULT_ISOLATION")), *argv]
    if options.get("inline") or {"process", "inline", "--inline", "--isolation=process"} & {*ways}:
        return False
    if argv:
        return bool(_RUNS & {*argv}) and not {"--plan", "--help"} & {*argv}
    return not any(options.get(name) for name in _ELSE_IN_R)
