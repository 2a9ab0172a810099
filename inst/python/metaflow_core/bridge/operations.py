"""The table of operations that R can ask for."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

OPERATIONS: dict[str, Callable[..., Any]] = {}
"""Operation name to function of plain keyword arguments that returns plain data."""

_MODULES = ("metaflow_core.bridge.client", "metaflow_core.bridge.run")
"""Modules that register operations; imported at the first question."""


@dataclass(frozen=True, slots=True)
class Live:
    """The way back to R while an operation runs.

    Args:
        emit: Prints text on ``"stdout"`` or ``"stderr"``.
        ask_r: Asks R to evaluate something by name with plain arguments; its plain answer.
    """

    emit: Callable[[str, str], None]
    ask_r: Callable[..., Any]


def operation(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a function as an operation."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        OPERATIONS[name] = function
        return function

    return register


def load_operations() -> None:
    """Import every module that registers operations."""
    for module in _MODULES:
        importlib.import_module(module)
