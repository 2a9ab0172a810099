"""A task's place in the graph, and what came of its attempts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, order=True)
class TaskKey:
    """A step at one foreach position; unique in a run.

    Args:
        step: Step name.
        indexes: Position in each enclosing foreach, outermost first, counted from 0.
    """

    step: str
    indexes: tuple[int, ...] = ()

    def __str__(self) -> str:
        return f"{self.step}[{','.join(map(str, self.indexes))}]" if self.indexes else self.step


@dataclass(frozen=True, slots=True)
class ForeachFrame:
    """One level of a task's foreach stack.

    Args:
        step: The step that fanned out *(its child's name in stock Metaflow's records)*.
        var: The artifact that was fanned out over.
        num_splits: Number of its items.
        index: Position of this task's item, from 0.
        value: The item as short text, for display.
    """

    step: str
    var: str
    num_splits: int
    index: int
    value: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a finished task decided about what follows.

    Args:
        chosen: For a switch: the name of the next step that was chosen, else None.
        num_splits: For a foreach: the number of items, >= 1, else None.
    """

    chosen: str | None = None
    num_splits: int | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt failed.

    Args:
        kind: ``"error"`` (the step raised an R error), ``"killed"``, ``"timeout"``, ``"lost"``,
            ``"stopped"`` (because of another failure, or by the user), ``"save"`` (a result could
            not be stored), ``"start"`` (the worker could not start).
        message: The R message, or a sentence that tells what happened.
        call: The R call that failed, as text, or "".
        classes: The R condition's class vector; empty unless kind is ``"error"``.
        frames: The user's frames, outermost first: ``{"call", "file", "line"}``.
        condition: The R condition as R `serialize()` bytes, or b"".
        retriable: False when another attempt could not end otherwise.
    """

    kind: str
    message: str
    call: str = ""
    classes: Sequence[str] = ()
    frames: Sequence[dict[str, Any]] = field(default_factory=tuple)
    condition: bytes = b""
    retriable: bool = True
