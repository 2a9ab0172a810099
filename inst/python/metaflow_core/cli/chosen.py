"""Which command the arguments of R's `run()` choose."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

RUN = "run"

SELECTORS: Mapping[str, str | None] = {
    "resume": "step",
    "show": None,
    "check": None,
    "help": None,
    "logs": "pathspec",
    "dump": "pathspec",
    "batch": None,
    "step_functions": None,
}
"""Arguments that choose the command of their name, with the parameter of it that they are for."""


def chosen_by_r(options: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The command, and defaults of its parameters.

    Args:
        options: Arguments of `run()`, by R's names.
    """
    for name, parameter in SELECTORS.items():
        value = options.get(name)
        if value is not None and value is not False:
            is_value = parameter is not None and value is not True
            return name, {str(parameter): value} if is_value else {}
    return RUN, {}
