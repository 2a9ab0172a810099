"""Blobs as files, for processes that cannot read a store themselves."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from metaflow_core.datastore.blobs import BlobStore
from metaflow_core.files import telling

LIMIT_BYTES = 4 << 30
"""How much is kept unpacked."""

IN_USE_S = 60.0
"""How long after it was asked for a file is surely there."""


class Unpacked:
    """A folder of unpacked blobs, each unpacked once for all that read it.

    A blob that is stored as it is, on this machine, is read where it is.

    Args:
        folder: The folder; it is made if need be, and its maker removes it.
        limit_bytes: Above it, what was not asked for since `IN_USE_S` is removed.
        clock: Seconds, from any moment on.
    """

    def __init__(
        self,
        folder: Path,
        limit_bytes: int = LIMIT_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder, self._limit_bytes, self._clock = folder, limit_bytes, clock
        # Size and time of the last request by key; the latest is last.
        self._files: dict[str, tuple[int, float]] = {}
        self._size_bytes = 0

    def path(self, blobs: BlobStore, key: str, what: str = "") -> Path:
        """A file with a blob's content, verified; not to be changed.

        Raises:
            BlobMissing, BlobCorrupted: If it cannot be had, see `BlobStore.copy_to`.
        """
        raw = blobs.raw_file(key, what)
        if raw is not None:
            return raw
        path = self._folder / key
        size_bytes, _ = self._files.pop(key, (0, 0.0))
        if not size_bytes:
            with telling("make", self._folder):
                self._folder.mkdir(parents=True, exist_ok=True)
            size_bytes = blobs.copy_to(key, path, what)
            self._size_bytes += size_bytes
        self._files[key] = (size_bytes, self._clock())
        self._make_room()
        return path

    def _make_room(self) -> None:
        for key, (size_bytes, asked_at) in list(self._files.items()):
            if self._size_bytes <= self._limit_bytes or self._clock() - asked_at < IN_USE_S:
                return
            (self._folder / key).unlink(missing_ok=True)
            del self._files[key]
            self._size_bytes -= size_bytes
