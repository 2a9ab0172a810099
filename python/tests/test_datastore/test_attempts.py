"""Attempts: what they store is there all at once, and comes back as what it was."""

from __future__ import annotations

import json
import os
import pickle
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from metaflow_core import wire
from metaflow_core.datastore import pickles
from metaflow_core.datastore.attempts import AttemptWriter, Encoded, FlowDatastore
from metaflow_core.datastore.storage import Storage
from metaflow_core.datastore.unpacked import Unpacked
from metaflow_core.errors import (
    ArtifactNotConvertible,
    ArtifactNotFound,
    BlobCorrupted,
    RecordCorrupted,
    StoreError,
    StoreUnavailable,
    TaskNotFound,
)

TASK = ("1", "start", "1")
R_VALUE = wire.dumps({"a": 1, "b": "two"})


def fill(writer: AttemptWriter, value: str = "a value") -> None:
    writer.begin()
    writer.save_native("x", value)
    writer.save_r("large", os.urandom(100_000), "raw")


def write(writer: AttemptWriter, value: str = "a value") -> bool:
    fill(writer, value)
    return writer.commit()


def finish(store: FlowDatastore, attempt: int = 0, **values: Any) -> None:
    writer = store.writer(*TASK, attempt)
    writer.begin()
    for name, value in values.items():
        writer.save_native(name, value)
    assert writer.commit()


def in_file(found: Encoded, folder: Path) -> bytes:
    """The R bytes as R reads them: from where they begin, to where they say that they end."""
    path, offset = found.r_file(Unpacked(folder / "unpacked"))
    return path.read_bytes()[offset:][: len(found.r_bytes())]


def store_as_stock(store: FlowDatastore, name: str, data: bytes) -> None:
    """An artifact as stock Metaflow describes it."""
    writer = store.writer(*TASK, 0)
    writer.begin()
    key = store.blobs.save([data])
    info = {
        "size": len(data),
        "type": "<class 'bytearray'>",
        "encoding": "pickle-v4",
        "serializer_info": {"source": "metaflow"},
    }
    writer.refer(name, key, info)
    assert writer.commit()


def test_artifacts_come_back_by_kind(store: FlowDatastore, tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    spool.write_bytes(bytes(pickles.ROOM_BYTES) + R_VALUE)
    writer = store.writer(*TASK, 0)
    writer.begin()
    writer.save_native("native", [1, "a"])
    writer.save_r("bytes", R_VALUE, "list")
    writer.save_r_file("file", spool, len(R_VALUE), "list")
    writer.save_pickle("python", pickle.dumps({1, 2}, 4), "<class 'set'>")
    assert writer.commit()

    reader = store.reader(*TASK)
    found = {name: reader.load(name) for name in reader.objects}
    assert {name: item.kind for name, item in found.items()} == {
        "native": "native",
        "bytes": "r",
        "file": "r",
        "python": "python",
    }
    assert found["native"].value() == [1, "a"]
    assert found["python"].value() == {1, 2}
    assert found["bytes"].r_bytes() == R_VALUE
    assert found["file"].r_bytes() == R_VALUE
    assert found["file"].value() == bytearray(R_VALUE)
    assert in_file(found["file"], tmp_path) == R_VALUE
    assert found["file"].type == "list"
    assert found["native"].type == "<class 'list'>"
    assert reader.load_pickle("native") == [1, "a"]
    assert reader.load_pickle("absent", 7) == 7


@pytest.mark.parametrize("content", [os.urandom(100_000), bytes(100_000)], ids=["raw", "gzip"])
def test_a_large_file_of_r_bytes_comes_back_by_the_stock_pickle_module(
    store: FlowDatastore, tmp_path: Path, content: bytes
) -> None:
    data = wire.dumps(content)
    spool = tmp_path / "spool"
    spool.write_bytes(bytes(pickles.ROOM_BYTES) + data)
    writer = store.writer(*TASK, 0)
    # A failed attempt is written a second time, from the same files.
    keys = {writer.save_r_file("x", spool, len(data), "raw") for _ in range(2)}
    found = Encoded("x", keys.pop(), writer.info["x"], store.blobs, "F/1/start/1")

    assert not keys
    assert pickle.loads(found.pickle()) == bytearray(data)
    assert in_file(found, tmp_path) == data


@pytest.mark.parametrize("content", [os.urandom(1 << 24), bytes(1 << 24)], ids=["raw", "gzip"])
def test_a_large_file_is_never_in_memory(
    store: FlowDatastore, tmp_path: Path, content: bytes
) -> None:
    spool = tmp_path / "spool"
    spool.write_bytes(bytes(pickles.ROOM_BYTES) + content)
    writer = store.writer(*TASK, 0)

    tracemalloc.start()
    try:
        key = writer.save_r_file("x", spool, len(content), "raw")
        found = Encoded("x", key, writer.info["x"], store.blobs, "F/1/start/1")
        found.r_file(Unpacked(tmp_path / "unpacked"))
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak_bytes < len(content) / 2


def test_a_file_may_be_stored_before_its_artifact_is_written(
    store: FlowDatastore, tmp_path: Path
) -> None:
    spool = tmp_path / "spool"
    spool.write_bytes(bytes(pickles.ROOM_BYTES) + R_VALUE)
    writer = store.writer(*TASK, 0)
    writer.begin()

    key = writer.store_r_file("x", spool, len(R_VALUE))
    assert "x" not in writer.objects
    spool.unlink()

    assert writer.save_r_file("x", spool, len(R_VALUE), "list") == key
    writer.commit()
    assert store.reader(*TASK).load("x").r_bytes() == R_VALUE


def test_a_file_that_is_cut_off_is_not_stored(store: FlowDatastore, tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    spool.write_bytes(bytes(pickles.ROOM_BYTES) + R_VALUE)

    with pytest.raises(StoreError, match="artifact 'x' is cut off"):
        store.writer(*TASK, 0).save_r_file("x", spool, len(R_VALUE) + 1, "list")


def test_a_raw_vector_that_holds_a_serialization_is_still_a_raw_vector(
    store: FlowDatastore,
) -> None:
    # R sends a raw vector serialized, like any other value; what is inside is not looked at.
    raw = wire.dumps(R_VALUE)
    writer = store.writer(*TASK, 0)
    writer.begin()
    writer.save_r("x", raw, "raw")
    writer.commit()

    assert wire.loads(store.reader(*TASK).load("x").r_bytes()) == R_VALUE


@pytest.mark.parametrize("protocol", [3, 4, 5])
@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (bytearray(R_VALUE), "r"),
        (bytearray(b"just bytes"), "python"),
        (R_VALUE, "python"),
        ((bytearray(R_VALUE), 1), "python"),
        ([1, 2], "python"),
    ],
    ids=["serialization", "bytearray", "bytes", "tuple", "list"],
)
def test_what_others_wrote_is_told_by_its_form(
    store: FlowDatastore, value: Any, kind: str, protocol: int, tmp_path: Path
) -> None:
    store_as_stock(store, "x", pickle.dumps(value, protocol))
    found = store.reader(*TASK).load("x")

    assert (found.kind, found.encoding) == (kind, None)
    assert found.value() == value
    if kind == "r":
        assert found.r_bytes() == R_VALUE
        assert in_file(found, tmp_path) == R_VALUE
    elif not isinstance(value, bytearray):
        with pytest.raises(ArtifactNotConvertible, match="x is not an R object"):
            found.r_bytes()


def test_the_record_is_what_stock_metaflow_reads(store: FlowDatastore, storage: Storage) -> None:
    finish(store, x=1)
    record = json.loads(storage.load("HelloFlow/1/start/1/0.data.json"))

    assert record["datastore"] == storage.type
    assert (record["version"], record["attempt"]) == ("1.0", 0)
    assert set(record["objects"]) == {"x"}
    assert record["info"]["x"] == {
        "size": 5,
        "type": "<class 'int'>",
        "encoding": "pickle-v4",
        "serializer_info": {"source": "metaflow-r", "encoding": "native"},
    }
    assert storage.load("HelloFlow/1/start/1/0.DONE.lock") == b'""'
    assert set(json.loads(storage.load("HelloFlow/1/start/1/0.attempt.json"))) == {"time"}


def test_artifacts_are_passed_on_replaced_and_removed(store: FlowDatastore) -> None:
    finish(store, kept=1, replaced=2, removed=3)
    origin = store.reader(*TASK)
    writer = store.writer("1", "next", "2", 0)
    writer.take_over(origin)
    writer.save_native("replaced", 4)
    writer.remove("removed")
    writer.remove("never there")
    writer.refer("again", origin.objects["kept"], origin.info["kept"])
    writer.begin()
    writer.commit()

    reader = store.reader("1", "next", "2")
    assert {name: reader.load_pickle(name) for name in reader.objects} == {
        "kept": 1,
        "replaced": 4,
        "again": 1,
    }


@pytest.mark.parametrize("saves", range(12))
def test_a_crash_at_any_write_leaves_the_old_state_or_the_new_one(
    store: FlowDatastore, storage: Storage, failing, saves: int
) -> None:
    finish(store, 0, x="old")
    full = failing(storage, saves)
    writer = FlowDatastore(full, "HelloFlow").writer(*TASK, 1)
    try:
        write(writer, "new")
    except StoreUnavailable:
        is_new = False
    else:
        is_new = True

    assert store.reader(*TASK, 0).load_pickle("x") == "old"
    if is_new:
        reader = store.reader(*TASK)
        assert (reader.attempt, reader.load_pickle("x")) == (1, "new")
        assert len(reader.load("large").r_bytes()) == 100_000
    else:
        assert store.reader(*TASK, 1, allow_not_done=True).objects == {}
        with pytest.raises(TaskNotFound):
            store.reader(*TASK, 1)
    # attempt.json, x, large with its side file, data.json, DONE.lock
    assert is_new == (saves >= 6)


@pytest.mark.parametrize("saves", range(6))
def test_a_commit_that_failed_can_be_tried_again(
    store: FlowDatastore, storage: Storage, failing, saves: int
) -> None:
    full = failing(storage, saves)
    writer = FlowDatastore(full, "HelloFlow").writer(*TASK, 0)
    with pytest.raises(StoreUnavailable):
        write(writer)

    full.left = 99
    assert write(writer)
    assert store.reader(*TASK).load_pickle("x") == "a value"


def test_of_many_writers_of_an_attempt_one_wins(store: FlowDatastore) -> None:
    writers = [store.writer(*TASK, 0) for _ in range(16)]
    for index, writer in enumerate(writers):
        fill(writer, f"of writer {index}")
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda writer: writer.commit(), writers))

    assert won.count(True) == 1
    assert store.reader(*TASK).load_pickle("x") == f"of writer {won.index(True)}"


def test_the_latest_attempt_counts(store: FlowDatastore) -> None:
    finish(store, 0, x="first")
    finish(store, 1, x="second")

    assert store.reader(*TASK).load_pickle("x") == "second"
    assert store.reader(*TASK, 0).load_pickle("x") == "first"
    assert store.attempts(*TASK) == ({0, 1}, {0, 1})


def test_a_new_attempt_hides_those_before_it_until_it_ends(store: FlowDatastore) -> None:
    finish(store, 0, x="first")
    store.writer(*TASK, 1).begin()

    with pytest.raises(TaskNotFound, match=r"HelloFlow/1/start/1, attempt 1 has not ended"):
        store.reader(*TASK)
    assert not store.reader(*TASK, allow_not_done=True).done


def test_what_is_not_there_is_told(store: FlowDatastore) -> None:
    with pytest.raises(TaskNotFound, match="is not in the datastore"):
        store.reader(*TASK)
    finish(store, x=1)
    with pytest.raises(TaskNotFound, match="attempt 3 is not in the datastore"):
        store.reader(*TASK, 3)
    with pytest.raises(ArtifactNotFound, match=r"HelloFlow/1/start/1 has no artifact 'y'.*: x\."):
        store.reader(*TASK).load("y")


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"\xff", b"[]", b'{"objects": 3}', b'{"objects": {"x": 1}}', b'{"info": {"x": 1}}'],
)
def test_a_damaged_record_is_told_with_its_place(
    store: FlowDatastore, storage: Storage, data: bytes
) -> None:
    finish(store, x=1)
    storage.save("HelloFlow/1/start/1/0.data.json", [data])

    with pytest.raises(RecordCorrupted, match=r"HelloFlow/1/start/1/0\.data\.json is damaged"):
        store.reader(*TASK)


def test_a_damaged_artifact_is_told_with_its_name(
    store: FlowDatastore, storage: Storage, tmp_path: Path
) -> None:
    finish(store, x="a value")
    found = store.reader(*TASK).load("x")
    storage.save(f"HelloFlow/data/{found.key[:2]}/{found.key}", [b"damaged"])

    with pytest.raises(BlobCorrupted, match="artifact HelloFlow/1/start/1/x is damaged"):
        found.value()


def test_logs_are_written_whole_or_line_by_line(store: FlowDatastore) -> None:
    writer = store.writer(*TASK, 2)
    writer.save_log("task", "stdout", b"all\n")
    writer.append_log("runtime", "stderr", b"one\n")
    writer.append_log("runtime", "stderr", b"two\n")

    assert store.log_file(*TASK, 2, "task", "stdout").read() == b"all\n"
    assert store.log_file(*TASK, 2, "runtime", "stderr").read() == b"one\ntwo\n"
    assert store.log_file(*TASK, 1, "runtime", "stderr").read() == b""


def test_runs_and_tasks_are_listed(store: FlowDatastore, storage: Storage) -> None:
    for run, step, task in (("1", "start", "1"), ("1", "end", "2"), ("2", "start", "1")):
        store.writer(run, step, task, 0).begin()
    storage.save("HelloFlow/latest_run", [b"2"])
    storage.save("HelloFlow/1/_meta/_self.json", [b"{}"])
    store.blobs.save([b"a blob"])

    assert sorted(store.runs()) == ["1", "2"]
    assert sorted(store.tasks("1")) == [("end", "2"), ("start", "1")]
    assert list(store.tasks("3")) == []
