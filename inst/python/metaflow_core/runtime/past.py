"""A run of the past: its parameters, and what each of its tasks left."""

from __future__ import annotations

import contextlib

from metaflow_core.datastore.attempts import AttemptReader, FlowDatastore
from metaflow_core.errors import OriginRunNotFound, TaskNotFound
from metaflow_core.metadata.provider import MetadataProvider
from metaflow_core.model.flow import PARAMETERS
from metaflow_core.model.pathspec import Pathspec
from metaflow_core.model.task import Outcome
from metaflow_core.runtime.tasks import Stored


class PastRun:
    """A past run of the flow, whoever made it.

    Args:
        run: ``Flow/run``.
        store: The flow's datastore.
        metadata: Where its tasks are registered.

    Raises:
        OriginRunNotFound: If there is no such run.
    """

    def __init__(self, run: Pathspec, store: FlowDatastore, metadata: MetadataProvider) -> None:
        self.pathspec, self.store, self.metadata = run, store, metadata
        if metadata.get(run) is None:
            raise OriginRunNotFound(
                f"There is no run {run} to resume from.", "See `list-runs` for the runs there are."
            )
        # Few values are common to thousands of tasks, such as `_task_ok`.
        self._values_by_key: dict[str, object] = {}

    @property
    def run_id(self) -> str:
        """Id of the run."""
        return self.pathspec.run or ""

    def parameters(self) -> Stored:
        """The artifacts of its `_parameters` task.

        Raises:
            OriginRunNotFound: If it has none.
        """
        reader = self._parameters()
        if reader is None:
            raise OriginRunNotFound(
                f"Run {self.pathspec} never stored its parameters, so it can be neither resumed "
                "nor entered.",
                "Use `run`.",
            )
        return Stored(reader.objects, reader.info)

    def has_begun(self) -> bool:
        """Whether it has stored its parameters: before that no task is started."""
        return self._parameters() is not None

    def facts(self) -> dict[str, str]:
        """What is recorded of its `_parameters` task."""
        return {
            datum["field_name"]: datum["value"]
            for task in self.metadata.children(self.pathspec.child(PARAMETERS))
            for datum in self.metadata.task_metadata(task.pathspec)
        }

    def _parameters(self) -> AttemptReader | None:
        for task in self.metadata.children(self.pathspec.child(PARAMETERS)):
            # A run that was killed right then has begun to store them.
            with contextlib.suppress(TaskNotFound):
                return self.reader(task.pathspec)
        return None

    def value(self, stored: Stored, name: str) -> object:
        """A native artifact's value; None if it is not there."""
        if name not in stored.objects:
            return None
        key = stored.objects[name]
        if key not in self._values_by_key:
            encoded = stored.encoded(name, self.store, str(self.pathspec))
            self._values_by_key[key] = encoded.value()
        return self._values_by_key[key]

    def reader(self, task: Pathspec) -> AttemptReader:
        """What the last attempt of a task left.

        Raises:
            TaskNotFound: If it has not ended.
        """
        run_id, step, task_id = task.parts[1:]
        return self.store.reader(run_id, step, task_id)

    def indexes(self, stored: Stored) -> tuple[int, ...]:
        """The foreach position of the task that left *stored*."""
        frames = self.value(stored, "_foreach_stack")
        return tuple(frame.index for frame in frames) if isinstance(frames, list) else ()

    def recorded_indexes(self, task: Pathspec) -> tuple[int, ...]:
        """The foreach position of a task without artifacts, recorded as ``a:0,b:2``."""
        for datum in self.metadata.task_metadata(task):
            if datum["field_name"] == "foreach-execution-path":
                return tuple(int(part.rpartition(":")[2]) for part in datum["value"].split(","))
        return ()

    def followed(self, task: Pathspec) -> Pathspec | None:
        """What a task follows, of several the first; None if that was not recorded."""
        record = self.metadata.get(task)
        follows = record.extra.get("follows") if record else None
        return Pathspec(*self.pathspec.parts, *follows.split("/")) if follows else None

    def outcome(self, stored: Stored) -> Outcome:
        """What the task that left *stored* decided."""
        transition = self.value(stored, "_transition")
        following = transition[0] if isinstance(transition, tuple) else []
        chosen = following[0] if len(following) == 1 else None
        num_splits = self.value(stored, "_foreach_num_splits")
        return Outcome(chosen, num_splits if isinstance(num_splits, int) else None)

    def values(self, stored: Stored) -> list[str]:
        """The items of the task that fanned out and left *stored*, as short texts."""
        values = self.value(stored, "_foreach_values")
        return [str(v) for v in values] if isinstance(values, list) else []
