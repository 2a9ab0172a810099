"""Unpacked blobs: one file for all that read it, and no more of them than there is room for."""

from __future__ import annotations

from pathlib import Path

import pytest

from metaflow_core.datastore.blobs import BlobStore
from metaflow_core.datastore.storage import Storage
from metaflow_core.datastore.unpacked import IN_USE_S, Unpacked
from metaflow_core.errors import BlobMissing


@pytest.fixture
def blobs(storage: Storage) -> BlobStore:
    return BlobStore(storage, "F")


class Clock:
    """A clock that a test sets."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def dense(number: int) -> bytes:
    return bytes([number]) * 100_000


def test_a_blob_is_unpacked_once(
    blobs: BlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = blobs.save([dense(1)])
    unpacked = Unpacked(tmp_path / "unpacked")
    path = unpacked.path(blobs, key)
    monkeypatch.setattr(BlobStore, "copy_to", None)

    assert unpacked.path(blobs, key) == path
    assert path.read_bytes() == dense(1)


def test_what_was_not_asked_for_lately_makes_room(blobs: BlobStore, tmp_path: Path) -> None:
    clock = Clock()
    unpacked = Unpacked(tmp_path / "unpacked", limit_bytes=250_000, clock=clock)
    first, second, third = (blobs.save([dense(number)]) for number in (1, 2, 3))
    unpacked.path(blobs, first)
    unpacked.path(blobs, second)
    clock.now_s = IN_USE_S
    unpacked.path(blobs, first)
    unpacked.path(blobs, third)

    assert {path.name for path in (tmp_path / "unpacked").iterdir()} == {first, third}
    assert unpacked.path(blobs, second).read_bytes() == dense(2)


def test_what_is_in_use_stays_though_it_is_too_much(blobs: BlobStore, tmp_path: Path) -> None:
    unpacked = Unpacked(tmp_path / "unpacked", limit_bytes=0, clock=Clock())
    paths = [unpacked.path(blobs, blobs.save([dense(number)])) for number in (1, 2, 3)]

    assert all(path.exists() for path in paths)


def test_a_blob_that_is_not_there_is_told(blobs: BlobStore, tmp_path: Path) -> None:
    with pytest.raises(BlobMissing):
        Unpacked(tmp_path / "unpacked").path(blobs, "0" * 40)
