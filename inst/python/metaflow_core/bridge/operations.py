"""The table of operations that R can ask for."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metaflow_core.compute.inline import ServeAttempt

OPERATIONS: dict[str, Callable[..., Any]] = {}
"""Operation name to function of plain keyword arguments that returns plain data."""

_HOMES = {
    **dict.fromkeys(("command", "version"), "metaflow_core.bridge.run"),
    **dict.fromkeys(("fsck", "gc"), "metaflow_core.bridge.care"),
    **dict.fromkeys(("scene", "scene_answer", "spin_pathspec"), "metaflow_core.bridge.scene"),
    "keep_spin": "metaflow_core.bridge.spin",
}
_CLIENT = "metaflow_core.bridge.client"
"""The module that registers an operation, imported when it is asked for; that of all others."""


@dataclass(frozen=True, slots=True)
class Live:
    """The way back to R while an operation runs.

    Args:
        emit: Prints text on ``"stdout"`` or ``"stderr"``.
        ask_r: Asks R to evaluate something by name with plain arguments; its plain answer.
        serve_inline: Runs an attempt in the R session.
    """

    emit: Callable[[str, str], None]
    ask_r: Callable[..., Any]
    serve_inline: ServeAttempt


def operation(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a function as an operation."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        OPERATIONS[name] = function
        return function

    return register


def find_operation(name: str) -> Callable[..., Any] | None:
    """The operation of that name; None if there is none.

    Only its own module is imported: the client needs no command line.
    """
    if name not in OPERATIONS:
        importlib.import_module(_HOMES.get(name, _CLIENT))
    return OPERATIONS.get(name)
