"""What tasks print: as plain data, see `describe`, and as it comes, each line once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from metaflow_core.client.describe import Table, as_table, resolved
from metaflow_core.client.task import Task
from metaflow_core.datastore import mflog
from metaflow_core.datastore.logs import LogReader
from metaflow_core.datastore.mflog import LogLine
from metaflow_core.errors import TaskNotFound

STREAMS = (mflog.STDOUT, mflog.STDERR)


def log(*, pathspec: str, stream: str = "stdout", attempt: int | None = None) -> str:
    """What an attempt wrote to ``"stdout"``, ``"stderr"`` or ``"both"``, by default the last."""
    return "".join(f"{line.text}\n" for _, line in _whole(pathspec, stream, attempt))


def log_lines(*, pathspec: str, stream: str = "both", attempt: int | None = None) -> Table:
    """The lines of ``"stdout"``, ``"stderr"`` or ``"both"``, in the order of time."""
    rows = [
        {"at": line.at, "source": line.source, "stream": name, "text": line.text}
        for name, line in _whole(pathspec, stream, attempt)
    ]
    return as_table(rows, ("at", "source", "stream", "text"))


def check_attempt(pathspec: str, attempt: int) -> None:
    """Raise TaskNotFound if a task has had no such attempt."""
    last = Task(pathspec).current_attempt
    if not 0 <= attempt <= last:
        raise TaskNotFound(f"Task {pathspec} has no attempt {attempt}: its last one is {last}.")


class TaskLine(NamedTuple):
    """A line of a log, and whose it is."""

    pathspec: str
    stream: str
    line: LogLine


class TaskLogReader:
    """Reads the logs of tasks, each line once.

    Args:
        streams: Of `STREAMS`, those to read.
        attempt: The attempt to read. With None it is the last one at the first look, and each one
            that has begun since.
    """

    def __init__(self, streams: Sequence[str], attempt: int | None = None) -> None:
        self._streams, self._attempt = streams, attempt
        self._readers: dict[str, tuple[int, LogReader]] = {}

    def new_lines(self, tasks: Iterable[str], *, is_over: bool = True) -> Iterator[TaskLine]:
        """The lines of *tasks* that have come since the last look, task by task.

        Args:
            tasks: Their pathspecs.
            is_over: Whether no more will come; else a line without its end is kept back.
        """
        for task in tasks:
            last = Task(task).current_attempt if self._attempt is None else self._attempt
            number, reader = self._readers.get(task) or (last, self._reader(task, last))
            while number < last:
                yield from _lines(task, reader, is_over=True)
                number += 1
                reader = self._reader(task, number)
            self._readers[task] = number, reader
            yield from _lines(task, reader, is_over=is_over)

    def _reader(self, task: str, attempt: int) -> LogReader:
        return _reader_of(Task(task, attempt), self._streams)


def _whole(pathspec: str, stream: str, attempt: int | None) -> Iterator[tuple[str, LogLine]]:
    streams = STREAMS if stream == "both" else (stream,)
    task = resolved(pathspec)
    if attempt is not None:
        check_attempt(task, attempt)
    return _reader_of(Task(task, attempt), streams).new_lines()


def _reader_of(task: Task, streams: Sequence[str]) -> LogReader:
    return LogReader([file for stream in streams for file in task.log_files(stream)])


def _lines(task: str, reader: LogReader, *, is_over: bool) -> Iterator[TaskLine]:
    return (TaskLine(task, *found) for found in reader.new_lines(is_over=is_over))
