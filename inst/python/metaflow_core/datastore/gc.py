"""Finds, and removes, blobs that no run refers to: those of runs that were deleted.

A blob counts as referred to if any attempt of any run names it, if it is a code package, or if an
included file of stock Metaflow names it.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Iterator

from metaflow_core.datastore.attempts import AttemptPath, FlowDatastore, load_record
from metaflow_core.errors import StoreError

RUNNING_FOR_S = 86400.0
"""An attempt that began less than this ago and has not ended may still be running."""

_KEY = re.compile(rb"(?<![0-9a-f])[0-9a-f]{40}(?![0-9a-f])")
_INCLUDED_FILE = "<class 'metaflow.includefile.IncludedFile'>"


def unreferenced(store: FlowDatastore) -> list[str]:
    """Keys of the blobs that nothing refers to, sorted.

    Raises:
        StoreError: If a task of the flow may be running: what it refers to is not known yet.
        RecordCorrupted: If a record is damaged that may refer to a blob.
        StoreUnavailable: If the storage fails.
    """
    # Blobs first: one that is stored while we look is then not among them.
    stored = set(store.blobs.keys())
    referred = {
        key
        for run in store.runs()
        for step, task in store.tasks(run)
        for key in _references(store, run, step, task)
    }
    return sorted(stored - referred)


def remove(store: FlowDatastore, keys: Iterable[str]) -> int:
    """Delete blobs, and all that crashed writers left behind; how many bytes the blobs took up."""
    store.storage.sweep(everywhere=True)
    return sum(store.blobs.delete(key) for key in keys)


def _references(store: FlowDatastore, run: str, step: str, task: str) -> Iterator[str]:
    begun, done = store.attempts(run, step, task)
    for attempt in begun:
        path = AttemptPath(store.flow, run, step, task, attempt)
        if attempt not in done:
            _check_not_running(store, path)
            continue
        record = load_record(store.storage, path.key("data.json"))
        objects = record["objects"]
        yield from objects.values()
        for name, info in record.get("info", {}).items():
            if info.get("type") == _INCLUDED_FILE:
                yield from _keys_in(store.blobs.load(objects[name], f"artifact {path}/{name}"))
    for name, _ in store.storage.list(f"{store.flow}/{run}/{step}/{task}/_meta"):
        if name.startswith("sysmeta_code-package_"):
            key = f"{store.flow}/{run}/{step}/{task}/_meta/{name}"
            yield from _keys_in(store.storage.load(key))


def _keys_in(data: bytes) -> Iterator[str]:
    return (found.decode() for found in _KEY.findall(data))


def _check_not_running(store: FlowDatastore, path: AttemptPath) -> None:
    began_at = json.loads(store.storage.load(path.key("attempt.json"))).get("time", 0)
    if time.time() - began_at < RUNNING_FOR_S:
        raise StoreError(
            f"Task {path} has not ended, and may be running.",
            "Wait until no run of the flow is in progress; a run that died counts for a day.",
        )
