"""What R asks of the core to take care of a store."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from metaflow_core.bridge.operations import operation
from metaflow_core.client.scope import current_store
from metaflow_core.datastore import fsck as checks
from metaflow_core.datastore import gc as unused


@operation("fsck")
def fsck(*, flow: str, run: str | None = None, remove: bool = False) -> dict[str, list[Any]]:
    """What is damaged in the store of a flow, or of one run, as columns of `fsck.Damage`.

    With *remove*, blobs among it are not there any more.
    """
    store = current_store().datastore(flow)
    found = checks.verify(store, run)
    if remove:
        checks.remove(store, found)
    damages = [asdict(one) for one in found]
    names = ("kind", "path", "message", "affected")
    columns = {name: [damage[name] for damage in damages] for name in names}
    columns["affected"] = [list(pathspecs) for pathspecs in columns["affected"]]
    return columns


@operation("gc")
def gc(*, flow: str, remove: bool) -> dict[str, Any]:
    """The blobs that no run of a flow refers to, and the bytes that removing them has freed."""
    store = current_store().datastore(flow)
    keys = unused.unreferenced(store)
    return {"keys": keys, "freed_bytes": unused.remove(store, keys) if remove else 0}
