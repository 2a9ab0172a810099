"""What an attempt stores: its artifacts and logs. `FlowDatastore` is the door to all of it.

An attempt is a set of files beside each other, `<flow>/<run>/<step>/<task>/<attempt>.<what>`:

`attempt.json`   the attempt has begun
`data.json`      the attempt's artifacts: name to blob, and what each is
`DONE.lock`      the attempt has ended, and data.json counts; written last
`<source>_<stream>.log`, `runtime`   what the process that ran it has to say

Nothing else of an attempt is read by anyone (stock Metaflow's task_begin and task_end are not),
so nothing else is written.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, Protocol

from metaflow_core.datastore import pickles
from metaflow_core.datastore.blobs import BlobStore, Span
from metaflow_core.datastore.logs import LogFile
from metaflow_core.datastore.storage import Storage
from metaflow_core.datastore.unpacked import Unpacked
from metaflow_core.errors import (
    ArtifactNotConvertible,
    ArtifactNotFound,
    RecordCorrupted,
    StoreError,
    TaskNotFound,
)
from metaflow_core.files import Buffer, json_bytes, telling

MAX_ATTEMPTS = 6
"""How many attempts stock Metaflow looks for."""

SOURCE = "metaflow-r"
"""Who wrote an artifact, in its info."""

NATIVE, R_SERIALIZE, PICKLE = "native", "r-serialize-3", "pickle"
"""How an artifact of ours is encoded, in its info."""

Kind = Literal["native", "r", "python"]
Info = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AttemptPath:
    """Where an attempt's files are.

    Args:
        flow, run, step, task: The task.
        attempt: Counted from 0.
    """

    flow: str
    run: str
    step: str
    task: str
    attempt: int

    @property
    def task_key(self) -> str:
        """The key that all files of the task begin with."""
        return f"{self.flow}/{self.run}/{self.step}/{self.task}"

    def key(self, what: str) -> str:
        """The key of one of the attempt's files."""
        return f"{self.task_key}/{self.attempt}.{what}"

    def __str__(self) -> str:
        return f"{self.task_key}, attempt {self.attempt}"


class FlowDatastore:
    """The artifacts and logs of one flow.

    Args:
        storage: Where they are kept.
        flow: Name of the flow.
    """

    def __init__(self, storage: Storage, flow: str) -> None:
        self.storage = storage
        self.flow = flow
        self.blobs = BlobStore(storage, flow)

    def writing(self) -> AbstractContextManager[None]:
        """Let the next run look for what this process leaves behind if it dies meanwhile."""
        return self.storage.writing(self.flow, f"{self.flow}/data")

    def writer(self, run: str, step: str, task: str, attempt: int) -> AttemptWriter:
        """To store what an attempt makes."""
        return AttemptWriter(self, AttemptPath(self.flow, run, step, task, attempt))

    def reader(
        self,
        run: str,
        step: str,
        task: str,
        attempt: int | None = None,
        *,
        allow_not_done: bool = False,
    ) -> AttemptReader:
        """To read what an attempt made; by default, the latest one that has begun.

        A latest attempt that has not ended hides those before it, as in stock Metaflow: what they
        made is about to be replaced.

        Args:
            run, step, task: The task.
            attempt: Counted from 0.
            allow_not_done: Whether an attempt that has not ended is one without artifacts.

        Raises:
            TaskNotFound: If there is no such attempt, or it has not ended.
            RecordCorrupted: If its record cannot be read.
        """
        begun, done = self.attempts(run, step, task)
        number = max(begun, default=None) if attempt is None else attempt
        path = AttemptPath(self.flow, run, step, task, number or 0)
        is_done = number in done and number in begun
        if not is_done and not allow_not_done:
            state = "has not ended" if number in begun else "is not in the datastore"
            raise TaskNotFound(f"Task {path} {state}.")
        record = load_record(self.storage, path.key("data.json")) if is_done else {}
        return AttemptReader(self.blobs, path, record, is_done)

    def attempts(self, run: str, step: str, task: str) -> tuple[set[int], set[int]]:
        """Numbers of a task's attempts that have begun, and of those that have ended."""
        begun: set[int] = set()
        done: set[int] = set()
        for name, _ in self.storage.list(f"{self.flow}/{run}/{step}/{task}"):
            number, _, what = name.partition(".")
            if number.isdigit() and what == "attempt.json":
                begun.add(int(number))
            elif number.isdigit() and what == "DONE.lock":
                done.add(int(number))
        return begun, done

    def runtime(self, run: str, step: str, task: str, attempt: int) -> Mapping[str, Any]:
        """How an attempt's process ended (see `AttemptWriter.save_runtime`); empty if not told."""
        key = AttemptPath(self.flow, run, step, task, attempt).key("runtime")
        try:
            record = json.loads(self.storage.load(key))
        except (KeyError, ValueError):
            return {}
        return record if isinstance(record, dict) else {}

    def runs(self) -> Iterator[str]:
        """Ids of all runs that have stored something, in no order."""
        for name, is_folder in self.storage.list(self.flow):
            if is_folder and name not in ("data", "_meta"):
                yield name

    def tasks(self, run: str) -> Iterator[tuple[str, str]]:
        """Step and id of all tasks of a run that have stored something, in no order."""
        for step, is_folder in self.storage.list(f"{self.flow}/{run}"):
            if is_folder and step != "_meta":
                for task, is_task in self.storage.list(f"{self.flow}/{run}/{step}"):
                    if is_task and task != "_meta":
                        yield step, task

    def log_file(  # noqa: PLR0913, PLR0917 -- a log is named by the six parts of its path
        self, run: str, step: str, task: str, attempt: int, source: str, stream: str
    ) -> LogFile:
        """An attempt's log file, which need not be there.

        Args:
            run, step, task, attempt: The attempt.
            source: ``"runtime"`` or ``"task"``.
            stream: ``"stdout"`` or ``"stderr"``.
        """
        path = AttemptPath(self.flow, run, step, task, attempt)
        return LogFile(self.storage, path.key(f"{source}_{stream}.log"), stream)


class Artifacts(Protocol):
    """Artifacts by name: an attempt's, or those that a caller has chosen."""

    @property
    def objects(self) -> Mapping[str, str]:
        """Artifact names to keys of their blobs."""
        ...

    @property
    def info(self) -> Mapping[str, Mapping[str, Any]]:
        """Artifact names to what is known about each."""
        ...


class AttemptWriter:
    """Stores what an attempt makes. Made by `FlowDatastore.writer`.

    Artifacts are stored as they come; none of them is to be seen before `commit`. Every method
    raises `StoreUnavailable` where the storage fails; it can be called again then.
    """

    def __init__(self, datastore: FlowDatastore, path: AttemptPath) -> None:
        self.path = path
        self._storage = datastore.storage
        self._blobs = datastore.blobs
        self._objects: dict[str, str] = {}
        self._info: dict[str, Info] = {}
        self._stored_files: dict[Path, str] = {}
        self._holds_data = False

    @property
    def objects(self) -> Mapping[str, str]:
        """Artifact names to keys of their blobs, so far."""
        return MappingProxyType(self._objects)

    @property
    def info(self) -> Mapping[str, Info]:
        """Artifact names to what is known about each, so far."""
        return MappingProxyType(self._info)

    def begin(self) -> None:
        """Say that the attempt has begun, now."""
        self._save_json("attempt.json", {"time": time.time()})

    def save_native(self, name: str, value: Any) -> str:
        """Store a plain value as a native pickle; the key of its blob.

        Raises:
            ArtifactNotConvertible: If it is not plain, see `pickles.dumps_native`.
        """
        return self._save(name, [pickles.dumps_native(value)], str(type(value)), NATIVE)

    def save_r(self, name: str, data: Buffer, r_type: str) -> str:
        """Store R `serialize()` bytes; the key of their blob.

        Args:
            name: Artifact name.
            data: The bytes (version 2 or 3).
            r_type: Short name of the value's class, such as ``"data.frame"``.
        """
        header, trailer = pickles.wrap_r(len(data))
        return self._save(name, [header, data, trailer], r_type, R_SERIALIZE)

    def save_r_file(self, name: str, path: Path, size_bytes: int, r_type: str) -> str:
        """Store a file of R `serialize()` bytes; the key of its blob, which it may become.

        Args:
            name: Artifact name.
            path: The file, see `store_r_file`; it may have been stored by that already.
            size_bytes: Number of the bytes.
            r_type: As in `save_r`.

        Raises:
            StoreError: If the file has not so many bytes.
        """
        key = self._stored_files.get(path) or self.store_r_file(name, path, size_bytes)
        size_bytes += sum(map(len, pickles.wrap_r_file(size_bytes)))
        return self.refer(name, key, _info(size_bytes, r_type, R_SERIALIZE))

    def store_r_file(self, name: str, path: Path, size_bytes: int) -> str:
        """Store the content of what `save_r_file` is told later; the key of its blob.

        Another thread may do this, meanwhile.

        Args:
            name: Artifact name, for error messages.
            path: The file: `pickles.ROOM_BYTES` of any content, then the bytes. It is made a
                pickle in place, and nobody else may change it any more.
            size_bytes: Number of the bytes.

        Raises:
            StoreError: If the file has not so many bytes.
        """
        header, trailer = pickles.wrap_r_file(size_bytes)
        with telling("write", path), open(path, "r+b", buffering=0) as file:
            if os.fstat(file.fileno()).st_size < len(header) + size_bytes:
                raise StoreError(
                    f"The artifact {name!r} is cut off: its file {path} has not {size_bytes} bytes."
                )
            file.write(header)
            file.seek(size_bytes, os.SEEK_CUR)
            file.write(trailer)
        key = self._stored_files[path] = self._blobs.save_file(path)
        return key

    def save_pickle(self, name: str, data: bytes, type_name: str) -> str:
        """Store a pickle (of protocol 4 or less) as it is; the key of its blob."""
        return self._save(name, [data], type_name, PICKLE)

    def refer(self, name: str, key: str, info: Mapping[str, Any]) -> str:
        """Make an artifact of a blob that is stored, such as another task's; its key.

        Args:
            name: Artifact name.
            key: Key of the blob.
            info: What is known about it; tasks share it, and nobody changes it any more.
        """
        self._objects[name] = key
        self._info[name] = info
        return key

    def take_over(self, origin: Artifacts) -> None:
        """Make all artifacts of another attempt artifacts of this one; no content is touched."""
        for name, key in origin.objects.items():
            self.refer(name, key, origin.info.get(name, {}))

    def remove(self, name: str) -> None:
        """Forget an artifact; nothing happens if there is none of that name."""
        self._objects.pop(name, None)
        self._info.pop(name, None)

    def commit(self, python_version: str = sys.version) -> bool:
        """End the attempt: its artifacts are there from now on, all at once.

        Of several writers of one attempt (a worker that was lost and is back), one gets True, and
        its artifacts are the attempt's.

        Args:
            python_version: What wrote it, for people.
        """
        record = {
            "datastore": self._storage.type,
            "version": "1.0",
            "attempt": self.path.attempt,
            "python_version": python_version,
            "objects": self._objects,
            "info": self._info,
        }
        # Only who makes data.json makes DONE.lock: the two are always of one writer.
        if not self._holds_data:
            self._holds_data = self._save_json("data.json", record, overwrite=False)
        return self._holds_data and self._save_json("DONE.lock", "")

    def save_runtime(
        self, return_code: int, killed: bool, success: bool, **used: float | None
    ) -> None:
        """Store how the attempt's process ended, and what it *used*."""
        record = {"return_code": return_code, "killed": killed, "success": success, **used}
        self._save_json("runtime", record)

    def save_log(self, source: str, stream: str, data: bytes) -> None:
        """Store a whole log file of the attempt; see `FlowDatastore.log_file`."""
        self._storage.save(self.path.key(f"{source}_{stream}.log"), [data])

    def append_log(self, source: str, stream: str, data: bytes) -> None:
        """Add lines to a log file of the attempt."""
        self._storage.append(self.path.key(f"{source}_{stream}.log"), data)

    def _save(self, name: str, parts: list[Buffer], type_name: str, encoding: str) -> str:
        key = self._blobs.save(parts)
        return self.refer(name, key, _info(sum(map(len, parts)), type_name, encoding))

    def _save_json(self, what: str, record: Any, *, overwrite: bool = True) -> bool:
        return self._storage.save(self.path.key(what), [json_bytes(record)], overwrite=overwrite)


class AttemptReader:
    """Reads what an attempt made. Made by `FlowDatastore.reader`.

    Args:
        blobs: Blobs of the flow.
        path: The attempt.
        record: Content of its data.json.
        done: Whether it has ended.
    """

    def __init__(
        self, blobs: BlobStore, path: AttemptPath, record: Mapping[str, Any], done: bool
    ) -> None:
        self.path = path
        self.done = done
        self.objects: Mapping[str, str] = MappingProxyType(record.get("objects", {}))
        self.info: Mapping[str, Info] = MappingProxyType(record.get("info", {}))
        self.python_version: str = record.get("python_version", "")
        self._blobs = blobs

    @property
    def attempt(self) -> int:
        """The attempt's number, counted from 0."""
        return self.path.attempt

    def load(self, name: str) -> Encoded:
        """An artifact, of which nothing has been read yet.

        Raises:
            ArtifactNotFound: If the attempt has none of that name.
        """
        try:
            key = self.objects[name]
        except KeyError:
            raise ArtifactNotFound(name, self.path.task_key, list(self.objects)) from None
        return Encoded(name, key, self.info.get(name, {}), self._blobs, self.path.task_key)

    def load_pickle(self, name: str, default: Any = None) -> Any:
        """The value of a native artifact or one of Metaflow's own; *default* if there is none.

        Raises:
            BlobMissing, BlobCorrupted, UnsafePickle, ArtifactNotConvertible: If it cannot be had.
        """
        return self.load(name).value() if name in self.objects else default


@dataclass(frozen=True)
class Encoded:
    """An artifact as it is stored.

    Every method raises `BlobMissing` or `BlobCorrupted` where its blob is.

    Args:
        name: Artifact name.
        key: Key of its blob.
        info: What the attempt's record says about it.
        blobs: Blobs of its flow.
        task: Pathspec of its task, for messages.
    """

    name: str
    key: str
    info: Mapping[str, Any]
    blobs: BlobStore
    task: str

    @property
    def size_bytes(self) -> int:
        """Length of the pickle; 0 if it was not recorded."""
        return int(self.info.get("size") or 0)

    @property
    def type(self) -> str:
        """Class of the value: R's for one that R wrote, else such as ``"<class 'int'>"``."""
        return str(self.info.get("type"))

    @property
    def encoding(self) -> str | None:
        """How it is encoded, for an artifact of ours; None if someone else wrote it."""
        mark = self.info.get("serializer_info") or {}
        return mark.get("encoding") if mark.get("source") == SOURCE else None

    @cached_property
    def kind(self) -> Kind:
        """How the value can be had.

        ``"native"``: by `value`, and it is exactly what was stored. ``"r"``: by `r_bytes` or
        `r_file`, from R. ``"python"``: by `value`, and R may have no exact form of it.

        For an artifact of someone else (`encoding` is None) ``"r"`` means bytes that begin like
        an R serialization. If the run is one of the old R package, they are one or, rarely, a raw
        vector that holds one; in a Python flow they are bytes.
        """
        if self.encoding is not None:
            kinds: dict[str, Kind] = {NATIVE: "native", PICKLE: "python"}
            return kinds.get(self.encoding, "r")
        prefix = self.blobs.prefix(self.key, pickles.PREFIX_BYTES, self._what)
        span = pickles.unwrap_r(prefix, self.size_bytes or None)
        return "r" if span is not None and pickles.is_r(prefix[span.start :]) else "python"

    def pickle(self) -> bytes:
        """The whole pickle."""
        return self.blobs.load(self.key, self._what)

    def value(self, allow: tuple[str, ...] = ()) -> Any:
        """The value in Python; R bytes are a `bytearray`.

        Args:
            allow: See `pickles.loads_safe`.

        Raises:
            UnsafePickle, ArtifactNotConvertible: See `pickles.loads_safe`.
        """
        return pickles.loads_safe(self.pickle(), allow)

    def r_bytes(self) -> memoryview:
        """The R `serialize()` bytes.

        Raises:
            ArtifactNotConvertible: If the artifact is not of kind ``"r"``.
        """
        data = self.pickle()
        span = self._span(data)
        return memoryview(data)[span.start : span.start + span.length]

    def r_file(self, unpacked: Unpacked) -> tuple[Path, int]:
        """A file with the R `serialize()` bytes, not to be changed, and where they begin.

        Raises:
            ArtifactNotConvertible: If the artifact is not of kind ``"r"``.
        """
        path = unpacked.path(self.blobs, self.key, self._what)
        with telling("read", path), open(path, "rb", buffering=0) as file:
            return path, self._span(file.read(pickles.PREFIX_BYTES)).start

    def _span(self, prefix: bytes) -> Span:
        span = pickles.unwrap_r(prefix, self.size_bytes or None)
        if span is None:
            raise ArtifactNotConvertible(f"The {self._what} is not an R object.")
        return span

    @property
    def _what(self) -> str:
        return f"artifact {self.task}/{self.name}"


def load_record(storage: Storage, key: str) -> dict[str, Any]:
    """An attempt's data.json.

    Raises:
        RecordCorrupted: If it is missing or damaged.
    """
    try:
        record = json.loads(storage.load(key))
    except KeyError:
        raise RecordCorrupted(f"The record {storage.root}/{key} is missing.") from None
    except ValueError as error:
        raise _damaged(storage, key, str(error)) from error
    if not isinstance(record, dict):
        raise _damaged(storage, key, "it is not an object")
    for part, kind in (("objects", str), ("info", dict)):
        items = record.setdefault(part, {})
        if not isinstance(items, dict) or not all(isinstance(v, kind) for v in items.values()):
            raise _damaged(storage, key, f"its {part!r} is not what it should be")
    return record


def _damaged(storage: Storage, key: str, reason: str) -> RecordCorrupted:
    return RecordCorrupted(
        f"The record {storage.root}/{key} is damaged: {reason}.",
        "`fsck` tells what else is damaged.",
    )


_ENCODING = f"pickle-v{pickles.PROTOCOL}"
_MARKS = {kind: {"source": SOURCE, "encoding": kind} for kind in (NATIVE, R_SERIALIZE, PICKLE)}


def _info(size_bytes: int, type_name: str, encoding: str) -> Info:
    return {
        "size": size_bytes,
        "type": type_name,
        "encoding": _ENCODING,
        "serializer_info": _MARKS[encoding],
    }
