"""Workers as processes on this machine: a fresh Rscript for each attempt."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from metaflow_core.compute.launcher import Exit, Listener, Stream
from metaflow_core.compute.loop import Loop
from metaflow_core.compute.protocol import FrameReader, frame
from metaflow_core.errors import WorkerError
from metaflow_core.wire import NotPlain

_READ_BYTES = 1 << 16
_MOST_PIPE_BYTES = 1 << 20
"""Largest pipe of Linux, as it is set up; most have 64 KiB."""

_MAXRSS_BYTES = 1 if sys.platform == "darwin" else 1024
"""Unit of a process's largest resident size."""

_POLL_S = 0.05
"""How often a worker's end is looked for where the system has no process descriptors."""


class LocalLauncher:
    """Starts one process for each attempt.

    Args:
        loop: Where the workers' output, messages and ends are waited for.
        rscript: Path of the `Rscript` program.
        worker_script: The R script that serves one attempt.
        libraries: R library paths of the session that started the run.
        working_dir: Where the workers run.
        temporary_dir: Where the workers keep temporary files: an R that is killed leaves its own.
    """

    def __init__(  # noqa: PLR0913 -- each is a fact of its own about the session
        self,
        loop: Loop,
        *,
        rscript: str,
        worker_script: Path,
        libraries: Sequence[str],
        working_dir: str,
        temporary_dir: str,
    ) -> None:
        self._loop = loop
        self._command = [rscript, "--vanilla", str(worker_script)]
        self._environment = {"R_LIBS": os.pathsep.join(libraries), "TMPDIR": temporary_dir}
        self._working_dir = working_dir
        self._workers: set[LocalWorker] = set()

    def start(self, listener: Listener) -> LocalWorker:
        """Start a worker for one attempt (see `Launcher`)."""
        with contextlib.ExitStack() as files:
            try:
                (theirs_in, ours_in), (ours_out, theirs_out) = _pipe(files), _pipe(files)
                process = self._spawn(theirs_in, theirs_out)
            except OSError as error:
                raise WorkerError(
                    f"The worker could not be started: {error}.", f"Command: {self._command[0]}."
                ) from error
            files.pop_all()
        os.close(theirs_in)
        os.close(theirs_out)
        worker = LocalWorker(
            self._loop, process, (ours_in, ours_out), listener, self._workers.discard
        )
        self._workers.add(worker)
        return worker

    def _spawn(self, *descriptors: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*self._command, *map(str, descriptors)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=descriptors,
            cwd=self._working_dir,
            env={**os.environ, **self._environment},
            # Its own group: Ctrl-C reaches the run, which decides what to end, and a stop reaches
            # the worker's children, too.
            start_new_session=True,
        )

    def close(self) -> None:
        """Kill the workers that are left."""
        for worker in list(self._workers):
            worker.end()


class LocalWorker:
    """One process, its two pipes and its output.

    Args:
        loop: Where its output, messages and end are waited for.
        process: The process, leader of its own group.
        pipes: The end to write messages to, and the one to read messages from.
        listener: Is told what happens.
        on_end: Called when it has ended.
    """

    def __init__(
        self,
        loop: Loop,
        process: subprocess.Popen[bytes],
        pipes: tuple[int, int],
        listener: Listener,
        on_end: Callable[[LocalWorker], None],
    ) -> None:
        self.label = f"pid {process.pid}"
        self._loop, self._process, self._listener = loop, process, listener
        (self._in, self._out), self._on_end = pipes, on_end
        self._frames = FrameReader()
        self._pending: deque[memoryview] = deque()
        self._fault = ""
        self._ended = False
        assert process.stdout is not None
        assert process.stderr is not None
        self._streams: dict[Stream, int] = {
            "stdout": process.stdout.fileno(),
            "stderr": process.stderr.fileno(),
        }
        for fd in (self._in, self._out, *self._streams.values()):
            os.set_blocking(fd, False)
        loop.on_readable(self._out, self._read_messages)
        for stream, fd in self._streams.items():
            loop.on_readable(fd, partial(self._read_output, stream))
        self._process_fd = _process_fd(process.pid)
        if self._process_fd is not None:
            loop.on_readable(self._process_fd, self._reap)
        else:
            loop.call_later(_POLL_S, self._poll)

    def send(self, message: Mapping[str, Any]) -> None:
        """Send a message (see `Worker`); what the pipe cannot take now is sent when it can."""
        if self._ended:
            return
        if not self._pending:
            self._loop.on_writable(self._in, self._write)
        self._pending.append(memoryview(frame(dict(message))))

    def stop(self, grace_s: float) -> None:
        """End the worker and its children (see `Worker`)."""
        self._signal(signal.SIGTERM)
        self._loop.call_later(grace_s, self.kill)

    def kill(self) -> None:
        """End the worker and its children at once."""
        self._signal(signal.SIGKILL)

    def end(self) -> None:
        """End the worker and its children at once, and wait until it has ended."""
        self.kill()
        self._reap(wait=True)

    def _signal(self, number: int) -> None:
        if not self._ended:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    def _write(self) -> None:
        try:
            while self._pending:
                data = self._pending[0]
                written = os.write(self._in, data)
                if written < len(data):
                    self._pending[0] = data[written:]
                    return
                self._pending.popleft()
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._pending.clear()  # its end is told by the process itself
        self._loop.forget(self._in)

    def _read_messages(self) -> bool:
        data = _read(self._out)
        if data is None:
            return False
        if not data:
            self._loop.forget(self._out)
            return False
        try:
            messages = self._frames.feed(data)
        except NotPlain as error:
            # No result of it can count any more.
            self._fault = f"What the worker said on its channel cannot be understood: {error}."
            self._loop.forget(self._out)
            self.kill()
            return False
        for message in messages:
            self._listener.on_message(message)
        return True

    def _read_output(self, stream: Stream) -> bool:
        data = _read(self._streams[stream])
        if data:
            self._listener.on_output(stream, data)
        elif data == b"":
            self._loop.forget(self._streams[stream])
        return bool(data)

    def _poll(self) -> None:
        if not self._reap():
            self._loop.call_later(_POLL_S, self._poll)

    def _reap(self, *, wait: bool = False) -> bool:
        if self._ended:
            return True
        pid, status, usage = os.wait4(self._process.pid, 0 if wait else os.WNOHANG)
        if pid == 0:
            return False
        self._ended = True
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)  # what it left running in its group
        self._read_rest()
        self._close(status)
        signalled = os.WIFSIGNALED(status)
        self._listener.on_exit(
            Exit(
                code=None if signalled else os.WEXITSTATUS(status),
                signal=os.WTERMSIG(status) if signalled else None,
                fault=self._fault,
                cpu_s=usage.ru_utime + usage.ru_stime,
                peak_memory_bytes=usage.ru_maxrss * _MAXRSS_BYTES,
            )
        )
        return True

    def _read_rest(self) -> None:
        """Read what is left in the pipes.

        A process that outlives the worker and keeps one open, or goes on writing, is not waited
        for: only what fits into a pipe can be from before.
        """
        reads: list[Callable[[], bool]] = [self._read_messages]
        reads += [partial(self._read_output, stream) for stream in self._streams]
        for read in reads:
            for _ in range(_MOST_PIPE_BYTES // _READ_BYTES):
                if not read():
                    break

    def _close(self, status: int) -> None:
        self._process.returncode = status
        for fd in (self._in, self._out, *self._streams.values()):
            self._loop.forget(fd)
        os.close(self._in)
        os.close(self._out)
        for pipe in (self._process.stdout, self._process.stderr):
            assert pipe is not None
            pipe.close()
        if self._process_fd is not None:
            self._loop.forget(self._process_fd)
            os.close(self._process_fd)
        self._on_end(self)


def _pipe(files: contextlib.ExitStack) -> tuple[int, int]:
    ends = os.pipe()
    for end in ends:
        files.callback(os.close, end)
    return ends


def _process_fd(pid: int) -> int | None:
    """A descriptor that is readable once the process has ended; None where there is none."""
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None


def _read(fd: int) -> bytes | None:
    """Bytes that are there now; b"" at the end; None if there is nothing yet."""
    try:
        return os.read(fd, _READ_BYTES)
    except BlockingIOError:
        return None
