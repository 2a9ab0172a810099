"""Storage in a local (or mounted) directory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO

from metaflow_core import config
from metaflow_core.files import STALE_AFTER_S, Buffer, FileTree

FOLDER = ".metaflow"
"""Name of the directory that holds a local datastore."""

SPIN_FOLDER = ".metaflow_spin"
"""Name of the directory that holds the steps that were tried by themselves, and kept."""


def local_root() -> Path:
    """Where the local datastore is: a directory that need not exist yet.

    `METAFLOW_DATASTORE_SYSROOT_LOCAL` holds it, else the working directory or the nearest
    directory above that has one, else the working directory will.
    """
    configured = config.get("METAFLOW_DATASTORE_SYSROOT_LOCAL")
    if configured is not None:
        return Path(configured).expanduser().absolute() / FOLDER
    here = Path.cwd()
    found = (folder / FOLDER for folder in (here, *here.parents) if (folder / FOLDER).is_dir())
    return next(found, here / FOLDER)


class LocalStorage:
    """The `Storage` of a directory.

    Args:
        root: The directory that ends in `.metaflow`; made by the first write.
    """

    type = "local"

    def __init__(self, root: Path) -> None:
        self._files = FileTree(root)
        self.root = str(self._files.root)

    def save(self, key: str, chunks: Iterable[Buffer], *, overwrite: bool = True) -> bool:
        """See `Storage.save`; of several writers that do not overwrite, one gets True."""
        return self._files.write(key, chunks, exclusive=not overwrite)

    def take(self, key: str, path: Path) -> bool:
        """See `Storage.take`; there is a copy only if *path* is on another disk."""
        return self._files.take(key, path)

    def load(self, key: str) -> bytes:
        """See `Storage.load`."""
        return self._files.read(key)

    def open(self, key: str) -> AbstractContextManager[BinaryIO]:
        """See `Storage.open`."""
        return self._files.open(key)

    def exists(self, key: str) -> bool:
        """See `Storage.exists`."""
        return self._files.exists(key)

    def size_bytes(self, key: str) -> int:
        """See `Storage.size_bytes`."""
        return self._files.size_bytes(key)

    def list(self, prefix: str) -> Iterator[tuple[str, bool]]:
        """See `Storage.list`."""
        return ((entry.name, entry.is_dir()) for entry in self._files.entries(prefix))

    def delete(self, key: str) -> None:
        """See `Storage.delete`."""
        self._files.delete(key)

    def append(self, key: str, data: bytes) -> None:
        """See `Storage.append`."""
        self._files.append(key, data)

    def local_path(self, key: str) -> Path:
        """See `Storage.local_path`; the file need not be there."""
        return Path(self._files.path(key))

    def writing(self, *prefixes: str) -> AbstractContextManager[None]:
        """See `Storage.writing`."""
        return self._files.writing(*prefixes)

    def sweep(self, older_than_s: float = STALE_AFTER_S, *, everywhere: bool = False) -> int:
        """See `Storage.sweep` and `FileTree.sweep`."""
        return self._files.sweep(older_than_s, everywhere=everywhere)


class SpinStorage(LocalStorage):
    """The storage of steps that were tried by themselves, by the name that stock Metaflow knows."""

    type = "spin"
