"""Blobs: named by content, compressed where it pays, verified when read."""

from __future__ import annotations

import errno
import gzip
import json
import os
import pickle
import random
import stat
from array import array
from concurrent.futures import ThreadPoolExecutor
from hashlib import file_digest, sha1
from pathlib import Path

import pytest

from metaflow_core.datastore import blobs
from metaflow_core.datastore.blobs import RAW_FROM_BYTES, BlobStore
from metaflow_core.datastore.storage import Storage
from metaflow_core.errors import BlobCorrupted, BlobMissing, StoreUnavailable

SMALL = pickle.dumps("a value", 4)
DENSE = pickle.dumps(bytearray(200_000), 4)
RANDOM = pickle.dumps(random.Random(1).randbytes(200_000), 4)
DRAWN = random.Random(1)
DOUBLES = array("d", [DRAWN.getrandbits(32) / 2**32 for _ in range(25_000)]).tobytes()
TEXT = b"".join(b"label %d" % i for i in range(20_000))
CONTENTS = {"small": SMALL, "compressible": DENSE, "incompressible": RANDOM, "empty": b""}


@pytest.fixture
def store(storage: Storage) -> BlobStore:
    return BlobStore(storage, "F")


def place(key: str) -> str:
    return f"F/data/{key[:2]}/{key}"


def put(storage: Storage, content: bytes, body: bytes, raw: bool | None) -> str:
    """A blob as stock Metaflow, or a crash, leaves it."""
    key = sha1(content).hexdigest()
    storage.save(place(key), [body])
    if raw is not None:
        mark(storage, key, raw)
    return key


def mark(storage: Storage, key: str, raw: bool) -> None:
    storage.save(f"{place(key)}_meta", [json.dumps({"cas_raw": raw, "cas_version": 1}).encode()])


def as_stock_reads(storage: Storage, key: str) -> bytes:
    """What stock Metaflow makes of a blob: its side file says whether it is gzip."""
    side = f"{place(key)}_meta"
    raw = storage.exists(side) and json.loads(storage.load(side))["cas_raw"]
    body = storage.load(place(key))
    return body if raw else gzip.decompress(body)


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
def test_a_blob_comes_back_in_every_way(
    storage: Storage, store: BlobStore, content: bytes, tmp_path: Path
) -> None:
    middle = len(content) // 2
    key = store.save([content[:middle], memoryview(content)[middle:]])

    assert key == sha1(content).hexdigest()
    assert store.load(key) == content
    assert as_stock_reads(storage, key) == content
    assert store.copy_to(key, tmp_path / "all") == len(content)
    assert (tmp_path / "all").read_bytes() == content
    assert store.prefix(key, 10) == content[:10]


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
def test_a_file_is_the_same_blob(store: BlobStore, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "spool"
    path.write_bytes(content)

    key = store.save_file(path)

    assert key == sha1(content).hexdigest()
    assert store.load(key) == content
    assert store.save([content]) == key


def test_a_file_that_is_stored_raw_becomes_the_blob(
    storage: Storage, store: BlobStore, tmp_path: Path
) -> None:
    path = tmp_path / "spool"
    path.write_bytes(RANDOM)
    inode = path.stat().st_ino
    blob = storage.local_path(place(store.save_file(path)))

    assert blob is not None
    assert (blob.stat().st_ino, stat.S_IMODE(blob.stat().st_mode)) == (inode, 0o600)


def test_a_file_on_another_disk_is_copied(
    storage: Storage, store: BlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(source: str, target: str) -> None:
        if source == str(path):
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        link(source, target)

    link = os.link
    monkeypatch.setattr(os, "link", refuse)
    path = tmp_path / "spool"
    path.write_bytes(RANDOM)
    key = store.save_file(path)

    assert store.load(key) == RANDOM
    assert as_stock_reads(storage, key) == RANDOM


def test_only_a_raw_blob_is_a_file_to_read(store: BlobStore, storage: Storage) -> None:
    keys = [store.save([content]) for content in (RANDOM, DENSE, SMALL)]

    raw, *others = map(store.raw_file, keys)

    assert raw == storage.local_path(place(keys[0]))
    assert others == [None, None]


def test_a_raw_blob_is_verified_once_and_again_when_it_changed(
    store: BlobStore, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = store.save([RANDOM])
    reader = BlobStore(storage, "F")
    digests: list[str] = []
    monkeypatch.setattr(
        blobs, "file_digest", lambda *args: digests.append("sha1") or file_digest(*args)
    )
    path = reader.raw_file(key)
    assert path is not None
    assert reader.raw_file(key) == path
    assert digests == ["sha1"]
    with open(path, "r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(bytes([RANDOM[-1] ^ 1]))
    os.utime(path, ns=(0, 0))

    with pytest.raises(BlobCorrupted, match=r"The content of artifact x is damaged"):
        reader.raw_file(key, "artifact x")


def test_a_small_blob_is_one_file(storage: Storage, store: BlobStore) -> None:
    key = store.save([SMALL])

    assert list(storage.list(f"F/data/{key[:2]}")) == [(key, False)]


@pytest.mark.parametrize(
    ("content", "raw"),
    [
        pytest.param(DENSE, False, id="the same over and over"),
        pytest.param(TEXT, True, id="different texts"),
        pytest.param(DENSE + DOUBLES, True, id="the same over and over, and then random doubles"),
        pytest.param(DOUBLES, True, id="random doubles of 32 bits, as R's runif() makes them"),
        pytest.param(RANDOM, True, id="random bytes"),
    ],
)
def test_a_large_blob_is_raw_where_compression_does_not_save_most_of_it(
    storage: Storage, store: BlobStore, content: bytes, raw: bool
) -> None:
    key = store.save([content])

    assert json.loads(storage.load(f"{place(key)}_meta")) == {"cas_raw": raw, "cas_version": 1}
    assert (storage.load(place(key)) == content) == raw


def test_equal_content_is_stored_once(storage: Storage, store: BlobStore, failing) -> None:
    key = store.save([RANDOM])
    full = BlobStore(failing(storage, saves=0), "F")

    assert full.save([RANDOM]) == key


def test_many_writers_of_one_value_agree(storage: Storage, store: BlobStore) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = list(pool.map(lambda _: store.save([RANDOM]), range(16)))

    assert len(set(keys)) == 1
    assert as_stock_reads(storage, keys[0]) == RANDOM


@pytest.mark.parametrize("content", [SMALL, DENSE, RANDOM])
@pytest.mark.parametrize("saves", [0, 1, 2])
def test_after_a_crash_anywhere_the_next_save_completes_the_blob(
    storage: Storage, failing, content: bytes, saves: int
) -> None:
    full = BlobStore(failing(storage, saves), "F")
    key = sha1(content).hexdigest()
    try:
        full.save([content])
    except StoreUnavailable:
        with pytest.raises(BlobMissing):
            full.load(key)

    BlobStore(storage, "F").save([content])
    assert as_stock_reads(storage, key) == content


@pytest.mark.parametrize("content", [SMALL, DENSE, RANDOM], ids=["small", "gzip", "raw"])
@pytest.mark.parametrize("left_bytes", [0, 1, 30, -1])
def test_a_blob_that_was_cut_off_is_replaced_by_the_next_save(
    storage: Storage, content: bytes, left_bytes: int, tmp_path: Path
) -> None:
    key = BlobStore(storage, "F").save([content])
    cut = storage.load(place(key))[:left_bytes]
    storage.save(place(key), [cut])

    BlobStore(storage, "F").save([content])
    assert as_stock_reads(storage, key) == content

    storage.save(place(key), [cut])
    (tmp_path / "x").write_bytes(content)
    BlobStore(storage, "F").save_file(tmp_path / "x")
    assert as_stock_reads(storage, key) == content


@pytest.mark.parametrize("content", [DENSE, RANDOM])
def test_a_faster_writer_that_compresses_is_agreed_with(
    storage: Storage, failing, content: bytes
) -> None:
    class Slow(failing):
        def exists(self, key: str) -> bool:
            # Stock Metaflow stores the value just after we have looked for it.
            put(storage, content, gzip.compress(content), raw=False)
            return False

    key = BlobStore(Slow(storage, saves=9), "F").save([content])

    assert as_stock_reads(storage, key) == content
    assert BlobStore(storage, "F").load(key) == content


@pytest.mark.parametrize(
    ("content", "raw"),
    [
        pytest.param(SMALL, None, id="gzip without side file"),
        pytest.param(SMALL, True, id="a side file that is wrong"),
        pytest.param(gzip.compress(b"code"), True, id="raw content that is itself gzip"),
    ],
)
def test_what_others_stored_is_read(
    storage: Storage, store: BlobStore, content: bytes, raw: bool | None, tmp_path: Path
) -> None:
    body = content if raw and content != SMALL else gzip.compress(content, 3)
    key = put(storage, content, body, raw)

    assert store.load(key) == content
    store.copy_to(key, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == content


@pytest.mark.parametrize("content", [SMALL, DENSE, RANDOM], ids=["small", "gzip", "raw"])
@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda body: b"", id="emptied"),
        pytest.param(lambda body: body[: len(body) // 2], id="cut off"),
        pytest.param(lambda body: body[:-9] + b"x" + body[-8:], id="a byte changed"),
        pytest.param(lambda body: gzip.compress(b"other"), id="replaced"),
    ],
)
def test_a_damaged_blob_is_named_and_not_returned(
    storage: Storage, store: BlobStore, content: bytes, damage, tmp_path: Path
) -> None:
    key = store.save([content])
    storage.save(place(key), [damage(storage.load(place(key)))])
    what = "artifact F/1/start/1/x"
    told = rf"The content of {what} is damaged: the sha1 of .*/{key} is not its name"

    with pytest.raises(BlobCorrupted, match=told):
        store.load(key, what)
    with pytest.raises(BlobCorrupted, match=told):
        store.copy_to(key, tmp_path / "x", what=what)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("key", ["0" * 40, "../../etc/passwd", "", "0" * 39 + "/"])
def test_a_key_without_a_blob_is_told(store: BlobStore, key: str, tmp_path: Path) -> None:
    for read in (store.load, lambda k: store.prefix(k, 9), lambda k: store.copy_to(k, tmp_path)):
        with pytest.raises(BlobMissing):
            read(key)


def test_a_missing_source_file_is_not_told_as_a_failing_store(
    store: BlobStore, tmp_path: Path
) -> None:
    with pytest.raises(StoreUnavailable, match=r"Cannot read .*/spool: no such file"):
        store.save_file(tmp_path / "spool")


def test_without_isal_the_format_is_the_same(
    store: BlobStore, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [store.save([content]) for content in CONTENTS.values()]
    monkeypatch.setattr(blobs, "_deflate", blobs.zlib)
    monkeypatch.setattr(blobs, "_gzip", gzip)

    assert [store.load(key) for key in keys] == list(CONTENTS.values())
    other = BlobStore(storage, "G")
    assert [other.save([content]) for content in CONTENTS.values()] == keys
    assert [other.load(key) for key in keys] == list(CONTENTS.values())


def test_all_keys_are_listed_and_a_deleted_blob_is_gone(storage: Storage, store: BlobStore) -> None:
    small, large = store.save([SMALL]), store.save([RANDOM])
    assert set(store.keys()) == {small, large}

    assert store.delete(large) == len(RANDOM)
    assert store.delete(large) == 0
    assert set(store.keys()) == {small}
    assert len(RANDOM) > RAW_FROM_BYTES
    assert list(storage.list(f"F/data/{large[:2]}")) == []
