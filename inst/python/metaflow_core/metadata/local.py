"""Metadata in JSON files beside the artifacts of a local datastore.

Below the root, in the layout of stock Metaflow, whose client reads all of it but the heartbeat:

`<flow>/latest_run`                                   id of the run that began last
`<flow>[/<run>[/<step>[/<task>]]]/_meta/_self.json`   the object itself
`…/<task>/_meta/sysmeta_<field>_<ms>.json`            one fact about a task
`…/<task>/_meta/<attempt>_artifact_<name>.json`       one artifact of an attempt
`<flow>/<run>/_meta/heartbeat.json`                   what the run was last doing, or how it ended
"""

from __future__ import annotations

import json
import logging
import pickle
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from hashlib import sha1
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metaflow_core.errors import RecordCorrupted, RunNotFound, StoreUnavailable
from metaflow_core.files import PUBLIC, FileTree, json_bytes, locked
from metaflow_core.metadata import tags as tagging
from metaflow_core.metadata.provider import (
    ArtifactRecord,
    Identity,
    MetaDatum,
    ObjectRecord,
    RunFilter,
)
from metaflow_core.model.flow import PARAMETERS
from metaflow_core.model.pathspec import Pathspec

if TYPE_CHECKING:
    from metaflow_core.metadata.index import RunIndex

_LOG = logging.getLogger(__name__)
_LEVEL_KEYS = ("flow_id", "run_number", "step_name", "task_id")
_CORE_KEYS = {*_LEVEL_KEYS, "user_name", "tags", "system_tags", "ts_epoch"}
_PRIVATE_THAT_ARE_READ = {
    "_success",
    "_task_ok",
    "_exception",
    "_foreach_stack",
    "_graph_info",
}
"""Metaflow's own artifacts that its client asks for; all are in data.json."""

_KEY_OF_NONE = sha1(pickle.dumps(None, 4)).hexdigest()
_TAG_ATTEMPTS = 20
_ALL = RunFilter()


class LocalMetadata:
    """The `MetadataProvider` of a directory.

    One process registers the tasks of a run; any number may read and change tags.

    Args:
        root: The directory that ends in `.metaflow`; made by the first write.
        ds_type, ds_root: Where the artifacts are, if not there too.
    """

    type = "local"

    def __init__(self, root: Path, ds_type: str = "local", ds_root: str | None = None) -> None:
        self._files = FileTree(root)
        self.root = self._files.root
        self._storage = {
            "ds_type": ds_type,
            "location": f":root:{ds_root or self.root}",
        }
        self._last_task: dict[Pathspec, int] = {}
        self._steps: set[Pathspec] = set()
        #: Keys of the facts whose time has not passed yet, and the latest of these times.
        self._newest_facts: set[str] = set()
        self._newest_fact_ms = 0

    # Writing

    def new_run(self, flow: str, identity: Identity) -> str:
        """See `MetadataProvider.new_run`; the id is the time in microseconds."""
        if not self._files.exists(_self(Pathspec(flow))):
            self._write(_self(Pathspec(flow)), {"flow_id": flow, "ts_epoch": _now_ms()})
        number = time.time_ns() // 1000
        while not self._files.make_directory(f"{flow}/{number}"):
            number += 1
        run = Pathspec(flow, str(number))
        self._register(run, identity)
        self._last_task[run] = 0
        self._files.write(f"{flow}/latest_run", [str(number).encode()], mode=PUBLIC)
        return str(number)

    def new_task(
        self, run: Pathspec, step: str, identity: Identity, follows: str | None = None
    ) -> str:
        """See `MetadataProvider.new_task`; ids count from 1 over all steps of a run."""
        self._register_step(run.child(step), identity)
        number = self._last_task[run] if run in self._last_task else self._last_task_of(run)
        while True:
            number += 1
            task = run.child(step).child(str(number))
            if self._files.make_directory(str(task)):
                break
        self._files.make_directory(f"{task}/_meta")
        self._last_task[run] = number
        self._register(task, identity, {} if follows is None else {"follows": follows})
        return str(number)

    def register_parameters_task(self, run: Pathspec, identity: Identity) -> str:
        """See `MetadataProvider.register_parameters_task`; its id is 0."""
        self._register_step(run.child(PARAMETERS), identity)
        self._register(run.child(PARAMETERS).child("0"), identity)
        return "0"

    def register_metadata(self, task: Pathspec, data: Sequence[MetaDatum], user: str) -> None:
        """See `MetadataProvider.register_metadata`."""
        now_ms, names, folder = _now_ms(), _names(task), str(task)
        if now_ms > self._newest_fact_ms:
            self._newest_facts.clear()
        for datum in data:
            key, at_ms = self._new_fact(folder, datum.field, now_ms)
            record = {
                **names,
                "field_name": datum.field,
                "type": datum.type or datum.field,
                "value": datum.value,
                "tags": list(datum.tags),
                "user_name": user,
                "ts_epoch": at_ms,
            }
            self._write(key, record)

    def register_artifacts(
        self,
        task: Pathspec,
        attempt: int,
        artifacts: Iterable[ArtifactRecord],
        identity: Identity,
    ) -> None:
        """See `MetadataProvider.register_artifacts`.

        Of Metaflow's own artifacts those that nobody reads here get no file, nor those that are
        None: it is what clients take one for that is not there.
        """
        common, folder = _common(identity), str(task)
        for artifact in artifacts:
            is_private = artifact.name.startswith("_")
            if is_private and (
                artifact.key == _KEY_OF_NONE or artifact.name not in _PRIVATE_THAT_ARE_READ
            ):
                continue
            record = {
                "run_number": task.run,
                "step_name": task.step,
                "task_id": task.task,
                "attempt_id": attempt,
                "name": artifact.name,
                "content_type": artifact.content_type,
                "type": "metaflow.artifact",
                "sha": artifact.key,
                **self._storage,
                "flow_id": task.flow,
                **common,
            }
            self._write(f"{folder}/_meta/{attempt}_artifact_{artifact.name}.json", record)

    def heartbeat(self, run: Pathspec, state: Mapping[str, Any]) -> None:
        """See `MetadataProvider.heartbeat`."""
        self._write(_heartbeat(run), {"at": time.time(), **state})

    def mutate_tags(self, run: Pathspec, add: Iterable[str], remove: Iterable[str]) -> list[str]:
        """See `MetadataProvider.mutate_tags`.

        Our processes take turns by a lock. Stock Metaflow's do not know it, so what was written
        is read again, and the change is repeated if one of them undid it.
        """
        adding, removing = tagging.check_tags(add), tagging.check_tags(remove)
        if not self._files.exists(_self(run)):
            raise RunNotFound(f"There is no run {run}.")
        with locked(self._files.path(f"{run}/_meta/tags.lock")):
            for _ in range(_TAG_ATTEMPTS):
                record = self._read(_self(run))
                if record is None:
                    raise RunNotFound(f"There is no run {run}.")
                present, system_tags = (
                    record.get("tags") or [],
                    record.get("system_tags") or [],
                )
                wanted = tagging.changed(present, system_tags, adding, removing)
                if set(wanted) == set(present):
                    return wanted
                self._write(_self(run), {**record, "tags": wanted})
        raise StoreUnavailable(f"The tags of {run} are being changed by others all the time.")

    # Reading

    def latest_run(self, flow: str) -> str | None:
        """Id of the run that began last here, or None."""
        try:
            return self._files.read(f"{flow}/latest_run").decode().strip() or None
        except KeyError:
            return None

    def get(self, pathspec: Pathspec) -> ObjectRecord | None:
        """See `MetadataProvider.get`. Raises RecordCorrupted if the record is not JSON."""
        record = self._read(_self(pathspec))
        if record is None:
            return None
        run = _run_of(pathspec)
        return _object(pathspec, record, record if run is None else self._read(_self(run)))

    def children(self, parent: Pathspec | None) -> list[ObjectRecord]:
        """See `MetadataProvider.children`; an object whose record is damaged is left out."""
        if parent is not None and parent.level == "flow":
            return self.runs(parent.flow)
        return self._scan(parent)

    def runs(self, flow: str, which: RunFilter = _ALL) -> list[ObjectRecord]:
        """See `MetadataProvider.runs`; a run whose record is damaged is left out."""
        if self._index is None:
            return [run for run in self._scan(Pathspec(flow)) if which.admits(run)][: which.limit]
        found = self._index.runs(flow, which)
        return [_object(Pathspec(flow, run), record, record) for run, record in found.items()]

    def outcomes(self, flow: str, which: RunFilter = _ALL) -> Mapping[str, Any]:
        """See `MetadataProvider.outcomes`."""
        return {} if self._index is None else self._index.outcomes(flow, which)

    def keep_outcomes(self, flow: str, outcomes: Mapping[str, Any]) -> None:
        """See `MetadataProvider.keep_outcomes`."""
        if self._index is not None:
            self._index.keep_outcomes(flow, outcomes)

    def task_metadata(self, task: Pathspec) -> list[dict[str, Any]]:
        """See `MetadataProvider.task_metadata`; oldest first."""
        found = self._records(task, "sysmeta_")
        return sorted(found, key=lambda record: record.get("ts_epoch", 0))

    def artifacts(self, task: Pathspec, attempt: int | None = None) -> list[dict[str, Any]]:
        """See `MetadataProvider.artifacts`; by name."""
        if attempt is None:
            done = [r for r in self.task_metadata(task) if r.get("field_name") == "attempt-done"]
            if not done:
                return []
            attempt = int(done[-1]["value"])
        found = self._records(task, f"{attempt}_artifact_")
        return sorted(found, key=lambda record: str(record.get("name")))

    def run_state(self, run: Pathspec) -> Mapping[str, Any] | None:
        """See `MetadataProvider.run_state`."""
        return self._read_or_warn(_heartbeat(run))

    @cached_property
    def _index(self) -> RunIndex | None:
        try:
            # Only readers need SQLite, and not every Python has it.
            from metaflow_core.metadata.index import RunIndex
        except ImportError:
            return None
        return RunIndex(self.root, lambda flow, run: self._read_or_warn(_self(Pathspec(flow, run))))

    def _scan(self, parent: Pathspec | None) -> list[ObjectRecord]:
        below = [
            entry.name
            for entry in self._files.entries("" if parent is None else str(parent))
            if entry.name not in ("_meta", "data") and entry.is_dir()
        ]
        children = [Pathspec(name) if parent is None else parent.child(name) for name in below]
        run = _run_of(children[0]) if children else None
        run_record = None if run is None else self._read_or_warn(_self(run))
        found = [
            _object(child, record, record if run is None else run_record)
            for child in children
            if (record := self._read_or_warn(_self(child))) is not None
        ]
        return sorted(found, key=_age, reverse=True)

    def _register_step(self, step: Pathspec, identity: Identity) -> None:
        if step not in self._steps:
            if not self._files.exists(_self(step)):
                self._register(step, identity)
            self._steps.add(step)

    def _register(
        self,
        pathspec: Pathspec,
        identity: Identity,
        extra: Mapping[str, str] | None = None,
    ) -> None:
        names = _names(pathspec)
        flow = names.pop("flow_id")
        self._write(
            _self(pathspec),
            {**names, "flow_id": flow, **_common(identity), **(extra or {})},
        )

    def _new_fact(self, task: str, field: str, at_ms: int) -> tuple[str, int]:
        """Key and time of a fact.

        If the field was set in this very millisecond, both values stay and this one counts.
        """
        while (key := f"{task}/_meta/sysmeta_{field}_{at_ms}.json") in self._newest_facts:
            at_ms += 1
        self._newest_facts.add(key)
        self._newest_fact_ms = max(self._newest_fact_ms, at_ms)
        return key, at_ms

    def _last_task_of(self, run: Pathspec) -> int:
        """For a process that goes on with a run that another one began."""
        tasks = (
            int(task.name)
            for step in self._files.entries(str(run))
            if step.name != "_meta"
            for task in self._files.entries(str(run.child(step.name)))
            if task.name.isdigit()
        )
        return max(tasks, default=0)

    def _write(self, key: str, record: Mapping[str, Any]) -> None:
        self._files.write(key, [json_bytes(record)])

    def _read(self, key: str) -> dict[str, Any] | None:
        try:
            data = self._files.read(key)
        except KeyError:
            return None
        try:
            record = json.loads(data)
        except ValueError as error:
            raise self._damaged(key, str(error)) from error
        if not isinstance(record, dict):
            raise self._damaged(key, "it is not an object")
        return record

    def _read_or_warn(self, key: str) -> dict[str, Any] | None:
        """One damaged record must not hide all others from a list."""
        try:
            return self._read(key)
        except RecordCorrupted as error:
            _LOG.warning("%s", error)
            return None

    def _records(self, task: Pathspec, prefix: str) -> list[dict[str, Any]]:
        keys = (
            f"{task}/_meta/{entry.name}"
            for entry in self._files.entries(f"{task}/_meta")
            if entry.name.startswith(prefix)
        )
        return [record for key in keys if (record := self._read_or_warn(key)) is not None]

    def _damaged(self, key: str, reason: str) -> RecordCorrupted:
        return RecordCorrupted(
            f"The record {self._files.path(key)} is damaged: {reason}.",
            "`fsck` tells what else is damaged.",
        )


def _self(pathspec: Pathspec) -> str:
    return f"{pathspec}/_meta/_self.json"


def _heartbeat(run: Pathspec) -> str:
    return f"{run}/_meta/heartbeat.json"


def _run_of(pathspec: Pathspec) -> Pathspec | None:
    """The run that a step or task has its tags from; None for a flow or a run."""
    inside = pathspec.step is not None
    return Pathspec(pathspec.flow, pathspec.run) if inside else None


def _names(pathspec: Pathspec) -> dict[str, str]:
    """The fields of a record that tell what it is about."""
    return dict(zip(_LEVEL_KEYS, pathspec.parts, strict=False))


def _common(identity: Identity) -> dict[str, Any]:
    return {
        "user_name": identity.user,
        "tags": list(identity.tags),
        "system_tags": list(identity.system_tags),
        "ts_epoch": _now_ms(),
    }


def _object(
    pathspec: Pathspec, record: Mapping[str, Any], tagged: Mapping[str, Any] | None
) -> ObjectRecord:
    tagged = tagged or {}
    return ObjectRecord(
        pathspec,
        record.get("user_name"),
        tuple(tagged.get("tags") or ()),
        tuple(tagged.get("system_tags") or ()),
        record.get("ts_epoch", 0) / 1000,
        {key: value for key, value in record.items() if key not in _CORE_KEYS},
    )


def _age(record: ObjectRecord) -> tuple[float, int]:
    """Sorts by time, and by number what began in the same millisecond."""
    last = record.pathspec.parts[-1]
    return record.created_at, int(last) if last.isdigit() else 0


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
