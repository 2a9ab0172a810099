"""The run that is resumed: which of its tasks finished, and how each is taken over."""

from __future__ import annotations

from collections.abc import Mapping

from metaflow_core.datastore.attempts import AttemptReader, FlowDatastore
from metaflow_core.errors import InvalidResume, MetaflowError, OriginRunNotFound
from metaflow_core.metadata.provider import ArtifactRecord, MetadataProvider, MetaDatum
from metaflow_core.model.flow import PARAMETERS, Flow
from metaflow_core.model.pathspec import Pathspec
from metaflow_core.model.task import Outcome, TaskKey
from metaflow_core.runtime.context import RunContext
from metaflow_core.runtime.tasks import FinishedTask, Place, Stored, handed_on
from metaflow_core.scheduler.resume import Origin, OriginTask


class OriginRun:
    """A past run of the flow, as far as resuming needs it.

    Args:
        run: ``Flow/run`` of the origin run.
        store: The flow's datastore.
        metadata: Where its tasks are registered.

    Raises:
        OriginRunNotFound: If there is no such run, or it never stored its parameters.
    """

    def __init__(self, run: Pathspec, store: FlowDatastore, metadata: MetadataProvider) -> None:
        self.pathspec, self._store, self._metadata = run, store, metadata
        if metadata.get(run) is None:
            raise OriginRunNotFound(
                f"There is no run {run} to resume from.", "See `list-runs` for the runs there are."
            )
        self._stored: dict[str, Stored] = {}
        # Few values are common to thousands of tasks, such as `_task_ok`.
        self._values_by_key: dict[str, object] = {}

    @property
    def run_id(self) -> str:
        """Id of the origin run."""
        return self.pathspec.run or ""

    def parameters(self) -> Stored:
        """The artifacts of its `_parameters` task.

        Raises:
            OriginRunNotFound: If it has none.
        """
        tasks = self._metadata.children(self.pathspec.child(PARAMETERS))
        if not tasks:
            raise OriginRunNotFound(
                f"Run {self.pathspec} never stored its parameters, so it cannot be resumed.",
                "Use `run`.",
            )
        reader = self._reader(tasks[0].pathspec)
        return Stored(reader.objects, reader.info)

    def value(self, stored: Stored, name: str) -> object:
        """A native artifact's value; None if it is not there."""
        if name not in stored.objects:
            return None
        key = stored.objects[name]
        if key not in self._values_by_key:
            encoded = stored.encoded(name, self._store, str(self.pathspec))
            self._values_by_key[key] = encoded.value()
        return self._values_by_key[key]

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
        finished: dict[TaskKey, OriginTask] = {}
        unfinished: dict[TaskKey, str] = {}
        for step in self._metadata.children(self.pathspec):
            if step.pathspec.step in flow.steps:
                for task in self._metadata.children(step.pathspec):
                    self._sort(task.pathspec, finished, unfinished)
        return Origin(self.run_id, finished, unfinished, from_step)

    def _sort(
        self,
        task: Pathspec,
        finished: dict[TaskKey, OriginTask],
        unfinished: dict[TaskKey, str],
    ) -> None:
        assert task.step is not None
        assert task.task is not None
        try:
            reader = self._reader(task)
        except MetaflowError:
            unfinished[TaskKey(task.step, self._recorded_indexes(task))] = "did not finish"
            return
        stored = Stored(reader.objects, reader.info)
        key = TaskKey(task.step, self._indexes(stored))
        if self.value(stored, "_task_ok") is not True:
            unfinished[key] = "failed"
            return
        self._stored[task.task] = stored
        finished[key] = OriginTask(task.task, self._outcome(stored))

    def _reader(self, task: Pathspec) -> AttemptReader:
        run_id, step, task_id = task.parts[1:]
        return self._store.reader(run_id, step, task_id)

    def _indexes(self, stored: Stored) -> tuple[int, ...]:
        frames = self.value(stored, "_foreach_stack")
        return tuple(frame.index for frame in frames) if isinstance(frames, list) else ()

    def _recorded_indexes(self, task: Pathspec) -> tuple[int, ...]:
        """The foreach position of a task without artifacts, recorded as ``a:0,b:2``."""
        for datum in self._metadata.task_metadata(task):
            if datum["field_name"] == "foreach-execution-path":
                return tuple(int(part.rpartition(":")[2]) for part in datum["value"].split(","))
        return ()

    def _outcome(self, stored: Stored) -> Outcome:
        transition = self.value(stored, "_transition")
        following = transition[0] if isinstance(transition, tuple) else []
        chosen = following[0] if len(following) == 1 else None
        num_splits = self.value(stored, "_foreach_num_splits")
        return Outcome(chosen, num_splits if isinstance(num_splits, int) else None)

    def clone(self, run: RunContext, place: Place, origin_task_id: str) -> FinishedTask:
        """Make a finished task of the origin run a task of *run*: references, no data.

        Raises:
            StoreError: If it cannot be recorded.
        """
        assert place.key.step is not None
        stored = self._stored[origin_task_id]
        task = run.pathspec.child(place.key.step).child(place.task_id)
        origin_task = f"{self.run_id}/{place.key.step}/{origin_task_id}"
        run.console.line(
            f"Cloning results of a previously run task {origin_task}",
            prefix="/".join(task.parts[1:]),
        )
        run_id, step, task_id = task.parts[1:]
        writer = run.store.writer(run_id, step, task_id, 0)
        writer.begin()
        writer.take_over(stored)
        writer.commit()
        run.metadata.register_artifacts(
            task,
            0,
            [ArtifactRecord(name, key) for name, key in stored.objects.items()],
            run.identity,
        )
        run.metadata.register_metadata(
            task, self._clone_metadata(place, origin_task_id), run.identity.user
        )
        outcome, values = self._outcome(stored), self._values(stored)
        kept = handed_on(stored, run.parameters.stored)
        return FinishedTask(place.key, place.task_id, place.levels, kept, outcome, values)

    def _values(self, stored: Stored) -> list[str]:
        values = self.value(stored, "_foreach_values")
        return [str(v) for v in values] if isinstance(values, list) else []

    def _clone_metadata(self, place: Place, origin_task_id: str) -> list[MetaDatum]:
        facts: Mapping[str, str] = {
            "origin-task-id": origin_task_id,
            "origin-run-id": self.run_id,
            "attempt": "0",
        }
        data = [MetaDatum(field, value) for field, value in facts.items()]
        if place.frames:
            path = ",".join(f"{f.step}:{f.index}" for f in place.frames)
            data.append(MetaDatum("foreach-execution-path", path))
            data.append(MetaDatum("foreach-stack", [f"{f.var}={f.value}" for f in place.frames]))
        data += [
            MetaDatum("attempt_ok", "True", type="internal_attempt_status"),
            MetaDatum("attempt-done", "0"),
        ]
        return [MetaDatum(d.field, d.value, d.type, ("attempt_id:0",)) for d in data]
