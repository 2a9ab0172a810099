"""Guesses whether a command will fork tasks, before there is a command line to parse it.

A guess may be wrong: then a process was started for nothing, or later than it could have been.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from metaflow_core import config
from metaflow_core.cli.chosen import RUN, chosen_by_r

_RUNS = {RUN, "resume"}


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
    command, _ = chosen_by_r(options)
    return command in _RUNS and not (options.get("plan") or options.get("other_args"))
