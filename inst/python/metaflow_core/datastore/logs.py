"""Log files of attempts, read line by line: a log of any size takes the memory of a few lines."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from metaflow_core.datastore import mflog
from metaflow_core.datastore.storage import Storage


@dataclass(frozen=True, slots=True)
class LogFile:
    """What one source wrote to one stream of an attempt; empty if it is not there (yet).

    Args:
        storage: Where it is kept.
        key: Its key.
        stream: `mflog.STDOUT` or `mflog.STDERR`.
    """

    storage: Storage
    key: str
    stream: str

    def read(self) -> bytes:
        """The whole file."""
        try:
            return self.storage.load(self.key)
        except KeyError:
            return b""

    def size_bytes(self) -> int:
        """Its size."""
        try:
            return self.storage.size_bytes(self.key)
        except KeyError:
            return 0

    def lines(self, start_bytes: int) -> Iterator[bytes]:
        """The lines from a place on, each with its end; the last may have none yet."""
        with suppress(KeyError), self.storage.open(self.key) as file:
            file.seek(start_bytes)
            yield from file


class LogReader:
    """Reads the log files of an attempt as one log, each line once.

    Lines come in the order of time. Those of one file stay in the order in which they stand there,
    also where the clock was set back between two: to sort them, all would have to be read first.

    Args:
        files: The files; of lines of one time those of the first file come first.
    """

    def __init__(self, files: Sequence[LogFile]) -> None:
        self._places = [_Place(file) for file in files]

    def new_lines(self, *, is_over: bool = True) -> Iterator[tuple[str, mflog.LogLine]]:
        """The lines that have come since the last time, each with its stream.

        Args:
            is_over: Whether no more will come; else a line without its end is kept back.
        """
        found = (place.new_lines(is_over) for place in self._places)
        merged = heapq.merge(*found, key=lambda item: item[0])
        return ((stream, line) for _, stream, line in merged)


@dataclass(slots=True)
class _Place:
    """How far a file has been read: the bytes, and the latest time among them."""

    file: LogFile
    done_bytes: int = 0
    latest: float = 0.0

    def new_lines(self, is_over: bool) -> Iterator[tuple[float, str, mflog.LogLine]]:
        for data in self.file.lines(self.done_bytes):
            if not (is_over or data.endswith(b"\n")):
                return
            self.done_bytes += len(data)
            line = mflog.parse_line(data.removesuffix(b"\n"))
            # A line without a time stays behind the line that it follows.
            self.latest = max(self.latest, line.at or 0.0)
            yield self.latest, self.file.stream, line
