"""Tasks: a step at one place of the enclosing foreaches."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from metaflow_core.client import lineage, standing
from metaflow_core.client.artifact import DataArtifact, MetaflowData, value_of
from metaflow_core.client.code import MetaflowCode
from metaflow_core.client.object import MetaflowObject
from metaflow_core.client.robject import RObject
from metaflow_core.client.standing import Attempt, TaskStatus
from metaflow_core.datastore import mflog
from metaflow_core.datastore.logs import LogFile
from metaflow_core.errors import TaskNotFound, UsageError
from metaflow_core.metadata.provider import ObjectRecord
from metaflow_core.model.pathspec import Pathspec
from metaflow_core.model.task import Failure

if TYPE_CHECKING:
    from metaflow_core.client.run import Run
    from metaflow_core.client.step import Step

_NO_TIME = datetime(3000, 1, 1)
"""What stock Metaflow says of a log line without a time."""


class Metadata(NamedTuple):
    """One recorded fact about a task; `created_at` in milliseconds since 1970."""

    name: str
    value: Any
    created_at: int
    type: str
    task: Task


class Task(MetaflowObject[DataArtifact]):
    """A step at one place of the enclosing foreaches."""

    _LEVEL, _EXAMPLE = "task", "Flow/12/start/3"
    _NOT_FOUND = TaskNotFound

    def _child_records(self) -> list[ObjectRecord]:
        found = self._store.provider.artifacts(self._spec, self._attempt)
        return [self._artifact_record(record) for record in found]

    def _child_record(self, id: str) -> ObjectRecord | None:
        records = {record.pathspec.artifact: record for record in self._child_records()}
        return records.get(id) or self._unregistered_record(id)

    def _unregistered_record(self, name: str) -> ObjectRecord | None:
        """For one of Metaflow's own artifacts, which need not be registered to be there."""
        reader = self._store.reader(self._spec, self._attempt) if name.startswith("_") else None
        if reader is None or name not in reader.objects:
            return None
        at_ms = int(self._record.created_at * 1000)
        facts = {"name": name, "sha": reader.objects[name], "attempt_id": reader.attempt}
        return self._artifact_record({**facts, "ts_epoch": at_ms})

    def _artifact_record(self, record: dict[str, Any]) -> ObjectRecord:
        own = self._record
        return ObjectRecord(
            self._spec.child(record["name"]),
            own.user,
            own.tags,
            own.system_tags,
            record["ts_epoch"] / 1000,
            record,
        )

    def _is_listed(self, name: str) -> bool:
        return not name.startswith("_")

    @property
    def data(self) -> MetaflowData:
        """The artifacts as attributes; each is read when it is asked for."""
        return MetaflowData(self)

    @property
    def artifacts(self) -> Any:
        """A named tuple of the `DataArtifact`s."""
        artifacts = list(self)
        names = [artifact.id for artifact in artifacts]
        return namedtuple("MetaflowArtifacts", names)(*artifacts)

    @property
    def artifact_names(self) -> list[str]:
        """Names of all artifacts, with those of Metaflow's own, which start with ``_``."""
        reader = self._store.reader(self._spec, self._attempt)
        return list(reader.objects) if reader else []

    @property
    def hashes(self) -> dict[str, str]:
        """Hash of the content of each artifact, by name."""
        reader = self._store.reader(self._spec, self._attempt)
        return dict(reader.objects) if reader else {}

    # How it went

    @property
    def successful(self) -> bool:
        """Whether the last finished attempt succeeded."""
        return bool(self._value("_success", False))

    @property
    def finished(self) -> bool:
        """Whether the last finished attempt ended well, or its failure was caught."""
        return bool(self._value("_task_ok", False))

    @property
    def exception(self) -> Any:
        """What the last finished attempt failed with, or None."""
        return self._value("_exception", None)

    @property
    def finished_at(self) -> datetime | None:
        """When the last finished attempt ended, well or not."""
        record = self._child_record("_task_ok")
        return None if record is None else datetime.fromtimestamp(record.created_at)

    @property
    def status(self) -> TaskStatus:
        """How it stands: "running", "successful", "caught", "failed", or "unknown"."""
        status = self._own_status()
        return standing.in_run(status, self._run().status) if status == "running" else status

    def _own_status(self) -> TaskStatus:
        return self._status_by(self._facts())

    def _status_by(self, facts: Iterable[standing.Fact]) -> TaskStatus:
        return standing.of_task(standing.attempts(facts), succeeded=lambda: self.successful)

    def _run(self) -> Run:
        return cast("Run", cast("Step", self.parent).parent)

    @property
    def failure(self) -> Failure | None:
        """Why the last finished attempt failed, or None.

        With the R condition where R failed; else what Python's exception tells.
        """
        told = self._value("_failure", None)
        if told is not None:
            condition = self._value("_condition", None)
            serialized = condition.serialized if isinstance(condition, RObject) else b""
            known = {**told, "classes": tuple(told["classes"]), "frames": tuple(told["frames"])}
            return Failure(**known, condition=serialized)
        # Stock Metaflow keeps a failure that was caught under another name.
        error = self.exception or self._value("_catch_exception", None)
        if error is None:
            return None
        return Failure("error", error.exception, classes=(error.type,))

    @property
    def attempts(self) -> list[Attempt]:
        """Every attempt that was recorded, first one first."""
        return standing.attempts(self._facts())

    @property
    def duration_s(self) -> float | None:
        """Seconds from its registration to its end; None while it runs."""
        ended = self.finished_at
        return None if ended is None else (ended - self.created_at).total_seconds()

    @property
    def cpu_s(self) -> float | None:
        """CPU time of the attempt, in seconds; None if it was not recorded."""
        return self._runtime.get("cpu_s")

    @property
    def peak_memory_bytes(self) -> int | None:
        """Largest resident size of the attempt; None if it was not recorded."""
        return self._runtime.get("peak_memory_bytes")

    @property
    def exit_signal(self) -> int | None:
        """Number of the signal that ended the attempt, or None."""
        code = self._runtime.get("return_code", 0)
        return -code if code < 0 else None

    @property
    def _runtime(self) -> Mapping[str, Any]:
        """How the process of the attempt ended."""
        return self._store.runtime(self._spec, self.current_attempt)

    @property
    def current_attempt(self) -> int:
        """The attempt that this object looks at, by default the last one that was started."""
        if self._attempt is not None:
            return self._attempt
        return int(self.metadata_dict.get("attempt", 0))

    @property
    def index(self) -> int | None:
        """Position of its item in the innermost foreach, from 0; None outside of one."""
        stack = self.foreach_stack
        return stack[-1].index if stack else None

    @property
    def foreach_stack(self) -> list[Any]:
        """One frame for each enclosing foreach, outermost first."""
        return list(self._value("_foreach_stack", None) or [])

    def _value(self, name: str, absent: Any) -> Any:
        reader = self._store.reader(self._spec, self._attempt)
        if reader is None or name not in reader.objects:
            return absent
        return value_of(reader.load(name))

    # What is recorded about it

    @property
    def metadata(self) -> list[Metadata]:
        """Every recorded fact; for a clone also those of its origin that it has not itself."""
        facts = self._facts()
        known = {fact["field_name"] for fact in facts}
        origin = self._origin_task()
        if origin is not None:
            newest = {fact.name: fact for fact in sorted(origin.metadata, key=_recorded_at)}
            inherited = [fact._replace(task=self) for fact in newest.values()]
        else:
            inherited = []
        return [
            *(self._metadatum(fact) for fact in facts),
            *(fact for fact in inherited if fact.name not in known),
        ]

    @property
    def metadata_dict(self) -> dict[str, Any]:
        """The newest value of each recorded fact."""
        return {fact.name: fact.value for fact in sorted(self.metadata, key=_recorded_at)}

    def _facts(self) -> list[dict[str, Any]]:
        facts = self._store.provider.task_metadata(self._spec)
        return facts if self._attempt is None else standing.facts_of_attempt(facts, self._attempt)

    def _metadatum(self, fact: dict[str, Any]) -> Metadata:
        return Metadata(fact["field_name"], fact["value"], fact["ts_epoch"], fact["type"], self)

    @property
    def origin_pathspec(self) -> str | None:
        """The task of the origin run that this one was cloned from, or None."""
        return None if (origin := self._origin_spec()) is None else str(origin)

    def _origin_spec(self) -> Pathspec | None:
        facts = {fact["field_name"]: fact["value"] for fact in self._facts()}
        run, task = facts.get("origin-run-id"), facts.get("origin-task-id")
        if run in (None, "None") or task is None:
            return None
        return Pathspec(self._spec.flow, run, self._spec.step, task)

    def _origin_task(self) -> Task | None:
        spec = self._origin_spec()
        if spec is None or self._store.provider.get(spec) is None:
            return None
        return Task(str(spec), _store=self._store, _namespace_check=False)

    @property
    def runtime_name(self) -> str | None:
        """Where it ran, such as ``"dev"``."""
        names = (tag.split(":", 1)[1] for tag in self.tags if tag.startswith("runtime:"))
        return next(names, None)

    @property
    def code(self) -> MetaflowCode | None:
        """The code package that it ran with; None for a task that ran locally."""
        record = self.metadata_dict.get("code-package")
        return MetaflowCode(self._store, self._spec.flow, record) if record else None

    @property
    def environment_info(self) -> dict[str, Any] | None:
        """What the code package says about the environment; None without one."""
        return None if self.code is None else self.code.info

    # Its output

    @property
    def stdout(self) -> str:
        """What the last started attempt wrote to its standard output."""
        return self._log("stdout")

    @property
    def stderr(self) -> str:
        """What the last started attempt wrote to its standard error output."""
        return self._log("stderr")

    @property
    def stdout_size(self) -> int:
        """Size of the stored standard output in bytes."""
        return sum(file.size_bytes() for file in self.log_files("stdout"))

    @property
    def stderr_size(self) -> int:
        """Size of the stored standard error output in bytes."""
        return sum(file.size_bytes() for file in self.log_files("stderr"))

    def loglines(
        self, stream: str, as_unicode: bool = True
    ) -> Iterator[tuple[datetime, str | bytes]]:
        """Time (UTC) and text of each line of ``"stdout"`` or ``"stderr"``."""
        for line in self.log(stream):
            yield _utc(line.at), line.text if as_unicode else line.text.encode()

    def log(self, stream: str) -> list[mflog.LogLine]:
        """The lines of ``"stdout"`` or ``"stderr"``, with their source.

        Raises:
            UsageError: If *stream* is another.
        """
        return list(mflog.merge(file.read() for file in self.log_files(stream)))

    def _log(self, stream: str) -> str:
        return "".join(f"{line.text}\n" for line in self.log(stream))

    def log_files(self, stream: str) -> list[LogFile]:
        """The files of ``"stdout"`` or ``"stderr"``, one of each source.

        Raises:
            UsageError: If *stream* is another.
        """
        if stream not in (mflog.STDOUT, mflog.STDERR):
            raise UsageError(f"A task has no log {stream!r}; ask for 'stdout' or 'stderr'.")
        # A clone ran nothing: what its origin wrote is its output.
        origin = self._origin_task()
        if origin is not None:
            return origin.log_files(stream)
        return self._store.log_files(self._spec, self.current_attempt, stream)

    # Where it stands in the graph

    @property
    def foreach_path(self) -> lineage.ForeachPath:
        """For each enclosing foreach the step that it fans out to, and the index."""
        return lineage.foreach_path(self.metadata_dict.get("foreach-execution-path"))

    @property
    def parent_task_pathspecs(self) -> Iterator[str]:
        """The tasks whose results this one started from."""
        graph, here = self._graph_info(), (str(self._spec.step), self.foreach_path)
        for task in self._tasks_of(lineage.steps_before(graph, here[0])):
            if lineage.leads_to(graph, (str(task._spec.step), task.foreach_path), here):
                yield task.pathspec

    @property
    def child_task_pathspecs(self) -> Iterator[str]:
        """The tasks that started from the results of this one."""
        graph, here = self._graph_info(), (str(self._spec.step), self.foreach_path)
        for task in self._tasks_of(lineage.steps_after(graph, here[0])):
            if lineage.leads_to(graph, here, (str(task._spec.step), task.foreach_path)):
                yield task.pathspec

    @property
    def parent_tasks(self) -> Iterator[Task]:
        """The tasks whose results this one started from."""
        return (self._other(pathspec) for pathspec in self.parent_task_pathspecs)

    @property
    def child_tasks(self) -> Iterator[Task]:
        """The tasks that started from the results of this one."""
        return (self._other(pathspec) for pathspec in self.child_task_pathspecs)

    def _graph_info(self) -> lineage.GraphInfo:
        return self._run().graph_info or {"steps": {}}

    def _tasks_of(self, steps: Iterable[str]) -> Iterator[Task]:
        run = Pathspec(self._spec.flow, self._spec.run)
        for step in steps:
            records = self._store.provider.children(run.child(step))
            yield from in_order(self._other(str(r.pathspec), r) for r in records)

    def _other(self, pathspec: str, record: ObjectRecord | None = None) -> Task:
        return Task(pathspec, _record=record, _store=self._store, _namespace_check=False)


def in_order(tasks: Iterable[Task]) -> list[Task]:
    """Tasks of one step in the order of the enclosing foreaches."""
    return sorted(tasks, key=lambda task: (lineage.indexes(task.foreach_path), _number(task.id)))


def _number(id: str) -> tuple[int, str]:
    """Sorts the ids "2" and "10" as numbers, and others as text."""
    return (int(id) if id.isdecimal() else 0, id)


def _recorded_at(fact: Metadata) -> int:
    return fact.created_at


def _utc(at: float | None) -> datetime:
    return _NO_TIME if at is None else datetime.fromtimestamp(at, UTC).replace(tzinfo=None)
