"""Content-addressed blobs: immutable bytes, each named by its sha1.

A blob's body is a gzip stream, or the bytes as they are where compression would save little. Its
name is the sha1 of the bytes themselves, so the name tells which of both it is: a body that starts
like a gzip stream is inflated, and what then has the right sha1 is the content. Stock Metaflow
needs a side file `<key>_meta` for that, and takes a blob without one for gzip. So:

- Below `RAW_FROM_BYTES` a blob is always gzip and has no side file: one file less for each value.
- From there on the side file is written before the blob. A crash between both leaves a side file
  that nothing refers to, and the next save of the same value completes it. Writers that disagree
  (stock Metaflow always compresses) are settled by `_agree`.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from gzip import BadGzipFile
from hashlib import file_digest, sha1
from pathlib import Path
from typing import Any, BinaryIO, cast

from metaflow_core.datastore.storage import Storage
from metaflow_core.errors import BlobCorrupted, BlobMissing, StoreUnavailable
from metaflow_core.files import LARGE_BYTES, Buffer, chunks_of, telling

try:
    _deflate: Any = importlib.import_module("isal.isal_zlib")
    _gzip: Any = importlib.import_module("isal.igzip")
except ImportError:
    # The same format, several times slower.
    _deflate, _gzip = zlib, importlib.import_module("gzip")

RAW_FROM_BYTES = LARGE_BYTES
"""Size from which a blob may be stored raw; for less, a side file costs more than it saves."""

WORTH_SAVING = 0.8
"""Share that compression must save to be used.

A disk writes what is raw faster than it can be packed: deflating costs two to four times as much as
hashing, and what is packed has to be unpacked for R, which reads what is raw where it is. Numbers
shrink to two thirds, and tables with texts to a quarter, at half of the speed; what repeats itself,
such as zeros, to much less, and then packing costs little.
"""

SAMPLE_BYTES = 256 * 1024
"""How much is compressed to see what it saves."""

_SAMPLES = 4
"""In how many pieces, evenly spread: the columns of a data frame differ."""

_CHUNK_BYTES = 1 << 20
_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_WINDOW = 31
_GZIP_SIZE_BYTES = 4
"""At its end a gzip stream tells the size of its content, modulo 2^32 (RFC 1952, section 2.3.1)."""
_KEY = re.compile(r"[0-9a-f]{40}")
_State = tuple[int, int, int]
"""What tells that a file was changed: its inode, its size and the time of its last change."""

_DAMAGE = (EOFError, BadGzipFile, zlib.error, _deflate.error)


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a blob's content.

    Args:
        start: Offset of its first byte.
        length: Number of its bytes.
    """

    start: int
    length: int


class BlobStore:
    """The blobs of one flow.

    Every method raises `StoreUnavailable` where the storage fails.

    Args:
        storage: Where they are kept.
        flow: Name of the flow.
    """

    def __init__(self, storage: Storage, flow: str) -> None:
        self._storage = storage
        self._prefix = f"{flow}/data/"
        self._verified: dict[str, _State] = {}
        #: Keys that were saved and were there already: all tasks of a run repeat some values.
        self._repeated: set[str] = set()

    def save(self, parts: Sequence[Buffer]) -> str:
        """Store the joined *parts*, unless they are stored; their key.

        A blob that was cut off is replaced.
        """
        return self._save(_Parts([memoryview(part).cast("B") for part in parts]))

    def save_file(self, path: Path) -> str:
        """Store a file's bytes, never all in memory; their key.

        The file itself may become the blob: nobody may change it any more.
        """
        return self._save(_File(path))

    def exists(self, key: str) -> bool:
        """Whether there is a blob of this key."""
        return self._storage.exists(self._place(key))

    def load(self, key: str, what: str = "") -> bytes:
        """The content of a blob, verified.

        Args:
            key: Its key.
            what: What it is, such as ``"artifact Flow/1/start/1/x"``, for error messages.

        Raises:
            BlobMissing: If there is none.
            BlobCorrupted: If what is there is not what the key says.
        """
        body = self._load_body(key, what)
        if body[:2] == _GZIP_MAGIC:
            try:
                content: bytes = _gzip.decompress(body)
            except _DAMAGE:
                content = b""
            if sha1(content).hexdigest() == key:
                return content
        if sha1(body).hexdigest() != key:
            raise self._corrupted(key, what)
        return body

    def prefix(self, key: str, count: int, what: str = "") -> bytes:
        """The first *count* bytes of a blob's content, **not** verified.

        Raises:
            BlobMissing: If there is none.
            BlobCorrupted: If it cannot be inflated.
        """
        with self._open(key, what) as body:
            try:
                return next(_readings(body)).read(count)
            except _DAMAGE as error:
                raise self._corrupted(key, what) from error

    def raw_file(self, key: str, what: str = "") -> Path | None:
        """The file on this machine that holds a blob's content as it is, verified.

        None if the blob is compressed or is not on this machine. A file that has not changed
        since it was written or verified here is not read again.

        Raises:
            BlobMissing: If there is no such blob.
            BlobCorrupted: If what is there is not what the key says.
        """
        path = self._storage.local_path(self._place(key))
        if path is None:
            return None
        with self._open(key, what) as body:
            if body.read(2) == _GZIP_MAGIC:
                return None
            state = _state(os.fstat(body.fileno()))
            if self._verified.get(key) != state:
                body.seek(0)
                if file_digest(cast(Any, body), "sha1").hexdigest() != key:
                    raise self._corrupted(key, what)
                self._verified[key] = state
        return path

    def copy_to(self, key: str, path: Path, what: str = "") -> int:
        """Write a blob's content to a file, never all in memory.

        The file is there afterwards only if the whole blob is what its key says.

        Returns:
            How many bytes the file has.

        Raises:
            BlobMissing: If there is no such blob.
            BlobCorrupted: If what is there is not what the key says.
        """
        with self._open(key, what) as body:
            for content in _readings(body):
                with suppress(*_DAMAGE):
                    digest, size_bytes = _copy(content, path)
                    if digest == key:
                        return size_bytes
        path.unlink(missing_ok=True)
        raise self._corrupted(key, what)

    def verify(self, key: str, what: str = "") -> None:
        """Read a blob, never all in memory, and say nothing if it is what its key says.

        Raises:
            BlobMissing: If there is no such blob.
            BlobCorrupted: If what is there is not what the key says.
        """
        with self._open(key, what) as body:
            for content in _readings(body):
                with suppress(*_DAMAGE):
                    if file_digest(cast(Any, content), "sha1").hexdigest() == key:
                        return
        raise self._corrupted(key, what)

    def keys(self) -> Iterator[str]:
        """The keys of all blobs, in no order."""
        for folder, is_folder in self._storage.list(self._prefix.rstrip("/")):
            if is_folder:
                names = self._storage.list(self._prefix + folder)
                yield from (name for name, _ in names if _KEY.fullmatch(name))

    def delete(self, key: str) -> int:
        """Remove a blob that nothing refers to; how many bytes it took up."""
        place = self._place(key)
        try:
            size_bytes = self._storage.size_bytes(place)
        except KeyError:
            return 0
        self._repeated.discard(key)
        self._storage.delete(place)
        self._storage.delete(f"{place}_meta")
        return size_bytes

    def location(self, key: str) -> str:
        """Where a blob is, for people."""
        return f"{self._storage.root}/{self._place(key)}"

    def _save(self, source: _Parts | _File) -> str:
        key, size_bytes = source.digest()
        if key in self._repeated:
            return key
        place = self._place(key)
        is_there = self._storage.exists(place)
        if is_there and self._looks_whole(place, size_bytes):
            self._repeated.add(key)
            return key
        if size_bytes < RAW_FROM_BYTES:
            # Whoever else stores it at this moment stores the same.
            self._storage.save(place, _deflated(source.chunks()))
            return key
        raw = not _saves_enough(source.sample())
        self._mark(place, raw)
        if raw and not is_there:
            is_stored = source.store(self._storage, place)
        else:
            chunks = source.chunks() if raw else _deflated(source.chunks())
            is_stored = self._storage.save(place, chunks, overwrite=is_there)
        if not is_stored:
            self._agree(place)
        elif raw and (path := self._storage.local_path(place)) is not None:
            self._verified[key] = _state(path.stat())
        return key

    def _looks_whole(self, place: str, size_bytes: int) -> bool:
        """Whether a blob ends where content of that size does.

        To read all of it would cost more than to store it once more. What a full disk or a crash
        of the machine has cut off is told by its end.
        """
        try:
            with self._storage.open(place) as body:
                is_gzip = body.read(2) == _GZIP_MAGIC
                body_bytes = body.seek(0, os.SEEK_END)
                body.seek(max(0, body_bytes - _GZIP_SIZE_BYTES))
                told_bytes = int.from_bytes(body.read(), "little")
        except KeyError:
            return False
        except StoreUnavailable:
            # Such as another user's, who lets nobody read it: nothing is known against it.
            return True
        return body_bytes == size_bytes or (is_gzip and told_bytes == size_bytes % 2**32)

    def _mark(self, place: str, raw: bool) -> None:
        mark = json.dumps({"cas_raw": raw, "cas_version": 1}).encode()
        self._storage.save(f"{place}_meta", [mark])

    def _agree(self, place: str) -> None:
        """Another writer was faster: the side file must tell what is there, not what we meant.

        A raw blob is a pickle here, which never starts like a gzip stream.
        """
        with self._storage.open(place) as body:
            self._mark(place, raw=body.read(2) != _GZIP_MAGIC)

    def _place(self, key: str) -> str:
        if not _KEY.fullmatch(key):
            # Keys are read from records that may come from anywhere; one must not be a path.
            raise BlobMissing(f"{key!r} is not the key of a blob.")
        return f"{self._prefix}{key[:2]}/{key}"

    def _load_body(self, key: str, what: str) -> bytes:
        try:
            return self._storage.load(self._place(key))
        except KeyError:
            raise self._missing(key, what) from None

    @contextmanager
    def _open(self, key: str, what: str) -> Iterator[BinaryIO]:
        with ExitStack() as stack:
            try:
                body = stack.enter_context(self._storage.open(self._place(key)))
            except KeyError:
                raise self._missing(key, what) from None
            yield body

    def _missing(self, key: str, what: str) -> BlobMissing:
        return BlobMissing(
            f"The content of {what or 'a blob'} is missing: there is no {self.location(key)}.",
            "`fsck` tells what else is missing; running the flow again makes it anew.",
        )

    def _corrupted(self, key: str, what: str) -> BlobCorrupted:
        return BlobCorrupted(
            f"The content of {what or 'a blob'} is damaged: the sha1 of {self.location(key)} "
            "is not its name.",
            "`fsck` tells what else is damaged, and `fsck --remove` removes it; running the flow "
            "again makes it anew.",
        )


@dataclass(frozen=True)
class _Parts:
    """Content that is in memory, in several pieces that are never joined."""

    parts: Sequence[memoryview]

    def digest(self) -> tuple[str, int]:
        digest = sha1()
        for part in self.parts:
            digest.update(part)
        return digest.hexdigest(), sum(map(len, self.parts))

    def store(self, storage: Storage, place: str) -> bool:
        return storage.save(place, self.chunks(), overwrite=False)

    def chunks(self) -> Iterator[memoryview]:
        for part in self.parts:
            for start in range(0, len(part), _CHUNK_BYTES):
                yield part[start : start + _CHUNK_BYTES]

    def sample(self) -> Sequence[Buffer]:
        largest = max(self.parts, key=len)
        return [largest[start:end] for start, end in _sampled(len(largest))]


@dataclass(frozen=True)
class _File:
    """Content that is in a file."""

    path: Path

    def digest(self) -> tuple[str, int]:
        with telling("read", self.path), open(self.path, "rb", buffering=0) as file:
            return file_digest(cast(Any, file), "sha1").hexdigest(), file.tell()

    def store(self, storage: Storage, place: str) -> bool:
        return storage.take(place, self.path)

    def chunks(self) -> Iterator[bytes]:
        return chunks_of(self.path)

    def sample(self) -> Sequence[Buffer]:
        with telling("read", self.path), open(self.path, "rb", buffering=0) as file:
            spans = _sampled(os.fstat(file.fileno()).st_size)
            return [os.pread(file.fileno(), end - start, start) for start, end in spans]


def _deflated(chunks: Iterable[Buffer]) -> Iterator[bytes]:
    """A gzip stream, level 1, without a time: equal content gives equal bytes."""
    stream = _deflate.compressobj(1, zlib.DEFLATED, _GZIP_WINDOW)
    for chunk in chunks:
        if packed := stream.compress(chunk):
            yield packed
    yield stream.flush()


def _sampled(size_bytes: int) -> list[tuple[int, int]]:
    """Start and end of the pieces of a sample, each from the middle of an equal share of all."""
    share, length = size_bytes // _SAMPLES, SAMPLE_BYTES // _SAMPLES
    starts = [part * share + max(0, share - length) // 2 for part in range(_SAMPLES)]
    return [(start, start + min(share, length)) for start in starts]


def _saves_enough(sample: Sequence[Buffer]) -> bool:
    packed = sum(map(len, _deflated(sample)))
    return packed <= (1 - WORTH_SAVING) * sum(map(len, sample))


def _readings(body: BinaryIO) -> Iterator[BinaryIO]:
    """What a body may hold, the likely first."""
    if body.read(2) == _GZIP_MAGIC:
        body.seek(0)
        yield _gzip.open(body)
    body.seek(0)
    yield body


def _copy(content: BinaryIO, path: Path) -> tuple[str, int]:
    """Copy *content*; its sha1, and how many bytes it has."""
    digest = sha1()
    with telling("write", path), open(path, "wb") as file:
        while chunk := content.read(_CHUNK_BYTES):
            digest.update(chunk)
            file.write(chunk)
        return digest.hexdigest(), file.tell()


def _state(stat: os.stat_result) -> _State:
    return stat.st_ino, stat.st_size, stat.st_mtime_ns
