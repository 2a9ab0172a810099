"""What a resumed run takes over from its origin run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from metaflow_core.model.task import Outcome, TaskKey


@dataclass(frozen=True, slots=True)
class OriginTask:
    """A task of the origin run that finished.

    Args:
        task_id: Its id there.
        outcome: What it decided about what follows.
    """

    task_id: str
    outcome: Outcome


@dataclass(frozen=True)
class Origin:
    """The finished tasks of the run that is resumed.

    Args:
        run_id: Id of the origin run.
        tasks: Its finished tasks by their place in the graph.
        unfinished: Its tasks that failed or were stopped, with a word about how.
        from_step: Step to start again from, with all that follows it; None for what failed.
    """

    run_id: str
    tasks: Mapping[TaskKey, OriginTask]
    unfinished: Mapping[TaskKey, str] = field(default_factory=dict)
    from_step: str | None = None
