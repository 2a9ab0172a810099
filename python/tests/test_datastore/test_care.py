"""Care of a store: what is damaged is found, what nobody needs can be removed."""

from __future__ import annotations

import json
import os
import pickle

import pytest

from metaflow_core.datastore import fsck, gc
from metaflow_core.datastore.attempts import FlowDatastore
from metaflow_core.datastore.fsck import verify
from metaflow_core.datastore.storage import Storage
from metaflow_core.errors import RecordCorrupted, StoreError


def write(store: FlowDatastore, run: str, task: str = "1", **values: object) -> dict[str, str]:
    writer = store.writer(run, "start", task, 0)
    writer.begin()
    for name, value in values.items():
        writer.save_native(name, value)
    assert writer.commit()
    return dict(writer.objects)


def blob(key: str) -> str:
    return f"HelloFlow/data/{key[:2]}/{key}"


def test_a_store_without_damage_has_none(store: FlowDatastore, storage: Storage) -> None:
    write(store, "1", x="a", y="b")
    writer = store.writer("1", "start", "2", 0)
    writer.begin()
    writer.save_r("large", os.urandom(100_000), "raw")
    writer.commit()
    storage.save("HelloFlow/1/_meta/_self.json", [b"{}"])

    assert verify(store) == []


def test_each_damaged_object_is_told_once_with_all_that_it_takes_along(
    store: FlowDatastore, storage: Storage
) -> None:
    objects = write(store, "1", x="shared", y="mine", z="fine")
    write(store, "2", x="shared")
    write(store, "3", x="fine")
    storage.save(blob(objects["x"]), [b"damaged"])
    storage.delete(blob(objects["y"]))
    storage.save("HelloFlow/3/start/1/0.data.json", [b"{"])
    storage.save("HelloFlow/3/start/1/_meta/_self.json", [b""])

    found = {(damage.kind, damage.affected) for damage in verify(store)}
    assert found == {
        ("blob_corrupted", ("HelloFlow/1/start/1/x", "HelloFlow/2/start/1/x")),
        ("blob_missing", ("HelloFlow/1/start/1/y",)),
        ("record_corrupted", ("HelloFlow/3/start/1",)),
    }
    assert len(verify(store)) == 4
    assert all(damage.path.startswith(storage.root) for damage in verify(store))


def test_what_is_damaged_can_be_removed_and_made_anew(
    store: FlowDatastore, storage: Storage
) -> None:
    objects = write(store, "1", x="damaged", y="fine")
    body = storage.load(blob(objects["x"]))
    storage.save(blob(objects["x"]), [body[:-9] + b"x" + body[-8:]])

    assert fsck.remove(store, verify(store)) == 1
    assert [damage.kind for damage in verify(store)] == ["blob_missing"]
    write(FlowDatastore(storage, "HelloFlow"), "2", x="damaged")
    assert verify(store) == []


def test_a_single_run_can_be_verified(store: FlowDatastore, storage: Storage) -> None:
    write(store, "1", x="a")
    storage.delete(blob(write(store, "2", x="b")["x"]))

    assert verify(store, "1") == []
    assert len(verify(store, "2")) == 1


def test_an_attempt_that_has_not_ended_is_not_damaged(
    store: FlowDatastore, storage: Storage
) -> None:
    store.writer("1", "start", "1", 0).begin()
    storage.save("HelloFlow/1/start/1/0.data.json", [b"{"])

    assert verify(store) == []


def test_what_a_run_refers_to_is_kept_and_the_rest_removed(
    store: FlowDatastore, storage: Storage
) -> None:
    kept = write(store, "1", x="kept")["x"]
    package = store.blobs.save([b"a code package"])
    storage.save(
        "HelloFlow/1/start/1/_meta/sysmeta_code-package_1.json",
        [json.dumps({"value": json.dumps({"sha": package})}).encode()],
    )
    content = store.blobs.save([b"an included file"])
    including = store.writer("1", "start", "2", 0)
    including.begin()
    included = pickle.dumps({"url": f"{storage.root}/{blob(content)}"}, 4)
    including.save_pickle("file", included, "<class 'metaflow.includefile.IncludedFile'>")
    including.commit()
    unneeded = [store.blobs.save([data]) for data in (b"small", os.urandom(100_000))]

    assert gc.unreferenced(store) == sorted(unneeded)
    assert gc.remove(store, unneeded) > 100_000
    assert gc.unreferenced(store) == []
    assert set(store.blobs.keys()) == {kept, package, content, including.objects["file"]}
    assert verify(store) == []


def test_while_a_task_may_be_running_nothing_is_said_to_be_unneeded(
    store: FlowDatastore,
) -> None:
    store.blobs.save([b"of the task that runs"])
    store.writer("1", "start", "1", 0).begin()

    with pytest.raises(StoreError, match=r"HelloFlow/1/start/1, attempt 0 has not ended"):
        gc.unreferenced(store)


def test_a_task_that_began_long_ago_and_never_ended_is_not_running(
    store: FlowDatastore, storage: Storage
) -> None:
    key = store.blobs.save([b"left by a crash"])
    storage.save("HelloFlow/1/start/1/0.attempt.json", [b'{"time": 1.0}'])

    assert gc.unreferenced(store) == [key]


def test_a_damaged_record_might_refer_to_anything(store: FlowDatastore, storage: Storage) -> None:
    write(store, "1", x="a")
    storage.save("HelloFlow/1/start/1/0.data.json", [b""])

    with pytest.raises(RecordCorrupted, match=r"0\.data\.json is damaged"):
        gc.unreferenced(store)
