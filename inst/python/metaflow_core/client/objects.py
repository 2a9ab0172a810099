"""Flows, runs, steps, tasks and artifacts as lazy views of what is in a store.

Names and behaviour are those of the stock Metaflow client, so that a script needs to change
nothing but its import. What an object is asked for is read when it is asked, so that a view of a
run in progress shows the run as it is.
"""

from __future__ import annotations

import time
from collections import namedtuple
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar, cast

from metaflow_core.client import lineage, process, standing
from metaflow_core.client.code import MetaflowCode
from metaflow_core.client.for_r import encode_for_r
from metaflow_core.client.history import Ending, History
from metaflow_core.client.robject import RObject
from metaflow_core.client.scope import current_store, get_namespace
from metaflow_core.client.standing import Attempt, RunStatus, TaskStatus
from metaflow_core.client.store import Store
from metaflow_core.datastore import mflog
from metaflow_core.datastore.attempts import MAX_ATTEMPTS, Encoded
from metaflow_core.datastore.logs import LogFile
from metaflow_core.datastore.unpacked import Unpacked
from metaflow_core.errors import (
    ArtifactNotFound,
    FlowNotFound,
    InvalidPathspec,
    NotFound,
    NotInNamespace,
    RunNotFound,
    StepNotFound,
    TaskNotFound,
    UsageError,
)
from metaflow_core.metadata.provider import ObjectRecord, RunFilter
from metaflow_core.model.flow import END, PARAMETERS
from metaflow_core.model.pathspec import Pathspec
from metaflow_core.model.task import Failure

_ALL_RUNS = RunFilter()

_NO_TIME = datetime(3000, 1, 1)
"""What stock Metaflow says of a log line without a time."""


Child = TypeVar("Child")


class Metadata(NamedTuple):
    """One recorded fact about a task; `created_at` in milliseconds since 1970."""

    name: str
    value: Any
    created_at: int
    type: str
    task: Task


class MetaflowObject(Generic[Child]):
    """What all levels have in common.

    Args:
        pathspec: Such as ``"Flow/12/start/3"``.
        attempt: For a task or an artifact: which attempt to look at, by default the last.

    Raises:
        NotFound: If there is no such object.
        NotInNamespace: If it is not in the current namespace.
        InvalidPathspec: If *pathspec* names something of another level.
    """

    _LEVEL: ClassVar[str]
    _EXAMPLE: ClassVar[str]
    _NOT_FOUND: ClassVar[type[NotFound]]

    def __init__(
        self,
        pathspec: str,
        attempt: int | None = None,
        *,
        _record: ObjectRecord | None = None,
        _parent: MetaflowObject[Any] | None = None,
        _store: Store | None = None,
        _namespace: str | None = None,
        _namespace_check: bool = True,
    ) -> None:
        self._store = _store or current_store()
        self._spec = self._checked(pathspec)
        self._attempt = self._checked_attempt(attempt)
        self._parent = _parent
        # None is no check, for this object and for all that is reached from it.
        self._namespace = (_namespace or get_namespace()) if _namespace_check else None
        self._record = _record or self._find()
        if self._namespace is not None and not self._is_in(self._namespace):
            raise NotInNamespace(
                f"{self._LEVEL.capitalize()} {pathspec} is not in the namespace "
                f"{self._namespace!r}.",
                "namespace(None) shows what is in any namespace.",
            )

    @classmethod
    def _checked(cls, pathspec: str) -> Pathspec:
        spec = Pathspec.parse(pathspec)
        if spec.level != cls._LEVEL:
            raise InvalidPathspec(
                f"{pathspec!r} names a {spec.level}, not a {cls._LEVEL}.",
                f"Write {cls.__name__}({cls._EXAMPLE!r}).",
            )
        return spec

    @classmethod
    def _checked_attempt(cls, attempt: int | None) -> int | None:
        if attempt is None:
            return None
        if cls._LEVEL not in ("task", "artifact"):
            raise UsageError(f"A {cls._LEVEL} has no attempts; only tasks and artifacts have.")
        if not 0 <= int(attempt) < MAX_ATTEMPTS:
            raise UsageError(f"Attempts are numbered from 0 to {MAX_ATTEMPTS - 1}, not {attempt}.")
        return int(attempt)

    def _find(self) -> ObjectRecord:
        record = self._store.provider.get(self._spec)
        if record is None:
            raise self._NOT_FOUND(
                f"{self._LEVEL.capitalize()} {self._spec} does not exist in {self._store.name}."
            )
        return record

    # What an object is

    @property
    def id(self) -> str:
        """The last part of the pathspec."""
        return self._spec.parts[-1]

    @property
    def pathspec(self) -> str:
        """Names this object, such as ``"Flow/12/start/3"``."""
        return str(self._spec)

    @property
    def path_components(self) -> list[str]:
        """The parts of the pathspec."""
        return list(self._spec.parts)

    @property
    def created_at(self) -> datetime:
        """When it was registered, in local time."""
        return datetime.fromtimestamp(self._record.created_at)

    @property
    def user(self) -> str | None:
        """Who registered it; None for a flow."""
        return self._record.user

    @property
    def tags(self) -> frozenset[str]:
        """All tags of the run."""
        return self.user_tags | self.system_tags

    @property
    def user_tags(self) -> frozenset[str]:
        """The tags that users gave the run."""
        return frozenset(self._record.tags)

    @property
    def system_tags(self) -> frozenset[str]:
        """The tags that Metaflow gave the run."""
        return frozenset(self._record.system_tags)

    @property
    def parent(self) -> MetaflowObject[Any] | None:
        """The object one level up; None for a flow."""
        above = self._spec.parent
        if self._parent is None and above is not None:
            attempt = self._attempt if self._LEVEL == "artifact" else None
            self._parent = _CLASSES[above.level](
                str(above), attempt, _store=self._store, _namespace_check=False
            )
        return self._parent

    @property
    def origin_pathspec(self) -> str | None:
        """The object of the origin run that this one was cloned from, or None."""
        above = self.parent.origin_pathspec if self.parent else None
        return f"{above}/{self.id}" if above else None

    def is_in_namespace(self) -> bool:
        """Whether it is in the current namespace."""
        current = get_namespace()
        return current is None or self._is_in(current)

    def _is_in(self, namespace: str) -> bool:
        return namespace in self.tags

    def __repr__(self) -> str:
        attempt = "" if self._attempt is None else f", attempt={self._attempt}"
        return f"{type(self).__name__}({self.pathspec!r}{attempt})"

    def __getstate__(self) -> dict[str, Any]:
        return {
            "pathspec": self.pathspec,
            "attempt": self._attempt,
            "metadata": self._store.name,
            "namespace": self._namespace,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        MetaflowObject.__init__(
            self,
            state["pathspec"],
            state["attempt"],
            _store=Store.at(state["metadata"]),
            _namespace=state["namespace"],
            _namespace_check=state["namespace"] is not None,
        )

    # What is below it

    def __iter__(self) -> Iterator[Child]:
        """The objects one level down, newest first, that are in this object's namespace."""
        children = self._children(self._child_records())
        return iter(sorted(children, key=_created_at, reverse=True))

    def __getitem__(self, id: str) -> Child:
        """The object of this id one level down. Raises KeyError if there is none."""
        record = self._child_record(id)
        if record is None:
            raise KeyError(id)
        return self._child(record)

    def __contains__(self, id: str) -> bool:
        return self._child_record(id) is not None

    def _ipython_key_completions_(self) -> list[str]:
        return [record.pathspec.parts[-1] for record in self._child_records()]

    def _child_records(self) -> list[ObjectRecord]:
        return self._store.provider.children(self._spec)

    def _child_record(self, id: str) -> ObjectRecord | None:
        return self._store.provider.get(self._spec.child(str(id)))

    def _children(self, records: Iterable[ObjectRecord]) -> Iterator[Child]:
        for record in records:
            name = record.pathspec.parts[-1]
            if self._is_listed(name) and self._is_visible(record):
                yield self._child(record)

    def _is_listed(self, name: str) -> bool:
        """Whether iterating shows the child of this name."""
        return True

    def _is_visible(self, record: ObjectRecord) -> bool:
        return self._namespace is None or self._namespace in (*record.tags, *record.system_tags)

    def _child(self, record: ObjectRecord) -> Child:
        spec = record.pathspec
        child = _CLASSES[spec.level](
            str(spec),
            self._attempt,
            _record=record,
            _parent=self,
            _store=self._store,
            _namespace=self._namespace,
            _namespace_check=self._namespace is not None,
        )
        return cast(Child, child)

    def _tagged(self, tags: tuple[str, ...]) -> Iterator[Child]:
        return (child for child in self if set(tags) <= cast("MetaflowObject[Any]", child).tags)


class DataArtifact(MetaflowObject[None]):
    """A named result of a task."""

    _LEVEL, _EXAMPLE = "artifact", "Flow/12/start/3/model"
    _NOT_FOUND = ArtifactNotFound

    def _find(self) -> ObjectRecord:
        task = cast("Task", self.parent)
        record = task._child_record(self.id)
        if record is None:
            raise ArtifactNotFound(self.id, task.pathspec, task.artifact_names)
        return record

    @property
    def _encoded(self) -> Encoded:
        task = Pathspec(*self._spec.parts[:-1])
        reader = self._store.reader(task, self._record.extra["attempt_id"])
        if reader is None:
            raise ArtifactNotFound(self.id, str(task), [])
        return reader.load(self.id)

    @property
    def data(self) -> Any:
        """The value: as Python has it, or an `RObject` for what only R can hold.

        Raises:
            UnsafePickle: If reading it could run code; see `load`.
            StoreError: If its content is missing or damaged.
        """
        return self.load()

    def load(self, allow: tuple[str, ...] = ()) -> Any:
        """The value, with objects of the packages *allow* in it, such as ``("pandas",)``.

        Only for a store that is trusted: making such an object runs code of its package.
        """
        return _value_of(self._encoded, allow)

    def for_r(
        self, spool: Path, inline_limit_bytes: int, allow: tuple[str, ...] = ()
    ) -> dict[str, Any]:
        """The value as it travels to R, see `for_r.encode_for_r`."""
        by_r = any(tag.startswith("metaflow_r_version:") for tag in self.system_tags)
        return encode_for_r(
            self._encoded, Unpacked(spool), inline_limit_bytes, allow, by_r_package=by_r
        )

    @property
    def size(self) -> int:
        """Size of the serialized value in bytes, before compression."""
        encoded = self._encoded
        return encoded.size_bytes or len(encoded.pickle())

    @property
    def type(self) -> str:
        """Class of the value: R's for what R wrote, else such as ``"<class 'int'>"``."""
        return self._encoded.type

    @property
    def encoding(self) -> str:
        """How it is stored: ``"native"``, ``"r-serialize-3"`` or ``"pickle"``."""
        return self._encoded.encoding or "pickle"

    @property
    def own_encoding(self) -> str | None:
        """The same for an artifact that this core wrote; None for another one."""
        return self._encoded.encoding

    @property
    def sha(self) -> str:
        """Content hash of the serialized value."""
        return str(self._record.extra["sha"])

    @property
    def finished_at(self) -> datetime:
        """When it was stored; the same as `created_at`."""
        return self.created_at


class MetaflowData:
    """The artifacts of a task as attributes: ``task.data.model``."""

    def __init__(self, artifacts: Iterable[DataArtifact]) -> None:
        self._artifacts = {artifact.id: artifact for artifact in artifacts}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name not in self._artifacts:
            raise AttributeError(name)
        return self._artifacts[name].data

    def __contains__(self, name: str) -> bool:
        return name in self._artifacts

    def __dir__(self) -> list[str]:
        return [*self._artifacts, *object.__dir__(self)]

    def __repr__(self) -> str:
        return f"<MetaflowData: {', '.join(self._artifacts)}>"


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
        return _value_of(reader.load(name))

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
            yield from _in_order(self._other(str(r.pathspec), r) for r in records)

    def _other(self, pathspec: str, record: ObjectRecord | None = None) -> Task:
        return Task(pathspec, _record=record, _store=self._store, _namespace_check=False)


class Step(MetaflowObject[Task]):
    """A step of a run, with its tasks."""

    _LEVEL, _EXAMPLE = "step", "Flow/12/start"
    _NOT_FOUND = StepNotFound

    @property
    def task(self) -> Task | None:
        """The newest task; the only one of a step outside of a foreach."""
        return next(iter(self), None)

    def tasks(self, *tags: str) -> Iterator[Task]:
        """The tasks, newest first, that have all *tags*."""
        return self._tagged(tags)

    def tasks_in_order(self) -> list[Task]:
        """The tasks in the order of the enclosing foreaches."""
        return _in_order(self)

    @property
    def finished_at(self) -> datetime | None:
        """When the last task finished; None while one has not."""
        times = [task.finished_at for task in self]
        known = [at for at in times if at is not None]
        return max(known) if known and len(known) == len(times) else None

    @property
    def environment_info(self) -> dict[str, Any] | None:
        """What the code package says about the environment; None without one."""
        return self.task.environment_info if self.task else None

    @property
    def parent_steps(self) -> Iterator[Step]:
        """The steps that lead to this one."""
        return map(self._other, lineage.steps_before(self._graph_info(), self.id))

    @property
    def child_steps(self) -> Iterator[Step]:
        """The steps that this one leads to, as far as the run has reached them."""
        run = cast("Pathspec", self._spec.parent)
        after = lineage.steps_after(self._graph_info(), self.id)
        return (self._other(name) for name in after if self._store.provider.get(run.child(name)))

    def _graph_info(self) -> lineage.GraphInfo:
        run = cast("Run", self.parent)
        return run.graph_info or {"steps": {}}

    def _other(self, name: str) -> Step:
        run = cast("Pathspec", self._spec.parent)
        return Step(str(run.child(name)), _store=self._store, _namespace_check=False)


class Run(MetaflowObject[Step]):
    """One execution of a flow."""

    _LEVEL, _EXAMPLE = "run", "Flow/12"
    _NOT_FOUND = RunNotFound

    def _is_listed(self, name: str) -> bool:
        return not name.startswith("_")

    def steps(self, *tags: str) -> Iterator[Step]:
        """The steps that the run has reached, newest first, that have all *tags*."""
        return self._tagged(tags)

    def steps_in_order(self) -> list[Step]:
        """The steps that the run has reached, in the order of the graph."""
        order = lineage.steps_in_order(self.graph_info or {"steps": {}})
        position = {name: place for place, name in enumerate(order)}
        reached = sorted(self, key=lambda step: step.created_at)
        return sorted(reached, key=lambda step: position.get(step.id, len(order)))

    @property
    def graph_info(self) -> lineage.GraphInfo | None:
        """The flow's graph as it was recorded when the run started."""
        parameters = self._parameters_task()
        return None if parameters is None else parameters._value("_graph_info", None)

    @property
    def parameters(self) -> list[str]:
        """Names of the flow's parameters; the values are artifacts of `start`."""
        return [item["name"] for item in (self.graph_info or {}).get("parameters", [])]

    @property
    def end_task(self) -> Task | None:
        """The task of the last step, once the run has reached it."""
        record = self._child_record(self._end_step())
        return None if record is None else self._child(record).task

    @property
    def data(self) -> MetaflowData | None:
        """The artifacts of the last step's task, once there is one."""
        return self.end_task.data if self.end_task else None

    @property
    def successful(self) -> bool:
        """Whether the last step succeeded."""
        return self.end_task.successful if self.end_task else False

    @property
    def finished(self) -> bool:
        """Whether the last step finished."""
        return self.end_task.finished if self.end_task else False

    @property
    def finished_at(self) -> datetime | None:
        """When the last step finished."""
        return self.end_task.finished_at if self.end_task else None

    @property
    def code(self) -> MetaflowCode | None:
        """The code package of the run; None for one that ran locally."""
        codes = (step.task.code for step in self if step.task)
        return next((code for code in codes if code), None)

    @property
    def origin_run_id(self) -> str | None:
        """Id of the run that this one resumed, or None."""
        end = self.end_task
        return self._origin_run_id(end._facts() if end else [])

    def _origin_run_id(self, end_facts: Iterable[standing.Fact]) -> str | None:
        # The same for all tasks of a run, of which the first is soon found.
        for fact in chain(end_facts, self._facts_from_the_first_on()):
            if fact["field_name"] == "origin-run-id":
                # The text "None" is what none is stored as.
                return None if fact["value"] == "None" else str(fact["value"])
        return None

    def _facts_from_the_first_on(self) -> Iterator[standing.Fact]:
        for step in sorted(self, key=_created_at):
            yield from step.task._facts() if step.task else ()

    @property
    def origin_pathspec(self) -> str | None:
        """The run that this one resumed, or None."""
        origin = self.origin_run_id
        return f"{self._spec.flow}/{origin}" if origin else None

    @property
    def ending(self) -> Ending:
        """How it ended or stands, all at once."""
        state = self.state()
        # A run of ours says at its end how it ended, so that its tasks need not be looked at.
        return Ending.kept((state or {}).get("ending")) or self.ending_after(state)

    def ending_after(self, state: Mapping[str, Any] | None) -> Ending:
        """How it ended or stands by the records of its tasks and its last heartbeat *state*."""
        end = self.end_task
        facts = end._facts() if end else []
        end_status = end._status_by(facts) if end else None
        is_over = standing.is_over(end_status, state)
        finished_at = _timestamp(end.finished_at) if end else None
        ended_at = state["at"] if state and is_over and finished_at is None else finished_at
        return Ending(
            status=standing.of_run(
                end_task=end_status,
                state=state,
                is_alive=lambda: process.is_alive(state) if state else None,
                has_failed_task=lambda: any(True for _ in self._failed_tasks()),
                last_recorded_at=self._last_recorded_at,
                now=time.time(),
            ),
            is_over=is_over,
            successful=end_status == "successful",
            finished_at=finished_at,
            duration_s=None if ended_at is None else ended_at - self._record.created_at,
            origin_run_id=self._origin_run_id(facts),
        )

    @property
    def status(self) -> RunStatus:
        """How it stands: "running", "successful", "failed", "lost" (it died), or "unknown"."""
        return self.ending.status

    @property
    def duration_s(self) -> float | None:
        """Seconds from its registration to its end, or to its failure; None while it runs."""
        return self.ending.duration_s

    def state(self) -> Mapping[str, Any] | None:
        """What the run last said that it is doing, with ``"at"``; None if it says nothing."""
        return self._store.provider.run_state(self._spec)

    @property
    def failed_tasks(self) -> list[Task]:
        """The tasks that failed and were not caught, in the order of the graph."""
        return list(self._failed_tasks())

    def _failed_tasks(self) -> Iterator[Task]:
        return (task for task in self._all_tasks() if task._own_status() == "failed")

    def _all_tasks(self) -> Iterator[Task]:
        return (task for step in self.steps_in_order() for task in step.tasks_in_order())

    def _last_recorded_at(self) -> float:
        times = (fact["ts_epoch"] / 1000 for task in self._all_tasks() for fact in task._facts())
        return max(times, default=self._record.created_at)

    def add_tag(self, tag: str | Iterable[str]) -> None:
        """Give the run a tag. Raises InvalidTag if it is not valid."""
        self.replace_tags([], _as_list(tag))

    def add_tags(self, tags: Iterable[str]) -> None:
        """Give the run tags. Raises InvalidTag if one is not valid."""
        self.replace_tags([], tags)

    def remove_tag(self, tag: str | Iterable[str]) -> None:
        """Take a tag from the run. Raises InvalidTag for a system tag."""
        self.replace_tags(_as_list(tag), [])

    def remove_tags(self, tags: Iterable[str]) -> None:
        """Take tags from the run. Raises InvalidTag for a system tag."""
        self.replace_tags(tags, [])

    def replace_tag(
        self, tag_to_remove: str | Iterable[str], tag_to_add: str | Iterable[str]
    ) -> None:
        """Take one tag and give another, in one change."""
        self.replace_tags(_as_list(tag_to_remove), _as_list(tag_to_add))

    def replace_tags(self, tags_to_remove: Iterable[str], tags_to_add: Iterable[str]) -> None:
        """Take tags and give others, in one change; what is in both is given."""
        self._store.provider.mutate_tags(self._spec, tags_to_add, tags_to_remove)
        self._record = self._find()

    def _parameters_task(self) -> Task | None:
        record = self._child_record(PARAMETERS)
        return None if record is None else self._child(record).task

    def _end_step(self) -> str:
        task = self._parameters_task()
        facts = task._facts() if task else []
        return next((f["value"] for f in facts if f["field_name"] == "end_step"), END)


class Flow(MetaflowObject[Run]):
    """All runs of a flow."""

    _LEVEL, _EXAMPLE = "flow", "Flow"
    _NOT_FOUND = FlowNotFound

    def _is_in(self, namespace: str) -> bool:
        which = RunFilter(tags=(namespace,), limit=1)
        return bool(self._store.provider.runs(self.id, which))

    def __iter__(self) -> Iterator[Run]:
        """The runs, newest first, that are in this object's namespace."""
        return self.select()

    @property
    def latest_run(self) -> Run | None:
        """The newest run, however it goes or went."""
        return next(self.select(RunFilter(limit=1)), None)

    @property
    def latest_successful_run(self) -> Run | None:
        """The newest run that succeeded."""
        with self.history() as history:
            return next((run for run in self if history.ending(run).successful), None)

    def runs(self, *tags: str) -> Iterator[Run]:
        """The runs, newest first, that have all *tags*."""
        return self.select(RunFilter(tags))

    def history(self, which: RunFilter = _ALL_RUNS) -> History:
        """How runs ended; quick for those that *which* admits and that were asked about before."""
        return History(self._store.provider, self.id, self._within(which))

    def select(self, which: RunFilter = _ALL_RUNS) -> Iterator[Run]:
        """The runs that *which* admits, newest first."""
        return map(self._child, self._store.provider.runs(self.id, self._within(which)))

    def _within(self, which: RunFilter) -> RunFilter:
        """The same, of this object's namespace only."""
        own = () if self._namespace is None else (self._namespace,)
        return replace(which, tags=(*which.tags, *own))


class Metaflow:
    """All flows of the store."""

    def __init__(self) -> None:
        self._store = current_store()

    @property
    def flows(self) -> list[Flow]:
        """The flows that have a run in the current namespace."""
        return list(self)

    def __iter__(self) -> Iterator[Flow]:
        """The flows that have a run in the current namespace."""
        for record in self._store.provider.children(None):
            try:
                yield Flow(str(record.pathspec), _record=record, _store=self._store)
            except NotInNamespace:
                continue

    def __getitem__(self, name: str) -> Flow:
        """The flow of this name. Raises FlowNotFound or NotInNamespace."""
        return Flow(name, _store=self._store)

    def _ipython_key_completions_(self) -> list[str]:
        return [flow.id for flow in self]

    def __repr__(self) -> str:
        return "Metaflow()"


def _value_of(encoded: Encoded, allow: tuple[str, ...] = ()) -> Any:
    if encoded.kind != "r":
        return encoded.value(allow)
    return RObject(bytes(encoded.r_bytes()), encoded.type if encoded.encoding else "")


def _created_at(thing: Any) -> datetime:
    return cast(datetime, thing.created_at)


def _recorded_at(fact: Metadata) -> int:
    return fact.created_at


def _timestamp(at: datetime | None) -> float | None:
    return None if at is None else at.timestamp()


def _in_order(tasks: Iterable[Task]) -> list[Task]:
    """Tasks of one step in the order of the enclosing foreaches."""
    return sorted(tasks, key=lambda task: (lineage.indexes(task.foreach_path), _number(task.id)))


def _number(id: str) -> tuple[int, str]:
    """Sorts the ids "2" and "10" as numbers, and others as text."""
    return (int(id) if id.isdecimal() else 0, id)


def _utc(at: float | None) -> datetime:
    return _NO_TIME if at is None else datetime.fromtimestamp(at, UTC).replace(tzinfo=None)


def _as_list(tag: str | Iterable[str]) -> list[str]:
    return [tag] if isinstance(tag, str) else list(tag)


_CLASSES: dict[str, type[MetaflowObject[Any]]] = {
    "flow": Flow,
    "run": Run,
    "step": Step,
    "task": Task,
    "artifact": DataArtifact,
}
