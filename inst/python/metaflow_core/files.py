"""Atomic files below one directory: what the local storage and local metadata are written with.

A file is written under a temporary name and then renamed, so that a reader sees the old bytes or
the new ones. Nothing is synced to the disk: a crash of a process loses nothing, and what a power
cut damages is told by its hash.

The temporary file of a large file is in `<root>/.tmp-<user id>`, where `sweep` finds what a crash
left without walking the store. That of a small one is beside it, hidden, so that the many small
files need neither a second directory nor its lock. So that a sweep need not walk the store for
what a crash leaves of these, who writes many of them notes where (`FileTree.writing`), also in
`<root>/.tmp-<user id>`: a note whose process is gone says where to look.

May import only `errors`.
"""

from __future__ import annotations

import errno
import itertools
import json
import os
import re
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from metaflow_core.errors import StoreUnavailable

Buffer = bytes | bytearray | memoryview

PRIVATE, PUBLIC = 0o600, 0o644
"""Modes of files, as in stock Metaflow: everything is private but `latest_run`."""

LARGE_BYTES = 65536
"""Size from which a file counts as large."""

STALE_AFTER_S = 3600.0
"""Age at which a temporary file of another machine is taken for a leftover."""

if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_LOCK, 1)
else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX)


_NO_HARD_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
_ABSENT = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
_HINTS = {
    errno.ENOSPC: "Free some space there and resume the run.",
    errno.EDQUOT: "Free some of your quota and resume the run.",
    errno.EFBIG: "The file is larger than the system allows.",
    errno.EROFS: "Choose another place with METAFLOW_DATASTORE_SYSROOT_LOCAL.",
    errno.EACCES: "Ask its owner for access, or set METAFLOW_DATASTORE_SYSROOT_LOCAL.",
}
_TEMPORARY = ".tmp-"
_NOTE = ".writing-"
_FOLDER = "metaflow-"
_CLOCK_TICK_S = 1.0
"""By how much the times of files may be behind one another."""

_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
_CHUNK_BYTES = 1 << 20
_serial = itertools.count()


class FileTree:
    """Files under slash-separated keys, below a directory that the first write makes.

    Every method raises `StoreUnavailable`, naming path and reason, where the medium fails.

    Args:
        root: The directory.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(os.path.abspath(root))
        self._prefix = f"{self.root}{os.sep}"
        user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")
        self._large = f"{self._prefix}{_TEMPORARY}{user}"
        self._seen = False

    def path(self, key: str) -> str:
        """Path of the file under *key*, whether or not it is there."""
        return self._prefix + key

    def write(
        self,
        key: str,
        chunks: Iterable[Buffer],
        *,
        exclusive: bool = False,
        mode: int = PRIVATE,
    ) -> bool:
        """Write the joined *chunks* to *key* at once; False if it exists and *exclusive* is asked.

        Of several writers that ask for *exclusive*, one gets True.
        """
        path = self._prefix + key
        with telling("write", path):
            temporary = self._write_temporary(key, iter(chunks), mode)
            is_moved = False
            try:
                is_placed = self._place_anywhere(temporary, path, exclusive)
                is_moved = not exclusive
                return is_placed
            finally:
                # To look for a name that is not there any more costs as much as to remove it.
                if not is_moved:
                    with suppress(FileNotFoundError):
                        os.unlink(temporary)

    def take(self, key: str, path: Path) -> bool:
        """Make *path* the file under *key*, without a copy where both are on one disk.

        Nobody may change it any more; it may still have its own name afterwards, or not.

        Returns:
            False, and nothing happens, if there is a file under *key*.
        """
        with telling("read", path):
            os.chmod(path, PRIVATE)
        with telling("write", self.path(key)):
            try:
                return self._place(str(path), self.path(key), exclusive=True)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
        return self.write(key, chunks_of(path), exclusive=True)

    def append(self, key: str, data: bytes) -> None:
        """Add *data* at the end of *key*; for logs, whose readers live with half a line."""
        path = self._prefix + key
        with telling("write", path):
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
            try:
                descriptor = os.open(path, flags, PRIVATE)
            except FileNotFoundError:
                os.makedirs(os.path.dirname(path), exist_ok=True)
                descriptor = os.open(path, flags, PRIVATE)
            try:
                _write_all(descriptor, data)
            finally:
                os.close(descriptor)

    def read(self, key: str) -> bytes:
        """The bytes of *key*. Raises KeyError if there is no such file."""
        with self._reading(key) as path, open(path, "rb", buffering=0) as file:
            self._seen = True
            return file.read()

    @contextmanager
    def open(self, key: str) -> Iterator[BinaryIO]:
        """The file under *key*, to be read. Raises KeyError if there is none."""
        with self._reading(key) as path:
            file = open(path, "rb")  # noqa: SIM115 -- closed below, outside of the translation
            self._seen = True
        with file:
            yield file

    def size_bytes(self, key: str) -> int:
        """Size of the file under *key*. Raises KeyError if there is none."""
        with self._reading(key) as path:
            return os.stat(path).st_size

    def exists(self, key: str) -> bool:
        """Whether there is a file under *key*."""
        return os.path.isfile(self._prefix + key)

    def entries(self, key: str) -> list[os.DirEntry[str]]:
        """What lies directly below *key*, without hidden names; nothing if it is absent."""
        path = self._prefix + key
        with telling("read", path):
            try:
                with os.scandir(path) as found:
                    return [entry for entry in found if not entry.name.startswith(".")]
            except _ABSENT:
                self._check_root()
                return []

    def delete(self, key: str) -> None:
        """Remove the file under *key*, if there is one."""
        path = self._prefix + key
        with telling("remove", path), suppress(*_ABSENT):
            os.unlink(path)

    def make_directory(self, key: str) -> bool:
        """Make a directory and those above; False if it is there: one caller gets True."""
        path = self._prefix + key
        with telling("make", path):
            try:
                os.mkdir(path)
            except FileExistsError:
                return False
            except FileNotFoundError:
                self._check_root()
                os.makedirs(os.path.dirname(path), exist_ok=True)
                return self.make_directory(key)
            self._seen = True
            return True

    @contextmanager
    def writing(self, *keys: str) -> Iterator[None]:
        """Note that this process adds files and folders to the folders *keys*, until it is done.

        If it dies before, the next sweep looks there for its temporary files: in the folders
        themselves, and below those in them that have changed since.
        """
        path = f"{self._large}{os.sep}{_NOTE}{_own_name()}"
        with telling("write", path):
            os.makedirs(self._large, exist_ok=True)
            Path(path).write_text("\n".join(keys), encoding="utf-8")
        try:
            yield
        finally:
            with suppress(OSError):
                os.unlink(path)

    def sweep(self, older_than_s: float = STALE_AFTER_S, *, everywhere: bool = False) -> int:
        """Remove temporary files whose process is gone; how many were removed.

        A file of a process that is alive on this machine is left alone. Whether a process of
        another machine lives cannot be seen from here: its file goes once nothing was written to
        it for *older_than_s* seconds.

        Args:
            older_than_s: That age.
            everywhere: Whether to walk the whole store for those of small files, too, and not
                only where a process of this machine died while it was `writing`.
        """
        removed = _sweep_below(self.root if everywhere else self._large, older_than_s)
        for note in Path(self._large).glob(f"{_NOTE}*"):
            if _is_left(note.name.removeprefix(_NOTE)):
                # Another run may sweep at the same time.
                with suppress(OSError):
                    since = os.stat(note).st_mtime - _CLOCK_TICK_S
                    for key in note.read_text(encoding="utf-8").splitlines():
                        removed += _sweep_changed(self.path(key), since, older_than_s)
                    os.unlink(note)
        return removed

    def _write_temporary(self, key: str, chunks: Iterator[Buffer], mode: int) -> str:
        head: list[Buffer] = []
        size_bytes = 0
        for chunk in chunks:
            head.append(chunk)
            size_bytes += len(chunk)
            if size_bytes >= LARGE_BYTES:
                break
        is_large = size_bytes >= LARGE_BYTES
        folder = self._large if is_large else self._prefix + key.rpartition("/")[0]
        path = f"{folder}{os.sep}{_TEMPORARY}{_own_name()}"
        descriptor = self._create(path, mode)
        try:
            try:
                for chunk in head if is_large else (b"".join(head),):
                    _write_all(descriptor, chunk)
                for chunk in chunks:
                    _write_all(descriptor, chunk)
            finally:
                os.close(descriptor)
        except BaseException:
            os.unlink(path)
            raise
        return path

    def _create(self, path: str, mode: int) -> int:
        try:
            descriptor = os.open(path, _NEW_FILE, mode)
        except FileNotFoundError:
            self._check_root()
            os.makedirs(os.path.dirname(path), exist_ok=True)
            descriptor = os.open(path, _NEW_FILE, mode)
        self._seen = True
        return descriptor

    def _place(self, temporary: str, path: str, exclusive: bool) -> bool:
        move = _rename_new if exclusive else os.replace
        try:
            move(temporary, path)
        except FileExistsError:
            return False
        except FileNotFoundError:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            return self._place(temporary, path, exclusive)
        return True

    def _place_anywhere(self, temporary: str, path: str, exclusive: bool) -> bool:
        try:
            return self._place(temporary, path, exclusive)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            return self._place_on_other_disk(temporary, path, exclusive)

    def _place_on_other_disk(self, temporary: str, path: str, exclusive: bool) -> bool:
        """A folder of the store may be a link to another disk, where a rename cannot reach."""
        beside = os.path.join(os.path.dirname(path), os.path.basename(temporary))
        try:
            shutil.copy(temporary, beside)
            return self._place(beside, path, exclusive)
        finally:
            for leftover in (beside, temporary):
                with suppress(FileNotFoundError):
                    os.unlink(leftover)

    @contextmanager
    def _reading(self, key: str) -> Iterator[str]:
        path = self._prefix + key
        with telling("read", path):
            try:
                yield path
            except _ABSENT:
                self._check_root()
                raise KeyError(key) from None

    def _check_root(self) -> None:
        """A root that was there and is gone is a lost disk: it must not be made anew."""
        if self._seen and not self.root.is_dir():
            raise StoreUnavailable(
                f"The datastore {self.root} is gone: it was there when this process began.",
                "Check that its disk is mounted.",
            )


_encoder = json.JSONEncoder(check_circular=False)
"""No record holds itself: to look for that would take a sixth of the time."""


def json_bytes(record: Any) -> bytes:
    """A record as JSON."""
    return _encoder.encode(record).encode()


class telling:  # noqa: N801 -- used as `contextlib.suppress` is; a generator costs three times as much
    """Turn an `OSError` into `StoreUnavailable`, which names what could not be done, and where.

    Args:
        verb: What is done, such as ``"read"``.
        path: To what.
    """

    def __init__(self, verb: str, path: str | Path) -> None:
        self._verb, self._path = verb, path

    def __enter__(self) -> None:
        """Nothing is needed before."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        # One without a number is not from the system: a library's own error, such as gzip's for a
        # damaged stream.
        if isinstance(error, OSError) and error.errno is not None:
            reason = os.strerror(error.errno)
            raise StoreUnavailable(
                f"Cannot {self._verb} {self._path}: {reason[:1].lower()}{reason[1:]}.",
                _HINTS.get(error.errno, ""),
            ) from error


def chunks_of(path: Path) -> Iterator[bytes]:
    """The bytes of a file, never all in memory."""
    # The reader is told about the file: a store would take the error for its own.
    with telling("read", path), open(path, "rb", buffering=0) as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk


def _write_all(descriptor: int, data: Buffer) -> None:
    """A single write may take only a part, such as 2 GiB."""
    while (written := os.write(descriptor, data)) < len(data):
        data = memoryview(data)[written:]


def _rename_new(temporary: str, path: str) -> None:
    """Rename, unless *path* is there. Raises FileExistsError."""
    try:
        os.link(temporary, path)
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        # Without hard links the name is claimed first; only a crash right here leaves it empty.
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE))
        os.replace(temporary, path)


@contextmanager
def locked(path: str) -> Iterator[None]:
    """Hold a lock between processes, by a file of its own; the system frees it if we die.

    Where the file system has no locks, the caller goes on without one.
    """
    with telling("lock", path):
        file = open(path, "ab")  # noqa: SIM115 -- closed below
    with file:
        with suppress(OSError):
            _lock(file.fileno())
        yield


def make_temporary_folder(parent: str | Path) -> Path:
    """A new folder for temporary files of this process, below *parent*.

    The folders there of processes of this machine that are gone, which had no time to remove them,
    are removed.

    Raises:
        StoreUnavailable: If it cannot be made.
    """
    with telling("make a folder in", parent):
        for folder in Path(parent).glob(f"{_FOLDER}*"):
            if _is_left(folder.name.removeprefix(_FOLDER)):
                shutil.rmtree(folder, ignore_errors=True)
        return Path(tempfile.mkdtemp(prefix=f"{_FOLDER}{_own_name()}.", dir=parent))


@cache
def _place_of_process() -> str:
    """Where process ids mean something: a host and its pid namespace (containers share hosts)."""
    try:
        namespace = os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        namespace = 0
    return f"{socket.gethostname().replace('.', '-')}.{namespace}"


def _own_name() -> str:
    """A name that says whose it is; each is another one."""
    return f"{_name_of_process(os.getpid())}.{next(_serial)}"


@cache
def _name_of_process(process: int) -> str:
    return f"{_place_of_process()}.{process}"


def _owner(name: str) -> tuple[str, int] | None:
    """Place and process id in a name that begins with `_own_name`; None if there are none.

    On Windows there is no harmless signal to ask a process with: no name has an owner there.
    """
    match = re.match(r"(.*?\.\d+)\.(\d+)\.\d+", name)
    return (match[1], int(match[2])) if match and os.name != "nt" else None


def _is_left(name: str) -> bool:
    """Whether a process of this machine that is gone gave this name."""
    owner = _owner(name)
    return owner is not None and owner[0] == _place_of_process() and not _is_alive(owner[1])


def _sweep_below(place: str | Path, older_than_s: float) -> int:
    """Remove the leftovers below a folder; their number."""
    return sum(
        _remove_leftover(os.path.join(folder, name), older_than_s)
        for folder, _, names in os.walk(place)
        for name in names
    )


def _sweep_changed(folder: str, since: float, older_than_s: float) -> int:
    """Remove the leftovers in a folder and below what has changed in it; their number."""
    removed = 0
    with suppress(*_ABSENT), os.scandir(folder) as entries:
        for entry in entries:
            if not entry.is_dir():
                removed += _remove_leftover(entry.path, older_than_s)
            elif entry.stat().st_mtime >= since:
                removed += _sweep_below(entry.path, older_than_s)
    return removed


def _remove_leftover(path: str, older_than_s: float) -> bool:
    """Remove a temporary file whose process is gone; whether it was one."""
    if not os.path.basename(path).startswith(_TEMPORARY):
        return False
    # Another run may sweep at the same time.
    with suppress(OSError):
        if _is_leftover(path, older_than_s):
            os.unlink(path)
            return True
    return False


def _is_leftover(path: str, older_than_s: float) -> bool:
    name = os.path.basename(path).removeprefix(_TEMPORARY)
    owner = _owner(name)
    if owner is not None and owner[0] == _place_of_process():
        return not _is_alive(owner[1])
    return time.time() - os.stat(path).st_mtime > older_than_s


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
