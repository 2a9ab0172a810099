"""What a resumed run takes over from its origin run."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from metaflow_core.model.flow import START, Flow
from metaflow_core.model.graph import Graph
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


class CloneRule:
    """The one rule by which a task is cloned or runs.

    A task is cloned if it finished in the origin run, all its parents are cloned, resume was not
    asked to start from its step or from one before it, and what it decided there is still possible.

    Args:
        graph: The flow as it is now.
        origin: The run that is resumed; its `from_step` is a step of the flow.
    """

    def __init__(self, graph: Graph, origin: Origin) -> None:
        self._flow, self._origin = graph.flow, origin
        start = origin.from_step
        self._begun = origin.tasks.keys() | origin.unfinished.keys()
        self._begun_steps = {task.step for task in self._begun}
        self._after_start = graph.descendants(start) if start else frozenset()

    def obstacle(self, task: TaskKey, executed_parent: TaskKey | None) -> str | None:
        """Why a task has to run, as half a sentence; None if it is cloned.

        Args:
            task: The task.
            executed_parent: A parent that was not cloned, if there is one.
        """
        origin = self._origin
        if task.step == origin.from_step:
            return f"resume was asked to start from {task.step}"
        if task in origin.unfinished:
            return f"{origin.unfinished[task]} in {origin.run_id}"
        if executed_parent is not None:
            parent = executed_parent.step
            return f"follows {parent}, which {'runs again' if self.knows(parent) else 'is new'}"
        if task.step in self._after_start:
            return f"comes after {origin.from_step}, from which resume was asked to start"
        if task not in origin.tasks:
            return f"not in {origin.run_id}"
        return self._outdated(task)

    def knows(self, step: str, task: TaskKey | None = None) -> bool:
        """Whether the origin run began this task, or any of the step."""
        return step in self._begun_steps if task is None else task in self._begun

    def _outdated(self, task: TaskKey) -> str | None:
        step, outcome = self._flow.steps[task.step], self._origin.tasks[task].outcome
        if step.is_foreach and not outcome.num_splits:
            return f"was not a foreach in {self._origin.run_id}"
        if step.is_switch and outcome.chosen not in step.next_steps:
            return f"chose no present next step in {self._origin.run_id}"
        return None


Verdict = Literal["clone", "run again", "new"]
"""Whether a task is cloned, runs again, or runs for the first time."""


@dataclass(frozen=True, slots=True)
class PlannedTask:
    """What a resume would do about a task.

    Args:
        step: The task's step.
        task: The task; None for all tasks of a step whose number is not known before it runs.
        verdict: What is done about it.
        why: The reason, as half a sentence.
    """

    step: str
    task: TaskKey | None
    verdict: Verdict
    why: str


_UNKNOWN = -1
"""Stands for each index of a foreach that runs again."""


def plan_resume(flow: Flow, origin: Origin) -> list[PlannedTask]:
    """What a resume would do, in the order of the graph.

    A foreach that runs again may split differently: its tasks share one row. A switch that runs
    again may choose differently: all its alternatives are listed.

    Args:
        flow: A sound flow.
        origin: The run to resume.
    """
    graph = Graph(flow)
    rule = CloneRule(graph, origin)
    obstacles: dict[TaskKey, str | None] = {}
    arrivals: dict[str, dict[TaskKey, TaskKey | None]] = {name: {} for name in graph.order}
    arrivals[START][TaskKey(START)] = None
    for name in graph.order:
        for task, executed_parent in arrivals[name].items():
            obstacles[task] = rule.obstacle(task, executed_parent)
            cloned = origin.tasks[task].outcome if obstacles[task] is None else None
            for following in _following(graph, task, cloned):
                known = arrivals[following.step].setdefault(following, None)
                arrivals[following.step][following] = known or (None if cloned else task)
    rows = [_row(rule, origin, task, obstacle) for task, obstacle in obstacles.items()]
    return list(dict.fromkeys(rows))


def with_uncloned(flow: Flow, run: Origin, older: Origin, executed: Collection[TaskKey]) -> Origin:
    """What a resume has that was ended while it cloned, and what it still had to clone.

    Args:
        flow: A sound flow.
        run: The resume.
        older: The run that it resumed, with the step from which it was asked to start.
        executed: The tasks that the resume ran itself.
    """
    kept = {key: task for key, task in older.tasks.items() if key not in executed}
    again = dict.fromkeys(executed, "ran again")
    rows = plan_resume(flow, replace(older, tasks=kept, unfinished={**older.unfinished, **again}))
    clones = {row.task: kept[row.task] for row in rows if row.task and row.verdict == "clone"}
    tasks = {**clones, **run.tasks}
    unfinished = {key: how for key, how in run.unfinished.items() if key not in tasks}
    return replace(run, tasks=tasks, unfinished=unfinished)


def _following(graph: Graph, task: TaskKey, cloned: Outcome | None) -> Iterator[TaskKey]:
    """The tasks that can come after *task*, which decides as it did if it is cloned."""
    step = graph.flow.steps[task.step]
    for name in graph.next_steps[task.step]:
        if step.is_foreach:
            splits = range(cloned.num_splits or 0) if cloned else [_UNKNOWN]
            yield from (TaskKey(name, (*task.indexes, index)) for index in splits)
        elif cloned is None or not step.is_switch or name == cloned.chosen:
            yield TaskKey(name, task.indexes[: graph.foreach_depth(name)])


def _row(rule: CloneRule, origin: Origin, task: TaskKey, obstacle: str | None) -> PlannedTask:
    if obstacle is None:
        return PlannedTask(task.step, task, "clone", f"finished in {origin.run_id}")
    known = None if _UNKNOWN in task.indexes else task
    verdict: Verdict = "run again" if rule.knows(task.step, known) else "new"
    return PlannedTask(task.step, known, verdict, obstacle)
