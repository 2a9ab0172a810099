"""How a run stands, for people: what runs, what waits and for what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from metaflow_core.model.task import TaskKey

TaskState = Literal[
    "ready",
    "cloning",
    "running",
    "cancelling",
    "retrying",
    "catching",
    "done",
    "failed",
    "cancelled",
]
"""States of a task, drawn in `scheduler.scheduler`; a task whose parents are not done has none."""

Phase = Literal["new", "running", "stopping", "finished"]
"""States of a run; a run that is stopping starts nothing and waits for what still runs."""

Reason = Literal["worker slots", "cpus", "retry", "parents"]
"""What a task waits for."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A task that waits.

    Args:
        task: The task.
        why: What it waits for.
        arrived: For a join that waits for its parents: how many are done.
        expected: For a join that waits for its parents: how many there are.
    """

    task: TaskKey
    why: Reason
    arrived: int = 0
    expected: int = 0


@dataclass(frozen=True)
class Snapshot:
    """How a run stands.

    Args:
        phase: Where the run is in its life.
        running: The attempts that run, oldest first, those that are being cancelled last.
        waiting: The tasks that wait: for room in the order they will be tried, then for their
            retry, then joins for their parents. Steps that nothing leads to yet are not listed.
        counts: Number of tasks in each state.
        cloned: Number of tasks taken over from the origin run.
    """

    phase: Phase
    running: tuple[tuple[TaskKey, int], ...]
    waiting: tuple[Waiting, ...]
    counts: Mapping[TaskState, int]
    cloned: int


@dataclass(frozen=True, slots=True)
class Tally:
    """How far a step inside of a foreach has come.

    Args:
        step: The step.
        expected: Number of its tasks, as far as the items are known by now.
        done: Tasks that are done.
        failed: Tasks that failed for good.
        running: Tasks that run.
    """

    step: str
    expected: int
    done: int
    failed: int
    running: int

    @property
    def ended(self) -> int:
        """Tasks of which nothing is to come."""
        return self.done + self.failed
