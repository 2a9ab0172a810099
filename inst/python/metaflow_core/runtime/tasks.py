"""A task's place in a run, and what a finished one left for those that follow."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

from metaflow_core.datastore.attempts import Encoded, FlowDatastore
from metaflow_core.model.flow import Step
from metaflow_core.model.task import ForeachFrame, Outcome, TaskKey

FLOW_NAME = "name"
"""Artifact that holds the flow's name in every task, as in stock Metaflow."""

FOREACH_ITEMS = "_foreach_items"
"""Artifact of a task that fans out: the items as R serialized each, if they are not native."""

FRAMES = "_frames"
"""Artifact of a failed task: the variables of the user's functions, R's own business."""

RUN_ARTIFACTS = (FLOW_NAME, "_graph_info", "_configs_processed")
"""Artifacts of ``_parameters`` that every task repeats."""

TASK_ARTIFACTS: Set[str] = {
    "_transition",
    "_task_ok",
    "_success",
    "_foreach_stack",
    "_iteration_stack",
    "_foreach_var",
    "_foreach_num_splits",
    "_foreach_values",
    FOREACH_ITEMS,
    "_exception",
    "_catch_exception",
    "_current_step",
    "_failure",
    "_condition",
    FRAMES,
    "_r_flow",
    "_r_seed",
}
"""Artifacts that say something about one task, and that the next one does not inherit."""


@dataclass(frozen=True, slots=True)
class Stored:
    """Artifacts by name: content hash, and what is recorded about each.

    Args:
        objects: Artifact name to the hash of its blob.
        info: Artifact name to its record, as in ``data.json``.
    """

    objects: Mapping[str, str] = field(default_factory=dict)
    info: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def encoded(self, name: str, store: FlowDatastore, task: str) -> Encoded:
        """An artifact, of which nothing has been read yet."""
        return Encoded(name, self.objects[name], self.info.get(name, {}), store.blobs, task)

    def without(self, names: Collection[str]) -> Stored:
        """The same without some names."""
        kept = {name: key for name, key in self.objects.items() if name not in names}
        return Stored(kept, {name: self.info[name] for name in kept if name in self.info})

    def completed_by(self, others: Stored) -> Stored:
        """The same with *others* of which it has none of that name."""
        return Stored({**others.objects, **self.objects}, {**others.info, **self.info})


@dataclass(frozen=True, slots=True)
class Level:
    """One level of a task's foreach stack.

    Args:
        frame: The frame as recorded.
        source: Artifacts of the task that fanned out, which hold the items.
    """

    frame: ForeachFrame
    source: Stored


@dataclass(frozen=True, slots=True)
class FinishedTask:
    """What a finished task left.

    Args:
        key: Its place in the graph.
        task_id: Its id.
        levels: Its foreach stack, outermost first.
        stored: Its artifacts, see `handed_on`.
        outcome: What it decided about what follows.
        values: For a foreach: each item as short text.
    """

    key: TaskKey
    task_id: str
    levels: tuple[Level, ...]
    stored: Stored
    outcome: Outcome = field(default_factory=Outcome)
    values: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """A task that is to run.

    Args:
        key: Its place in the graph.
        task_id: Its id.
        step: Its step.
        parents: What it follows; for a join, its inputs in order.
        levels: Its foreach stack, outermost first.
    """

    key: TaskKey
    task_id: str
    step: Step
    parents: tuple[FinishedTask, ...]
    levels: tuple[Level, ...]

    @property
    def frames(self) -> tuple[ForeachFrame, ...]:
        """The foreach stack as recorded."""
        return tuple(level.frame for level in self.levels)


def place_of(
    key: TaskKey,
    task_id: str,
    step: Step,
    parents: tuple[FinishedTask, ...],
    foreach: str | None,
) -> Place:
    """The place of a task that follows *parents*.

    Args:
        key: The task.
        task_id: Its id.
        step: Its step.
        parents: What it follows.
        foreach: Artifact that its parent fanned out over, or None.
    """
    levels = parents[0].levels[: len(key.indexes)]
    if len(levels) < len(key.indexes):
        assert foreach is not None
        levels += (new_level(key, foreach, parents[0]),)
    return Place(key, task_id, step, parents, levels)


def new_level(key: TaskKey, foreach: str, parent: FinishedTask) -> Level:
    """The innermost level of the task *key*, the first of its branch.

    Args:
        key: The task.
        foreach: Artifact that its parent fanned out over.
        parent: The task that fanned out.
    """
    index = key.indexes[-1]
    frame = ForeachFrame(
        step=key.step,
        var=foreach,
        num_splits=parent.outcome.num_splits or 0,
        index=index,
        value=parent.values[index] if index < len(parent.values) else "",
    )
    return Level(frame, parent.stored)


def handed_on(stored: Stored, parameters: Stored) -> Stored:
    """What a finished task is asked for by others, of all that it stored.

    A run remembers thousands of them: what they say about themselves, and what all of them repeat,
    is left out.
    """
    repeated = [name for name in RUN_ARTIFACTS if _is_of_run(name, stored, parameters)]
    return stored.without((TASK_ARTIFACTS - {FOREACH_ITEMS}) | set(repeated))


def inherited(place: Place, parameters: Stored) -> Stored:
    """The artifacts that a task starts with: its parent's, or after a join the parameters."""
    shared = parameters.without(TASK_ARTIFACTS)
    if place.step.is_join:
        return shared
    # A parent that was cloned does not know a parameter that came into the flow since.
    return place.parents[0].stored.without(TASK_ARTIFACTS).completed_by(shared)


def visible(stored: Stored, parameters: Stored) -> Stored:
    """What a step sees of *stored*: not Metaflow's own records.

    These begin with an underscore, but for the flow's name, which a step may have replaced by an
    artifact of its own.
    """

    def is_own(name: str) -> bool:
        if name != FLOW_NAME:
            return name.startswith("_")
        return _is_of_run(name, stored, parameters)

    return stored.without([name for name in stored.objects if is_own(name)])


def _is_of_run(name: str, stored: Stored, parameters: Stored) -> bool:
    """Whether *stored* has the artifact *name* from the run's parameters, and not from a step."""
    own = (parameters.objects.get(name), parameters.info.get(name))
    return (stored.objects.get(name), stored.info.get(name)) == own
