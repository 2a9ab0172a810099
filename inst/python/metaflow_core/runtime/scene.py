"""A task of the past as its worker saw it, made again from what is stored.

The place of the task in its run is worked out from the recorded graph and the foreach positions,
so that a `Briefing` can tell the same to the session of a user who enters the task.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from metaflow_core import client
from metaflow_core.client import describe
from metaflow_core.client.store import Store
from metaflow_core.decorators.registry import policy_of
from metaflow_core.errors import TaskNotFound, UsageError
from metaflow_core.metadata.provider import Identity
from metaflow_core.model.flow import PARAMETERS, START, Flow, Step
from metaflow_core.model.graph import Graph, flow_from_info
from metaflow_core.model.pathspec import Pathspec
from metaflow_core.model.task import TaskKey
from metaflow_core.runtime.briefing import Briefing
from metaflow_core.runtime.console import Console
from metaflow_core.runtime.context import RunContext
from metaflow_core.runtime.past import PastRun
from metaflow_core.runtime.tasks import FinishedTask, Level, Place, Stored, new_level

_TOLD = ("status", "exception", "attempt", "origin_pathspec")
"""What the client knows of a task that one who enters it wants to know."""


class PastPlaces:
    """The places of a past run's tasks.

    What a task follows stands in its record, so that one of thousands is placed without a look at
    its siblings. Where it does not, as in runs of others, all tasks of a step are looked through.

    Args:
        run: The run.
    """

    def __init__(self, run: PastRun) -> None:
        self._run = run
        self._tasks: dict[str, dict[TaskKey, str]] = {}

    @cached_property
    def parameters(self) -> FinishedTask:
        """The task `_parameters`."""
        return FinishedTask(TaskKey(PARAMETERS), "0", (), self._run.parameters())

    @cached_property
    def flow(self) -> Flow:
        """The flow as it was when the run was started.

        Raises:
            UsageError: If the run is of a version that did not record it.
        """
        info = self._run.value(self.parameters.stored, "_graph_info")
        if not isinstance(info, Mapping):
            raise UsageError(
                f"Run {self._run.pathspec} did not record its graph, so its tasks cannot be "
                "entered.",
                f'Its artifacts can be read: run_client$new("{self._run.pathspec}").',
            )
        return flow_from_info(self._run.pathspec.flow, info)

    @cached_property
    def _graph(self) -> Graph:
        return Graph(self.flow)

    def key(self, task: Pathspec) -> TaskKey:
        """The place of a task in the graph; of one that is not there, the first of its step."""
        step = str(task.step)
        if self._run.metadata.get(task) is None:
            return TaskKey(step, (0,) * self._graph.foreach_depth(self._step(step).name))
        return TaskKey(step, self._run.recorded_indexes(task))

    def place(self, key: TaskKey, task_id: str) -> Place:
        """The place of a task, whether it ran or not.

        Args:
            key: The task.
            task_id: Its id.

        Raises:
            TaskNotFound: If what it follows has not finished.
        """
        step = self._step(key.step)
        task = self._run.pathspec.child(key.step).child(task_id)
        return Place(key, task_id, step, self._parents(key, step, task), self._levels(key, task))

    def _step(self, name: str) -> Step:
        if name not in self.flow.steps:
            raise TaskNotFound(
                f"Run {self._run.pathspec} has no step {name!r}.",
                f"Its steps: {', '.join(self.flow.steps)}.",
            )
        return self.flow.steps[name]

    def _levels(self, key: TaskKey, task: Pathspec) -> tuple[Level, ...]:
        splits = [
            branch
            for branch in self._graph.open_splits[key.step]
            if self.flow.steps[branch.split].is_foreach
        ]
        levels: list[Level] = []
        for depth, branch in enumerate(splits[: len(key.indexes)]):
            source = self._before(task, TaskKey(branch.split, key.indexes[:depth]))
            var = str(self.flow.steps[branch.split].foreach)
            levels.append(new_level(TaskKey(branch.step, key.indexes[: depth + 1]), var, source))
        return tuple(levels)

    def _before(self, task: Pathspec, key: TaskKey) -> FinishedTask:
        """The task at *key*, which *task* follows, if not at once."""
        followed = self._run.followed(task)
        while followed is not None and followed.step != key.step:
            followed = self._run.followed(followed)
        return self._finished(key) if followed is None else self._left_by(followed, key)

    def _parents(self, key: TaskKey, step: Step, task: Pathspec) -> tuple[FinishedTask, ...]:
        if step.name == START:
            return (self.parameters,)
        followed = None if step.is_join else self._run.followed(task)
        if followed is not None:
            return (self._left_by(followed, self.key(followed)),)
        parents = sorted(self._leading_to(key, step), key=lambda parent: self._order(step, parent))
        if not parents:
            raise TaskNotFound(
                f"Nothing that leads to step {step.name} has finished in run {self._run.pathspec}.",
                f"Its tasks: list-tasks {self._run.run_id}.",
            )
        return tuple(parents)

    def _order(self, step: Step, parent: FinishedTask) -> int:
        """Which input of a join *parent* is."""
        if not step.is_join:
            return 0
        split = self.flow.steps[self._graph.split_of[step.name]]
        return (
            parent.key.indexes[-1]
            if split.is_foreach
            else self._graph.branch_index(parent.key.step)
        )

    def _leading_to(self, key: TaskKey, step: Step) -> Iterator[FinishedTask]:
        for parent in self._graph.parents[step.name]:
            for task in self._tasks_leading_to(key, step, parent):
                finished = self._finished(task)
                if not self.flow.steps[parent].is_switch or finished.outcome.chosen == step.name:
                    yield finished

    def _tasks_leading_to(self, key: TaskKey, step: Step, parent: str) -> Iterable[TaskKey]:
        known = self._tasks_of(parent)
        split = self._graph.split_of.get(step.name)
        if step.is_join and split and self.flow.steps[split].is_foreach:
            return [task for task in known if task.indexes[:-1] == key.indexes]
        depth = len(key.indexes) - (1 if self.flow.steps[parent].is_foreach else 0)
        return [task for task in known if task.indexes == key.indexes[:depth]]

    def _finished(self, key: TaskKey) -> FinishedTask:
        task_id = self._tasks_of(key.step).get(key)
        if task_id is None:
            raise TaskNotFound(f"Task {key} of run {self._run.pathspec} is not there.")
        return self._left_by(self._run.pathspec.child(key.step).child(task_id), key)

    def _left_by(self, task: Pathspec, key: TaskKey) -> FinishedTask:
        reader = self._run.reader(task)
        stored = Stored(reader.objects, reader.info)
        if self._run.value(stored, "_task_ok") is not True:
            raise TaskNotFound(
                f"Task {task} has failed, so what follows it has nothing to begin with.",
                f'Enter that one: debug_task("{task}").',
            )
        outcome, values = self._run.outcome(stored), self._run.values(stored)
        return FinishedTask(key, str(task.task), (), stored, outcome, values)

    def _tasks_of(self, step: str) -> dict[TaskKey, str]:
        """The tasks of a step that were registered: place to id."""
        if step not in self._tasks:
            # The newest come first, and count, should there be two at one place.
            records = self._run.metadata.children(self._run.pathspec.child(step))
            self._tasks[step] = {
                TaskKey(step, self._run.recorded_indexes(task)): str(task.task)
                for task in (record.pathspec for record in reversed(records))
            }
        return self._tasks[step]


class Scene(Briefing):
    """One attempt of a past task: how it began, and what it left.

    Args:
        run: The run it belongs to.
        place: The task.
        number: Attempt number, from 0.
        spool: Folder for files that the session reads.
        left: The artifacts that the attempt left; none if it never ended.
    """

    def __init__(
        self, run: RunContext, place: Place, number: int, spool: Path, left: Stored
    ) -> None:
        super().__init__(run, place, number, spool)
        self.run, self.place = run, place
        self._left = left

    def message(self) -> dict[str, Any]:
        """The message `task`, with what it wrote: `wrote` and `removed`, lists of names.

        Its payload is an artifact as it travels (see `compute.protocol`), NULL if there is none.
        """
        began, left = self._visible(self.start).objects, self._visible(self._left).objects
        return {
            **super().message(),
            "payload": self._payload(),
            "wrote": [name for name, key in left.items() if began.get(name) != key],
            "removed": [name for name in began if left and name not in left],
        }

    def answer(self, question: Mapping[str, Any]) -> dict[str, Any] | None:
        """As a briefing; and `get` from ``"wrote"`` is what the attempt left."""
        if question["type"] == "get" and question["from"] == "wrote":
            return {"type": "artifact", **self._get_from(self._left, question["name"])}
        return super().answer(question)

    def _payload(self) -> dict[str, Any] | None:
        answer = self._get_from(self._run.parameters.stored, "_r_flow")
        return answer if answer["found"] else None


def enter(store: Store, task: Pathspec, attempt: int, spool: Path) -> Scene:
    """The scene of a task.

    Args:
        store: Where it is.
        task: The task.
        attempt: Which attempt.
        spool: Folder for files that the session reads.
    """
    run = PastRun(Pathspec(task.flow, task.run), store.datastore(task.flow), store.provider)
    places = PastPlaces(run)
    place = places.place(places.key(task), str(task.task))
    reader = store.reader(task, attempt)
    left = Stored(reader.objects, reader.info) if reader else Stored()
    return Scene(_context(run, places, store, spool, task), place, attempt, spool, left)


def _context(
    run: PastRun, places: PastPlaces, store: Store, spool: Path, task: Pathspec
) -> RunContext:
    flow, stored = places.flow, places.parameters.stored
    seed = run.value(stored, "_r_seed")
    record = run.metadata.get(run.pathspec)
    assert record is not None
    identity = Identity(record.user or "", record.tags, record.system_tags)
    return RunContext(
        flow=flow,
        policies={name: policy_of(_with_environment_only(s)) for name, s in flow.steps.items()},
        pathspec=run.pathspec,
        store=store.datastore(flow.name),
        metadata=run.metadata,
        identity=identity,
        console=Console(lambda text, stream: None),
        payload_path=spool,
        spool_root=spool,
        seed=seed if isinstance(seed, int) else None,
        parameters=places.parameters,
        current=_current(flow, run, identity, task),
    )


def _with_environment_only(step: Step) -> Step:
    """What else decorates a step, perhaps of another version, changes nothing of what it sees."""
    return replace(step, decorators=tuple(d for d in step.decorators if d.name == "environment"))


def _current(flow: Flow, run: PastRun, identity: Identity, task: Pathspec) -> dict[str, Any]:
    facts = {fact["field_name"]: fact["value"] for fact in run.metadata.task_metadata(task)}
    origin = facts.get("origin-run-id", "None")
    tagged = dict(tag.split(":", 1) for tag in identity.system_tags if ":" in tag)
    return {
        "flow_name": flow.name,
        "run_id": run.run_id,
        # The same for all tasks of a run; the text "None" is what none is stored as.
        "origin_run_id": None if origin == "None" else origin,
        "namespace": f"user:{identity.user}",
        "username": identity.user,
        "tags": list(identity.tags),
        "parameter_names": list(flow.parameters),
        "project_name": tagged.get("project"),
        "branch_name": tagged.get("project_branch"),
        "is_production": tagged.get("project_branch") == "prod" if "project" in tagged else None,
    }


# What R asks


def scene(*, pathspec: str, spool: str, attempt: int | None = None) -> dict[str, Any]:
    """A task as one who enters it is told of it.

    Args:
        pathspec: ``Flow/run/step/task``; or ``Flow/run/step`` of a step that has one task, or of
            which one failed, or none has begun.
        spool: Folder for files that R reads.
        attempt: Which attempt; by default the last one.

    Returns:
        The message `task` (see `Scene.message`), and ``store``, ``pathspec``, ``status``,
        ``exception``, ``attempt`` and ``origin_pathspec``, as in `describe.task`.
    """
    told = _told(_one_task(pathspec), attempt)
    store = client.get_metadata()
    entered = scene_of(store, told["pathspec"], told["attempt"], spool)
    about = {name: told[name] for name in ("pathspec", *_TOLD)}
    return {**entered.message(), **about, "store": store}


def scene_answer(
    *, store: str, pathspec: str, attempt: int, spool: str, question: dict[str, Any]
) -> dict[str, Any] | None:
    """The answer to a question of one who has entered a task; see `Briefing.answer`.

    Args:
        store: Where the task is: the session may look elsewhere by now.
        pathspec, attempt: As `scene` answered.
        spool: As `scene` was told.
        question: The message.
    """
    return scene_of(store, pathspec, attempt, spool).answer(question)


@lru_cache(maxsize=64)
def scene_of(store: str, pathspec: str, attempt: int, spool: str) -> Scene:
    """The scene that a session entered; see `scene_answer`."""
    return enter(Store.at(store), Pathspec.parse(pathspec), attempt, Path(spool))


def spin_pathspec(*, flow: str, given: str) -> str:
    """The task that a user means who wants to try a step with the inputs of a past run.

    Args:
        flow: Name of the flow.
        given: A step; or ``[Flow/]run/step[/task]``.

    Returns:
        Of a step alone, the task that failed in the last run that has come to it, or else the
        first; a step that no run has come to, as one of the last run.
    """
    if "/" in given:
        return given if given.split("/", maxsplit=1)[0] == flow else f"{flow}/{given}"
    for run in client.Flow(flow):
        if given in run:
            tasks = run[given].tasks_in_order()
            failed = [task for task in tasks if task.status == "failed"]
            return (failed or tasks)[0].pathspec
    return f"{flow}/latest_run/{given}"


def _told(pathspec: str, attempt: int | None) -> dict[str, Any]:
    if Pathspec.parse(pathspec).level == "step":
        nothing = dict.fromkeys(_TOLD)
        return {**nothing, "pathspec": f"{pathspec}/0", "status": "not started", "attempt": 0}
    return describe.task(pathspec=pathspec, attempt=attempt, only=_TOLD)


def _one_task(pathspec: str) -> str:
    exact = describe.resolved(pathspec)
    spec = Pathspec.parse(exact)
    if spec.level == "run":
        failures = client.Run(exact).failed_tasks
        return failures[0].pathspec if failures else exact
    if spec.level != "step":
        return exact
    run, step = client.Run(str(spec.parent)), str(spec.step)
    tasks = run[step].tasks_in_order() if step in run else []
    if not tasks:
        return exact
    if len(tasks) == 1:
        return tasks[0].pathspec
    failed = [task.pathspec for task in tasks if task.status == "failed"]
    if len(failed) == 1:
        return failed[0]
    named = failed or [task.pathspec for task in tasks]
    raise UsageError(
        f"Step {exact} has {len(tasks)} tasks, {len(failed)} of them failed.",
        f"Name one: {', '.join(named[:5])}{', ...' if len(named) > 5 else ''}.",
    )
