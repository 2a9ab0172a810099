"""Finds what is damaged in a store, and removes it so that it can be made anew."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from metaflow_core.datastore.attempts import AttemptPath, FlowDatastore, load_record
from metaflow_core.errors import BlobCorrupted, BlobMissing, RecordCorrupted


@dataclass(frozen=True, slots=True)
class Damage:
    """One object of the store that is not as it should be.

    Args:
        kind: ``"blob_missing"``, ``"blob_corrupted"`` or ``"record_corrupted"``.
        path: Where it is.
        message: What is wrong with it, in a sentence.
        affected: Pathspecs of the artifacts that cannot be read because of it; for a record, of
            the task.
    """

    kind: str
    path: str
    message: str
    affected: tuple[str, ...]


def verify(store: FlowDatastore, run: str | None = None) -> list[Damage]:
    """Read every record and every blob of a run, or of all runs, and tell what is damaged.

    Each blob is read once, however many artifacts it has. Attempts that have not ended do not
    count: nothing reads them.

    Raises:
        StoreUnavailable: If the storage fails.
    """
    damages: list[Damage] = []
    artifacts: dict[str, list[str]] = defaultdict(list)
    for name in [run] if run is not None else sorted(store.runs()):
        damages += _damaged_metadata(store, f"{store.flow}/{name}")
        for step, task in sorted(store.tasks(name)):
            pathspec = f"{store.flow}/{name}/{step}/{task}"
            damages += _damaged_metadata(store, pathspec)
            for attempt in _ended(store, name, step, task):
                try:
                    objects = load_record(store.storage, attempt.key("data.json"))["objects"]
                except RecordCorrupted as error:
                    path = f"{store.storage.root}/{attempt.key('data.json')}"
                    damages.append(Damage(error.kind(), path, error.message, (pathspec,)))
                    continue
                for artifact, key in objects.items():
                    artifacts[key].append(f"{pathspec}/{artifact}")
    return damages + list(_damaged_blobs(store, artifacts.items()))


def remove(store: FlowDatastore, damages: Iterable[Damage]) -> int:
    """Delete the blobs whose content is damaged; how many.

    They cannot be read, and as long as they are there, a run that makes the same values does not
    store them.
    """
    keys = [one.path.rpartition("/")[2] for one in damages if one.kind == BlobCorrupted.kind()]
    for key in keys:
        store.blobs.delete(key)
    return len(keys)


def _ended(store: FlowDatastore, run: str, step: str, task: str) -> list[AttemptPath]:
    begun, done = store.attempts(run, step, task)
    return [AttemptPath(store.flow, run, step, task, attempt) for attempt in sorted(begun & done)]


def _damaged_metadata(store: FlowDatastore, pathspec: str) -> Iterator[Damage]:
    for name, is_folder in sorted(store.storage.list(f"{pathspec}/_meta")):
        if is_folder or not name.endswith(".json"):
            continue
        key = f"{pathspec}/_meta/{name}"
        try:
            json.loads(store.storage.load(key))
        except ValueError as error:
            path = f"{store.storage.root}/{key}"
            message = f"The record {path} is damaged: {error}."
            yield Damage("record_corrupted", path, message, (pathspec,))


def _damaged_blobs(
    store: FlowDatastore, artifacts: Iterable[tuple[str, list[str]]]
) -> Iterator[Damage]:
    for key, affected in artifacts:
        try:
            store.blobs.verify(key, f"artifact {affected[0]}")
        except (BlobMissing, BlobCorrupted) as error:
            where = store.blobs.location(key)
            yield Damage(error.kind(), where, error.message, tuple(affected))
