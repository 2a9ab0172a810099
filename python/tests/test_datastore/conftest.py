"""Storages that the contract is run on, and one that fails when it is told to."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from metaflow_core.datastore.attempts import FlowDatastore
from metaflow_core.datastore.local import LocalStorage
from metaflow_core.datastore.storage import Storage
from metaflow_core.errors import StoreUnavailable

STORAGES: dict[str, Callable[[Path], Storage]] = {
    "local": lambda folder: LocalStorage(folder / ".metaflow"),
}
"""A new storage adds a line here."""


@pytest.fixture(params=STORAGES)
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    return STORAGES[request.param](tmp_path)


@pytest.fixture
def store(storage: Storage) -> FlowDatastore:
    return FlowDatastore(storage, "HelloFlow")


@pytest.fixture
def local(tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path / ".metaflow")


class Failing:
    """A storage whose disk is full after some saves.

    Args:
        storage: What it writes to until then.
        saves: How many saves succeed.
    """

    def __init__(self, storage: Storage, saves: int) -> None:
        self._storage, self.left = storage, saves

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    def save(self, key: str, chunks: Any, *, overwrite: bool = True) -> bool:
        if self.left == 0:
            raise StoreUnavailable(f"Cannot write {key}: {errno.errorcode[errno.ENOSPC]}.")
        self.left -= 1
        return self._storage.save(key, chunks, overwrite=overwrite)


@pytest.fixture
def failing() -> type[Failing]:
    return Failing
