"""Workers as forks of one R process that has loaded all that the flow's tasks need: the zygote."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import struct
import subprocess
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from metaflow_core.compute.channel import Channel, WorkerEnds
from metaflow_core.compute.launcher import Exit, Listener
from metaflow_core.compute.loop import Loop
from metaflow_core.compute.process import RCommand, exit_of
from metaflow_core.compute.protocol import LENGTH_BYTES, frame
from metaflow_core.errors import WorkerError

_REQUEST = struct.Struct("q")
_ANSWER = struct.Struct("6q")
"""Kind, id, pid, wait status, CPU time in microseconds, peak memory: `Answer` in `src/fork.c`."""

_MEMORY = {
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
    "R_NSIZE": "3000000",
    "R_VSIZE": "256M",
}
"""Settings of the zygote's memory, for its forks' sake: large pages, of which fewer have to be
copied, and a first garbage collection, which touches all that is shared, only after as many new
cells and bytes as a small task never needs. `R/ahead.R` has the same."""

_FORKED, _ENDED = ord("F"), ord("X")
_READY = b"ready "
_PACKET_BYTES = 1 << 16
"""How much of a message goes into one packet, of which the system limits the size."""

_LOG = "zygote.log"
"""File for what it prints before it forks, in the folder for its temporary files."""

_LOG_TAIL_BYTES = 2000
_HAS_ENDED = "The process that tasks are forked from has ended."
_STARTUP_S = 300.0
"""How long the zygote may take to load the flow's packages and values."""


class _Child:
    """A process that this one has started, in another way than by `subprocess`.

    Args:
        pid: Its process id.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def wait(self) -> int:
        """Wait until it has ended; how it ended (see `subprocess.Popen`)."""
        self.returncode = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.returncode


class ZygoteProcess:
    """R, on its way to be what tasks are forked from: it has been started, and loads the flow when
    it is told to.

    Args:
        process: The process, a child of this one and leader of its own group.
        control: Our end of its control socket.
        log: File that it prints to before it forks.
        environment: In which environment variables the tasks' differ from those that it was started
            with; None for one that they do not have.
    """

    def __init__(
        self,
        process: subprocess.Popen[bytes] | _Child,
        control: socket.socket,
        log: Path,
        environment: Mapping[str, str | None],
    ) -> None:
        self._process, self.control, self._log = process, control, log
        self._environment = environment

    @classmethod
    def start(cls, command: RCommand, script: Path) -> ZygoteProcess:
        """Start it.

        Args:
            command: How R is started.
            script: The R script that it runs.

        Raises:
            WorkerError: If it cannot be started.
        """
        log = Path(command.temporary_dir) / _LOG
        control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # What the user has set counts, and stays.
        memory = {name: value for name, value in _MEMORY.items() if name not in os.environ}
        try:
            with theirs, log.open("wb") as output:
                process = command.spawn(
                    script,
                    [theirs.fileno()],
                    [theirs.fileno()],
                    (output.fileno(), output.fileno()),
                    memory,
                )
        except (OSError, WorkerError):
            control.close()
            raise
        return cls(process, control, log, dict.fromkeys(memory))

    @classmethod
    def adopt(
        cls, pid: int, control_fd: int, log: str, environment: Mapping[str, str | None]
    ) -> ZygoteProcess:
        """Take over the one that the R session of this process has started.

        Args:
            pid: Its process id.
            control_fd: The descriptor of our end of its control socket, which stays the session's.
            log: File that it prints to.
            environment: See the class.
        """
        return cls(_Child(pid), socket.socket(fileno=os.dup(control_fd)), Path(log), environment)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def load(self, command: RCommand, payload: Path) -> None:
        """Let it load the flow, as *command* would have started it.

        Args:
            command: How R is started.
            payload: What it loads before the first fork.
        """
        environment = {**self._environment, **command.environment}
        message = frame({"type": "load", "payload": str(payload), "environment": environment})
        packets = [message[:LENGTH_BYTES]]
        for begin in range(LENGTH_BYTES, len(message), _PACKET_BYTES):
            packets.append(message[begin : begin + _PACKET_BYTES])
        # If it has ended, that is seen where its answer is read.
        with contextlib.suppress(OSError):
            for packet in packets:
                self.control.send(packet)

    def end(self) -> None:
        """End it and its group, and wait until it has ended."""
        self.control.close()
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def printed(self) -> bytes:
        """All that it has printed so far."""
        return self._log.read_bytes()

    @property
    def returncode(self) -> int | None:
        """How it ended (see `subprocess.Popen`), once `end` has seen to it; else None."""
        return self._process.returncode


class Zygote:
    """The process that forked tasks are copies of.

    Args:
        loop: Where its answers are waited for.
        process: R, which has been told to load the flow.
        on_loaded: Called once it can fork, or is known to be unable to; gets what it has printed.
    """

    def __init__(
        self, loop: Loop, process: ZygoteProcess, *, on_loaded: Callable[[bytes], object]
    ) -> None:
        self._loop, self._process, self._on_loaded = loop, process, on_loaded
        self._control = process.control
        #: The same socket once more: a loop waits for a descriptor in one way only.
        self._requests_out = self._control.dup()
        self._workers: dict[int, ForkedWorker] = {}
        self._requests: deque[tuple[int, WorkerEnds]] = deque()
        self._last_id = 0
        #: How much it has printed while it loaded the flow.
        self._printed_bytes = 0
        self.is_loading = True
        #: Why it cannot fork, a sentence: it has ended; or "".
        self.problem = ""
        #: What would make a forked task behave otherwise than a fresh process, once it is known.
        self.hazards = ""
        for end in (self._control, self._requests_out):
            end.setblocking(False)
        loop.on_readable(self._control.fileno(), self._read_ready)
        self._cancel_timeout = loop.call_later(_STARTUP_S, self._end_late)

    def fork(self, worker: ForkedWorker, ends: WorkerEnds) -> None:
        """Fork a worker, which gets *ends*; it is told when it has started and ended."""
        self._last_id += 1
        self._workers[self._last_id] = worker
        self._requests.append((self._last_id, ends))
        if len(self._requests) == 1 and not self._send():
            self._loop.on_writable(self._requests_out.fileno(), self._send_rest)

    def close(self) -> None:
        """End it and all that it forked, and wait until they have ended."""
        if not self.problem:
            self._end()

    def _end(self) -> None:
        self._cancel_timeout()
        for worker in list(self._workers.values()):
            worker.kill()
        self._close_sockets()
        self._process.end()
        self.is_loading = False
        self.problem = " ".join([_HAS_ENDED, *self._log_tail().splitlines()])
        self._tell_lost()

    def _read_ready(self) -> None:
        """It has loaded the flow, or has ended."""
        said = _receive(self._control, 1 << 16)
        if said is None:
            return
        if not said.startswith(_READY):
            self._end()
            self._give_up(self._log_tail() or f"R ended with status {self._process.returncode}.")
            return
        self._cancel_timeout()
        printed = self._process.printed()
        self._printed_bytes = len(printed)
        self.hazards = said[len(_READY) :].decode("utf-8", "replace")
        self.is_loading = False
        self._loop.forget(self._control.fileno())
        self._loop.on_readable(self._control.fileno(), self._read_answers)
        self._on_loaded(printed)

    def _end_late(self) -> None:
        self._end()
        self._give_up(f"It took longer than {_STARTUP_S:g} seconds.")

    def _give_up(self, why: str) -> None:
        """It has ended before it could fork."""
        self.problem = f"The flow could not be loaded: {why}"
        self._on_loaded(self._process.printed())

    def _send(self) -> bool:
        """Send what can be sent; whether that was all."""
        try:
            while self._requests:
                number, ends = self._requests[0]
                socket.send_fds(self._requests_out, [_REQUEST.pack(number)], list(ends))
                self._requests.popleft()
                ends.close()
        except BlockingIOError:
            return False
        except OSError:
            pass  # it has ended: `_read_answers` sees it, and tells
        return True

    def _send_rest(self) -> None:
        if self._send():
            self._loop.forget(self._requests_out.fileno())

    def _read_answers(self) -> None:
        while (said := _receive(self._control, _ANSWER.size)) is not None:
            if len(said) != _ANSWER.size:
                self._end()  # it ended by itself: its forks end with it
                return
            self._take(_ANSWER.unpack(said))

    def _take(self, answer: tuple[int, ...]) -> None:
        kind, number, pid, status, cpu_us, peak = answer
        if kind == _FORKED:
            self._workers[number].started(pid)
        elif kind == _ENDED:
            self._workers.pop(number).ended(exit_of(status, cpu_us / 1e6, peak))
        else:
            problem = f"The worker could not be forked: {os.strerror(status)}."
            self._workers.pop(number).ended(Exit(code=None, signal=None, fault=problem))

    def _tell_lost(self) -> None:
        for worker in list(self._workers.values()):
            worker.ended(Exit(None, None, self.problem))
        self._workers.clear()
        for _, ends in self._requests:
            ends.close()
        self._requests.clear()

    def _close_sockets(self) -> None:
        for end in (self._control, self._requests_out):
            self._loop.forget(end.fileno())
            end.close()

    def _log_tail(self) -> str:
        """The end of what it printed; once it has loaded the flow, of what it printed since."""
        printed = self._process.printed()[self._printed_bytes :]
        return printed[-_LOG_TAIL_BYTES:].decode("utf-8", "replace").strip()


def _receive(end: socket.socket, most_bytes: int) -> bytes | None:
    """The next packet; b"" at the end; None if there is nothing yet."""
    try:
        return end.recv(most_bytes)
    except BlockingIOError:
        return None
    except OSError:
        return b""


class ForkedWorker:
    """One fork of the zygote.

    Args:
        zygote: What it is forked from.
        loop: Where its pipes are waited for.
        listener: Is told what happens.

    Raises:
        OSError: If no pipes can be made.
    """

    def __init__(self, zygote: Zygote, loop: Loop, listener: Listener) -> None:
        self._loop, self._listener = loop, listener
        self._channel = Channel(loop)
        self._channel.open(listener, self.kill)
        self._pid: int | None = None
        self._is_ended = False
        self._to_send: int | None = None
        zygote.fork(self, self._channel.worker_ends)

    def send(self, message: Mapping[str, Any]) -> None:
        """Send a message (see `Worker`)."""
        if not self._is_ended:
            self._channel.send(message)

    def interrupt(self) -> None:
        """Interrupt R, and not its children (see `Worker`)."""
        if self._pid is None:
            self._to_send = signal.SIGTERM
        elif not self._is_ended:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGINT)

    def stop(self, grace_s: float) -> None:
        """End the worker and its children (see `Worker`)."""
        self._signal(signal.SIGTERM)
        self._loop.call_later(grace_s, self.kill)

    def kill(self) -> None:
        """End the worker and its children at once."""
        self._signal(signal.SIGKILL)

    def started(self, pid: int) -> None:
        """It has been forked."""
        self._pid = pid
        self._listener.on_start(f"pid {pid}")
        if self._to_send is not None:
            self._signal(self._to_send)

    def ended(self, how: Exit) -> None:
        """It has ended."""
        self._is_ended = True
        self._channel.end()
        fault = self._channel.fault
        self._listener.on_exit(replace(how, fault=fault) if fault else how)

    def _signal(self, number: int) -> None:
        if self._pid is None:
            self._to_send = number  # once there is somebody to send it to
        elif not self._is_ended:
            _signal_group(self._pid, number)


def _signal_group(pid: int, number: int) -> None:
    """Send a signal to a fork and all in its group, whether or not it has made its group yet."""
    for send in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError):
            send(pid, number)
            return


class ForkLauncher:
    """Forks each worker from one zygote.

    Args:
        loop: Where workers are waited for.
        make_zygote: Starts the zygote.
    """

    def __init__(self, loop: Loop, make_zygote: Callable[[], Zygote]) -> None:
        self._loop, self._make_zygote = loop, make_zygote
        self._zygote: Zygote | None = None

    def prepare(self) -> Zygote:
        """The zygote, which is started now if it has not been, and then loads the flow."""
        if self._zygote is None:
            self._zygote = self._make_zygote()
        return self._zygote

    def start(self, listener: Listener) -> ForkedWorker:
        """Start a worker for one attempt, once the zygote has loaded the flow (see `Launcher`)."""
        zygote = self.prepare()
        assert not zygote.is_loading
        if zygote.problem:
            raise WorkerError(zygote.problem)
        try:
            return ForkedWorker(zygote, self._loop, listener)
        except OSError as error:
            raise WorkerError(f"The worker could not be started: {error}.") from error

    def close(self) -> None:
        """End the zygote and all that it forked."""
        if self._zygote is not None:
            self._zygote.close()
            self._zygote = None
