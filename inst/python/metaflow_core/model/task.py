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


FAILURE_KINDS = {
    "error": "failed",
    "killed": "was killed",
    "out_of_memory": "ran out of memory",
    "recursion": "called itself without end",
    "timeout": "took too long",
    "quit": "ended its R process",
    "lost": "was lost",
    "stopped": "was stopped",
    "start": "could not start",
    "load": "could not load an input",
    "save": "could not save its results",
    "disk_full": "found the disk full",
    "malformed": "gave no result that can be read",
}
"""What can befall an attempt, and what is said of its step then. In R, `metaflow_task_<kind>` is a
class of the condition, but for an error of R, which keeps its own."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt failed.

    Args:
        kind: One of `FAILURE_KINDS`.
        message: The R message, or a sentence that tells what happened.
        call: The R call that failed, as text, or "".
        classes: The R condition's class vector; empty if R raised none.
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
