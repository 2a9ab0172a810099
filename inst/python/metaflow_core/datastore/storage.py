"""The storage protocol: bytes under keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, Protocol

from metaflow_core.files import Buffer


class Storage(Protocol):
    """Bytes under slash-separated keys, below one root.

    Every method raises `StoreUnavailable` where the medium fails: no space, no permission, gone.
    A save is atomic: a reader sees the old bytes or the new ones, never a part, and a crash
    leaves one of both.
    """

    type: str
    """The name that stock Metaflow has for it, such as ``"local"``."""

    root: str
    """Where it is: a directory, or a URL."""

    def save(self, key: str, chunks: Iterable[Buffer], *, overwrite: bool = True) -> bool:
        """Store the joined *chunks*; False if the key exists and *overwrite* is not asked for."""
        ...

    def take(self, key: str, path: Path) -> bool:
        """Store a file's bytes, or the file itself; False if the key exists.

        Nobody may change the file any more.
        """
        ...

    def load(self, key: str) -> bytes:
        """The bytes under *key*. Raises KeyError if there are none."""
        ...

    def open(self, key: str) -> AbstractContextManager[BinaryIO]:
        """The bytes under *key* as a file to read and seek. Raises KeyError if there are none."""
        ...

    def exists(self, key: str) -> bool:
        """Whether *key* has bytes."""
        ...

    def size_bytes(self, key: str) -> int:
        """How many bytes *key* has. Raises KeyError if there are none."""
        ...

    def list(self, prefix: str) -> Iterator[tuple[str, bool]]:
        """Names directly below *prefix*, each with whether it is a folder; empty if absent."""
        ...

    def delete(self, key: str) -> None:
        """Remove *key*; nothing happens if it is absent."""
        ...

    def append(self, key: str, data: bytes) -> None:
        """Add *data* at the end of *key*, for logs: a reader may see the half of it."""
        ...

    def writing(self, *prefixes: str) -> AbstractContextManager[None]:
        """Note, meanwhile, that this process adds keys directly below *prefixes* and folders there.

        So that `sweep` knows where to look if it dies.
        """
        ...

    def sweep(self, *, everywhere: bool = False) -> int:
        """Remove what writers that crashed left behind; how many objects that were.

        Args:
            everywhere: Whether to look where it takes long and the gain is small, too.
        """
        ...

    def local_path(self, key: str) -> Path | None:
        """Path of the file that holds *key*, where there is one on this machine."""
        ...
