"""Runs as the runtime writes them, made in a moment and without R."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from metaflow_core.datastore import mflog, pickles
from metaflow_core.datastore.attempts import AttemptWriter, FlowDatastore
from metaflow_core.datastore.local import FOLDER, LocalStorage
from metaflow_core.metadata.local import LocalMetadata
from metaflow_core.metadata.provider import ArtifactRecord, Identity, MetaDatum
from metaflow_core.model.flow import PARAMETERS
from metaflow_core.model.pathspec import Pathspec
from metaflow_core.model.task import Failure, ForeachFrame

LINEAR = {"start": ("start", ["end"]), "end": ("end", [])}
"""Steps of a flow: name to type and next steps."""


@dataclass
class FlowWriter:
    """Writes runs of one flow into a directory.

    Args:
        directory: Holds, or will hold, the `.metaflow`.
        name: Name of the flow.
        steps: As in `LINEAR`.
    """

    directory: Path
    name: str
    steps: Mapping[str, tuple[str, list[str]]] = field(default_factory=lambda: LINEAR)

    def __post_init__(self) -> None:
        root = self.directory / FOLDER
        self.metadata = LocalMetadata(root)
        self.store = FlowDatastore(LocalStorage(root), self.name)

    @property
    def graph_info(self) -> dict[str, Any]:
        """The artifact ``_graph_info``."""
        steps = {
            name: {"name": name, "type": kind, "next": after}
            for name, (kind, after) in self.steps.items()
        }
        return {"steps": steps, "parameters": [], "start_step": "start", "end_step": "end"}

    def run(
        self,
        *,
        user: str = "tester",
        tags: Sequence[str] = (),
        system_tags: Sequence[str] = (),
        parameters: Mapping[str, Any] | None = None,
    ) -> RunWriter:
        """Register a run and its parameters."""
        identity = Identity(user, tuple(tags), (f"user:{user}", "runtime:dev", *system_tags))
        run = Pathspec(self.name, self.metadata.new_run(self.name, identity))
        writer = RunWriter(self, run, identity, parameters or {})
        task = run.child(PARAMETERS).child(self.metadata.register_parameters_task(run, identity))
        with writer.attempt(task, 0) as stored:
            stored.save_native("_graph_info", self.graph_info)
        ends = {"start_step": "start", "end_step": "end"}
        facts = [MetaDatum(name, value, "graph_structure") for name, value in ends.items()]
        self.metadata.register_metadata(task, facts, user)
        return writer


@dataclass
class RunWriter:
    """Writes the tasks of one run."""

    flow: FlowWriter
    pathspec: Pathspec
    identity: Identity
    parameters: Mapping[str, Any]

    def task(
        self, step: str, frames: Sequence[ForeachFrame] = (), origin: Pathspec | None = None
    ) -> Pathspec:
        """Register a task; with *origin* as a clone of that one."""
        task_id = self.flow.metadata.new_task(self.pathspec, step, self.identity)
        task = self.pathspec.child(step).child(task_id)
        facts = {}
        if frames:
            facts["foreach-execution-path"] = ",".join(f"{f.step}:{f.index}" for f in frames)
        if origin is not None:
            facts |= {"origin-run-id": origin.run, "origin-task-id": origin.task}
        data = [MetaDatum(name, value, tags=("attempt_id:0",)) for name, value in facts.items()]
        self.flow.metadata.register_metadata(task, data, self.identity.user)
        return task

    def begin(self, task: Pathspec, number: int) -> AttemptWriter:
        """Register the beginning of an attempt."""
        run, step, task_id = task.parts[1:]
        writer = self.flow.store.writer(run, step, task_id, number)
        writer.begin()
        root = self.flow.store.storage.root
        facts = {"attempt": str(number), "ds-type": "local", "ds-root": root}
        self._register(task, number, facts)
        return writer

    @contextmanager
    def attempt(  # noqa: PLR0913 -- all that may differ between attempts
        self,
        task: Pathspec,
        number: int = 0,
        *,
        frames: Sequence[ForeachFrame] = (),
        ok: bool = True,
        success: bool = True,
        failure: Failure | None = None,
    ) -> Iterator[AttemptWriter]:
        """An attempt: what is saved inside of the block are its artifacts."""
        writer = self.begin(task, number)
        for name, value in self.parameters.items():
            writer.save_native(name, value)
        writer.save_native("name", self.flow.name)
        yield writer
        writer.save_native("_task_ok", ok)
        writer.save_native("_success", success)
        writer.save_pickle("_foreach_stack", pickles.dumps_foreach_stack(frames), "<class 'list'>")
        if failure is None:
            writer.save_native("_exception", None)
        else:
            _save_failure(writer, failure)
        writer.commit()
        artifacts = [ArtifactRecord(name, key) for name, key in writer.objects.items()]
        self.flow.metadata.register_artifacts(task, number, artifacts, self.identity)
        self._register(task, number, {"attempt_ok": str(ok), "attempt-done": str(number)})

    def done(self, step: str, **artifacts: Any) -> Pathspec:
        """A task that succeeded in its first attempt, with native artifacts."""
        task = self.task(step)
        with self.attempt(task) as stored:
            for name, value in artifacts.items():
                stored.save_native(name, value)
        return task

    def log(self, task: Pathspec, number: int, stream: str, *lines: str) -> None:
        """Lines that an attempt wrote."""
        run, step, task_id = task.parts[1:]
        data = b"".join(mflog.format_line(mflog.RUNTIME, line, time.time()) for line in lines)
        self.flow.store.writer(run, step, task_id, number).append_log(mflog.RUNTIME, stream, data)

    def beat(self, status: str, at: float | None = None) -> None:
        """A heartbeat of the run."""
        when = {} if at is None else {"at": at}
        self.flow.metadata.heartbeat(self.pathspec, {"status": status, **when})

    def _register(self, task: Pathspec, number: int, facts: Mapping[str, str]) -> None:
        tags = (f"attempt_id:{number}",)
        data = [MetaDatum(name, value, tags=tags) for name, value in facts.items()]
        self.flow.metadata.register_metadata(task, data, self.identity.user)


def _save_failure(writer: AttemptWriter, failure: Failure) -> None:
    told = {
        "kind": failure.kind,
        "message": failure.message,
        "call": failure.call,
        "classes": list(failure.classes),
        "frames": [dict(frame) for frame in failure.frames],
    }
    kind = "metaflow.exception.MetaflowExceptionWrapper"
    pickled = pickles.dumps_exception(failure.classes[0], failure.message)
    writer.save_pickle("_exception", pickled, kind)
    writer.save_native("_failure", told)
    writer.save_r("_condition", failure.condition, "condition")
