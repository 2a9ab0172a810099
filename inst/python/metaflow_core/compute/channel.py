"""The pipes between the core and one worker: messages both ways, and what the worker prints."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

from metaflow_core.compute.launcher import Listener, Stream
from metaflow_core.compute.loop import Loop
from metaflow_core.compute.protocol import FrameReader, frame
from metaflow_core.wire import NotPlain

_READ_BYTES = 1 << 16
_MOST_PIPE_BYTES = 1 << 20
"""Largest pipe of Linux, as it is set up; most have 64 KiB."""


class WorkerEnds(NamedTuple):
    """The descriptors that a worker gets.

    Args:
        messages_in: It reads messages here.
        messages_out: It writes messages here.
        stdout: Its standard output.
        stderr: Its standard error.
    """

    messages_in: int
    messages_out: int
    stdout: int
    stderr: int

    def close(self) -> None:
        """Close them all here: the worker has its own."""
        for fd in self:
            os.close(fd)


class Channel:
    """The core's ends of one worker's pipes.

    Args:
        loop: Where they are waited for, from `open` on.

    Raises:
        OSError: If no pipes can be made.
    """

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._listener: Listener | None = None
        self._on_fault: Callable[[], None] = _do_nothing
        self._frames = FrameReader()
        self._pending: deque[memoryview] = deque()
        self.fault = ""
        their_in, self._in, self._out, their_out, out, their_stdout, err, their_stderr = _pipes(4)
        self.worker_ends = WorkerEnds(their_in, their_out, their_stdout, their_stderr)
        self._streams: dict[Stream, int] = {"stdout": out, "stderr": err}
        for fd in (self._in, self._out, out, err):
            os.set_blocking(fd, False)

    def open(self, listener: Listener, on_fault: Callable[[], None]) -> None:
        """Hand over what the worker says.

        Args:
            listener: Gets the messages and the output.
            on_fault: Called when a message cannot be understood: no result can count any more.
        """
        self._listener, self._on_fault = listener, on_fault
        self._loop.on_readable(self._out, self._read_messages)
        for stream, fd in self._streams.items():
            self._loop.on_readable(fd, partial(self._read_output, stream))

    def send(self, message: Mapping[str, Any]) -> None:
        """Send a message; what the pipe cannot take now is sent when it can."""
        self._pending.append(memoryview(frame(dict(message))))
        if len(self._pending) == 1 and not self._write():
            self._loop.on_writable(self._in, self._write_rest)

    def end(self) -> None:
        """Hand over what an ended worker left in the pipes, and close them.

        A process that outlives the worker and keeps one open, or goes on writing, is not waited
        for: only what fits into a pipe can be from before.
        """
        if self._listener is not None:
            _read_all(self._read_messages)
            self._read_outputs()
        self.close()

    def close(self) -> None:
        """Close the core's ends, and forget who was told."""
        self._listener, self._on_fault = None, _do_nothing
        for fd in (self._in, self._out, *self._streams.values()):
            self._loop.forget(fd)
            os.close(fd)

    @property
    def _told(self) -> Listener:
        assert self._listener is not None
        return self._listener

    def _write(self) -> bool:
        """Write what can be written; whether that was all."""
        try:
            while self._pending:
                data = self._pending[0]
                written = os.write(self._in, data)
                if written < len(data):
                    self._pending[0] = data[written:]
                    return False
                self._pending.popleft()
        except BlockingIOError:
            return False
        except BrokenPipeError:
            self._pending.clear()  # its end is told by the process itself
        return True

    def _write_rest(self) -> None:
        if self._write():
            self._loop.forget(self._in)

    def _read_messages(self) -> bool:
        """Hand over the messages that are there now; whether there may be more."""
        data = _read(self._out)
        if data is None:
            return False
        if not data:
            self._loop.forget(self._out)
            return False
        try:
            messages = self._frames.feed(data)
        except NotPlain as error:
            self.fault = f"What the worker said on its channel cannot be understood: {error}."
            self._loop.forget(self._out)
            self._on_fault()
            return False
        if messages:
            self._read_outputs()
        for message in messages:
            self._told.on_message(message)
        return len(data) == _READ_BYTES

    def _read_outputs(self) -> None:
        for stream in self._streams:
            _read_all(self._read_output, stream)

    def _read_output(self, stream: Stream) -> bool:
        """Hand over what was printed by now; whether there may be more."""
        data = _read(self._streams[stream])
        if data:
            self._told.on_output(stream, data)
        elif data == b"":
            self._loop.forget(self._streams[stream])
        return data is not None and len(data) == _READ_BYTES


def _do_nothing() -> None:
    """Nobody is to be told."""


def _pipes(count: int) -> list[int]:
    """The ends of new pipes, of each the one to read from first; all of them, or none."""
    ends: list[int] = []
    try:
        for _ in range(count):
            ends += os.pipe()
    except OSError:
        for end in ends:
            os.close(end)
        raise
    return ends


def _read_all(read: Callable[..., bool], *arguments: object) -> None:
    """Read what is in a pipe now; who goes on writing is not waited for."""
    for _ in range(_MOST_PIPE_BYTES // _READ_BYTES):
        if not read(*arguments):
            break


def _read(fd: int) -> bytes | None:
    """Bytes that are there now; b"" at the end; None if there is nothing yet.

    A pipe hands over all that it holds: fewer than were asked for are all that was there.
    """
    try:
        return os.read(fd, _READ_BYTES)
    except BlockingIOError:
        return None
