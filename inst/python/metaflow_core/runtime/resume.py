"""The run that is resumed: which of its tasks finished, and how each is taken over."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from metaflow_core.datastore.attempts import FlowDatastore
from metaflow_core.errors import InvalidResume, MetaflowError, OriginRunNotFound
from metaflow_core.metadata.provider import MetadataProvider, MetaDatum
from metaflow_core.model.flow import Flow
from metaflow_core.model.pathspec import Pathspec
from metaflow_core.model.task import TaskKey
from metaflow_core.runtime.closing import close_attempt, of_attempt
from metaflow_core.runtime.context import RunContext
from metaflow_core.runtime.past import PastRun
from metaflow_core.runtime.tasks import FinishedTask, Place, Stored, handed_on
from metaflow_core.scheduler.resume import Origin, OriginTask, with_uncloned

ORIGIN_RUN_ID, RESUME_STEP = "origin-run-id", "resume-step"
"""What a resume records of itself: which run it resumes, and the step that it was asked for."""


class _Finished(NamedTuple):
    task: Pathspec
    stored: Stored


class OriginRun(PastRun):
    """A past run of the flow, as far as resuming needs it.

    Args:
        run: ``Flow/run`` of the origin run.
        store: The flow's datastore.
        metadata: Where its tasks are registered.

    Raises:
        OriginRunNotFound: If there is no such run, or it never stored its parameters.
    """

    def __init__(self, run: Pathspec, store: FlowDatastore, metadata: MetadataProvider) -> None:
        super().__init__(run, store, metadata)
        self._finished: dict[TaskKey, _Finished] = {}

    def tasks(self, flow: Flow, from_step: str | None) -> Origin:
        """Its finished and unfinished tasks, for the scheduler.

        Args:
            flow: The flow as it is now; steps that it does not have are passed over.
            from_step: Step to start again from, or None.

        Raises:
            InvalidResume: If the flow has no step *from_step*.
        """
        if from_step is not None and from_step not in flow.steps:
            raise InvalidResume(
                f"The flow {flow.name} has no step {from_step!r} to resume from.",
                f"Its steps: {', '.join(flow.steps)}.",
            )
        return replace(self._tasks(flow), from_step=from_step)

    def _tasks(self, flow: Flow) -> Origin:
        finished: dict[TaskKey, OriginTask] = {}
        unfinished: dict[TaskKey, str] = {}
        for step in self.metadata.children(self.pathspec):
            if step.pathspec.step in flow.steps:
                for task in self.metadata.children(step.pathspec):
                    self._sort(task.pathspec, finished, unfinished)
        tasks = Origin(self.run_id, finished, unfinished)
        older = self._not_all_cloned()
        return tasks if older is None else self._with_uncloned(flow, tasks, *older)

    def _not_all_cloned(self) -> tuple[OriginRun, str | None] | None:
        """The run that this one resumed, and from which step, if this one never told its end."""
        state = self.metadata.run_state(self.pathspec)
        if state is not None and state.get("status") != "running":
            return None
        facts = self.facts()
        if ORIGIN_RUN_ID not in facts:
            return None
        run = Pathspec(self.store.flow, facts[ORIGIN_RUN_ID])
        with contextlib.suppress(OriginRunNotFound):
            return OriginRun(run, self.store, self.metadata), facts.get(RESUME_STEP)
        return None

    def _with_uncloned(
        self, flow: Flow, own: Origin, older: OriginRun, from_step: str | None
    ) -> Origin:
        if from_step is not None and from_step not in flow.steps:
            return own  # what came after it there cannot be told
        tasks = replace(older._tasks(flow), from_step=from_step)
        # A clone has all that its origin has, and nothing else.
        executed = {
            key
            for key, task in self._finished.items()
            if key in older._finished and task.stored.objects != older._finished[key].stored.objects
        }
        self._finished = {**older._finished, **self._finished}
        return with_uncloned(flow, own, tasks, executed)

    def _sort(
        self,
        task: Pathspec,
        finished: dict[TaskKey, OriginTask],
        unfinished: dict[TaskKey, str],
    ) -> None:
        assert task.step is not None
        assert task.task is not None
        try:
            reader = self.reader(task)
        except MetaflowError:
            unfinished[TaskKey(task.step, self.recorded_indexes(task))] = "did not finish"
            return
        stored = Stored(reader.objects, reader.info)
        key = TaskKey(task.step, self.indexes(stored))
        if self.value(stored, "_task_ok") is not True:
            unfinished[key] = "failed"
            return
        self._finished[key] = _Finished(task, stored)
        finished[key] = OriginTask(task.task, self.outcome(stored))

    def clone(self, run: RunContext, place: Place) -> FinishedTask:
        """Make a finished task of the origin run a task of *run*: references, no data.

        Raises:
            StoreError: If it cannot be recorded.
        """
        assert place.key.step is not None
        origin_task, stored = self._finished[place.key]
        task = run.pathspec.child(place.key.step).child(place.task_id)
        run.console.line(
            f"Cloning results of a previously run task {'/'.join(origin_task.parts[1:])}",
            prefix="/".join(task.parts[1:]),
        )
        run_id, step, task_id = task.parts[1:]
        writer = run.store.writer(run_id, step, task_id, 0)
        writer.begin()
        writer.take_over(stored)
        run.metadata.register_metadata(task, _clone_metadata(place, origin_task), run.identity.user)
        close_attempt(writer, run.metadata, task, run.identity)
        outcome, values = self.outcome(stored), self.values(stored)
        kept = handed_on(stored, run.parameters.stored)
        return FinishedTask(place.key, place.task_id, place.levels, kept, outcome, values)


def _clone_metadata(place: Place, origin_task: Pathspec) -> list[MetaDatum]:
    facts: Mapping[str, str] = {
        "origin-task-id": origin_task.task or "",
        ORIGIN_RUN_ID: origin_task.run or "",
        "attempt": "0",
    }
    data = [MetaDatum(field, value) for field, value in facts.items()]
    if place.frames:
        path = ",".join(f"{f.step}:{f.index}" for f in place.frames)
        data.append(MetaDatum("foreach-execution-path", path))
        data.append(MetaDatum("foreach-stack", [f"{f.var}={f.value}" for f in place.frames]))
    return of_attempt(0, data)


def last_run(store: FlowDatastore, metadata: MetadataProvider) -> OriginRun | None:
    """The run of the store's flow that was started last from here; None if there is none.

    If that was ended before its first task, it is the newest one that was not: so what a resume
    that was killed at once would have resumed is still what the next one resumes.
    """
    latest = metadata.latest_run(store.flow)
    if latest is None:
        return None
    run = OriginRun(Pathspec(store.flow, latest), store, metadata)
    if run.has_begun():
        return run
    older = (OriginRun(run.pathspec, store, metadata) for run in metadata.runs(store.flow))
    return next((run for run in older if run.has_begun()), run)
