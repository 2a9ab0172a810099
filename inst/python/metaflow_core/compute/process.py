"""Workers as fresh processes on this machine, the next ones started ahead of their tasks."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metaflow_core.compute.channel import Channel
from metaflow_core.compute.launcher import Exit, Listener
from metaflow_core.compute.loop import Loop
from metaflow_core.errors import WorkerError

_MAXRSS_BYTES = 1 if sys.platform == "darwin" else 1024
"""Unit of a process's largest resident size."""

_POLL_S = 0.05
"""How often a worker's end is looked for where the system has no process descriptors."""


@dataclass(frozen=True)
class RCommand:
    """How R is started on this machine.

    Args:
        rscript: Path of the `Rscript` program.
        libraries: R library paths of the session that started the run.
        working_dir: Where R runs.
        temporary_dir: Where R keeps temporary files: an R that is killed leaves its own.
    """

    rscript: str
    libraries: tuple[str, ...]
    working_dir: str
    temporary_dir: str

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables by which R is told of libraries and folder."""
        return {"R_LIBS": os.pathsep.join(self.libraries), "TMPDIR": self.temporary_dir}

    def spawn(
        self,
        script: Path,
        arguments: Sequence[object],
        pass_fds: Sequence[int],
        output: tuple[int, int],
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start R on *script*; the first argument that it gets is the pid of this process.

        Args:
            script: The R script.
            arguments: Further arguments that it gets.
            pass_fds: Descriptors that it gets.
            output: Descriptors for what it prints on standard output and on standard error.
            environment: Further environment variables.

        Raises:
            WorkerError: If it cannot be started.
        """
        words = [self.rscript, "--vanilla", str(script), os.getpid(), *arguments]
        try:
            return subprocess.Popen(
                list(map(str, words)),
                stdin=subprocess.DEVNULL,
                stdout=output[0],
                stderr=output[1],
                pass_fds=tuple(pass_fds),
                cwd=self.working_dir,
                env={**os.environ, **self.environment, **(environment or {})},
                # Its own group: Ctrl-C reaches the run, which decides what to end, and a stop
                # reaches the worker's children, too.
                start_new_session=True,
            )
        except OSError as error:
            raise WorkerError(
                f"The worker could not be started: {error}.", f"Command: {self.rscript}."
            ) from error


class ProcessLauncher:
    """Starts one process for each attempt, the next ones ahead of time.

    Args:
        loop: Where the workers' output, messages and ends are waited for.
        command: How R is started.
        script: The R script that serves one attempt.
    """

    def __init__(self, loop: Loop, command: RCommand, script: Path) -> None:
        self._loop, self._command, self._script = loop, command, script
        self._spares: deque[ProcessWorker] = deque()
        self._workers: set[ProcessWorker] = set()

    def prepare(self) -> None:
        """Start the first worker before it is asked for."""
        if not self._spares:
            self._spares.append(self._spawn())

    def expect(self, count: int) -> None:
        """Start workers before they are asked for: more than there are cores gain nothing."""
        # Why one cannot be started, the attempt that needs it is told.
        with contextlib.suppress(WorkerError):
            while len(self._spares) < min(count, os.cpu_count() or 1):
                self._spares.append(self._spawn())

    def start(self, listener: Listener) -> ProcessWorker:
        """Start a worker for one attempt (see `Launcher`)."""
        worker = self._spares.popleft() if self._spares else self._spawn()
        if worker.has_ended:
            worker = self._spawn()  # somebody ended it while it waited
        worker.serve(listener)
        return worker

    def close(self) -> None:
        """Kill the workers that are left."""
        for worker in list(self._workers):
            worker.end()

    def _spawn(self) -> ProcessWorker:
        try:
            channel = Channel(self._loop)
        except OSError as error:
            raise WorkerError(f"The worker could not be started: {error}.") from error
        ends = channel.worker_ends
        try:
            process = self._command.spawn(
                self._script,
                [ends.messages_in, ends.messages_out],
                [ends.messages_in, ends.messages_out],
                (ends.stdout, ends.stderr),
            )
        except WorkerError:
            channel.close()
            raise
        finally:
            ends.close()
        worker = ProcessWorker(self._loop, process, channel, self._workers.discard)
        self._workers.add(worker)
        return worker


class ProcessWorker:
    """One process and its channel.

    Args:
        loop: Where its end is waited for.
        process: The process, leader of its own group.
        channel: Its pipes.
        on_end: Called when it has ended.
    """

    def __init__(
        self,
        loop: Loop,
        process: subprocess.Popen[bytes],
        channel: Channel,
        on_end: Callable[[ProcessWorker], None],
    ) -> None:
        self.label = f"pid {process.pid}"
        self._loop, self._process, self._channel = loop, process, channel
        self._on_end = on_end
        # Until it runs R it is this process, whose size the system counts as its own.
        self._least_known = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        self._listener: Listener | None = None
        self.has_ended = False
        self._process_fd = _process_fd(process.pid)
        if self._process_fd is not None:
            loop.on_readable(self._process_fd, self._reap)
        else:
            loop.call_later(_POLL_S, self._poll)

    def serve(self, listener: Listener) -> None:
        """Tell *listener* what happens from now on."""
        self._listener = listener
        listener.on_start(self.label, is_loading=True)
        self._channel.open(listener, self.kill)

    def send(self, message: Mapping[str, Any]) -> None:
        """Send a message (see `Worker`)."""
        if not self.has_ended:
            self._channel.send(message)

    def interrupt(self) -> None:
        """Interrupt R, and not its children (see `Worker`)."""
        if not self.has_ended:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGINT)

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
        if not self.has_ended:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    def _poll(self) -> None:
        if not self._reap():
            self._loop.call_later(_POLL_S, self._poll)

    def _reap(self, *, wait: bool = False) -> bool:
        if self.has_ended:
            return True
        pid, status, usage = os.wait4(self._process.pid, 0 if wait else os.WNOHANG)
        if pid == 0:
            return False
        self.has_ended = True
        self._process.returncode = status
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)  # what it left running in its group
        if self._process_fd is not None:
            self._loop.forget(self._process_fd)
            os.close(self._process_fd)
        self._channel.end()
        self._on_end(self)
        if self._listener is not None:
            cpu_s = usage.ru_utime + usage.ru_stime
            peak = usage.ru_maxrss if usage.ru_maxrss > self._least_known else 0
            self._listener.on_exit(exit_of(status, cpu_s, peak, self._channel.fault))
        return True


def exit_of(status: int, cpu_s: float, peak: int, fault: str = "") -> Exit:
    """How a worker ended, from its wait status and what `getrusage` tells of it."""
    signalled = os.WIFSIGNALED(status)
    return Exit(
        code=None if signalled else os.WEXITSTATUS(status),
        signal=os.WTERMSIG(status) if signalled else None,
        fault=fault,
        cpu_s=cpu_s,
        peak_memory_bytes=peak * _MAXRSS_BYTES,
    )


def _process_fd(pid: int) -> int | None:
    """A descriptor that is readable once the process has ended; None where there is none."""
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None
