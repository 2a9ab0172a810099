"""Takes the place of Rscript where launchers are tested: their workers are Python programs.

What a worker does is the file `program.py` of its folder; what the zygote does before it takes
requests is `zygote.py`. The zygote speaks the control protocol of `src/fork.c`.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from metaflow_core.compute.protocol import FrameReader, frame

ANSWER = struct.Struct("6q")

PR_SET_PDEATHSIG = 1
"""Of `sys/prctl.h`."""

Channel = tuple[int, int]
"""The descriptors to read messages from and to write them to."""


def main() -> None:
    """Serve one attempt, or requests to fork one."""
    script, arguments = Path(sys.argv[2]), sys.argv[4:]
    if script.name == "worker.R":
        channel = int(arguments[0]), int(arguments[1])
    else:
        channel = serve_forks(socket.socket(fileno=int(arguments[0])))
    work(channel)


def work(channel: Channel) -> None:
    """Do what `program.py` says; ends the process."""
    run(
        "program.py",
        options=sys.argv[1:3],
        write_fd=channel[1],
        read_fd=channel[0],
        **talk(channel),
    )
    os._exit(0)


def run(name: str, **names: Any) -> None:
    """Run a program of the folder, in which *names* are known."""
    names |= {"os": os, "signal": signal, "time": time}
    exec(compile((Path(sys.argv[0]).parent / name).read_text(), name, "exec"), names)


def talk(channel: Channel) -> dict[str, Callable[..., Any]]:
    """How a program receives a message, and sends one."""
    read_fd, write_fd = channel
    frames, arrived = FrameReader(), list[dict[str, Any]]()

    def receive() -> dict[str, Any]:
        while not arrived:
            arrived.extend(frames.feed(os.read(read_fd, 1 << 16)))
        return arrived.pop(0)

    def send(**message: Any) -> None:
        data = memoryview(frame(message))
        while data:
            data = data[os.write(write_fd, data) :]

    return {"receive": receive, "send": send}


def serve_forks(control: socket.socket) -> Channel:
    """Serve requests to fork; returns in each fork, with its channel."""
    size = control.recv(4)
    if not size:
        os._exit(0)
    (load,) = FrameReader().feed(size + b"".join(packets(control, *struct.unpack(">i", size))))
    run(
        "zygote.py",
        load=load,
        ready=lambda hazards="": control.send(b"ready " + hazards.encode()),
        wait_request=lambda: select.select([control], [], []),
    )
    woken, wake = os.pipe()
    os.set_blocking(woken, False)
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    children: dict[int, int] = {}
    while True:
        readable, _, _ = select.select([control, woken], [], [])
        if woken in readable:
            os.read(woken, 1 << 16)
            reap(control, children)
        if control in readable:
            request, fds, _, _ = socket.recv_fds(control, 8, 4)
            if not request:
                os._exit(0)
            zygote = os.getpid()
            pid = os.fork()
            if pid == 0:
                return become_task(control, fds, zygote)
            os.setpgid(pid, pid)
            (children[pid],) = struct.unpack("q", request)
            for fd in fds:
                os.close(fd)
            control.send(ANSWER.pack(ord("F"), children[pid], pid, 0, 0, 0))


def packets(control: socket.socket, size: int) -> Iterator[bytes]:
    """As many packets as have *size* bytes together."""
    while size:
        packet = control.recv(size)
        size -= len(packet)
        yield packet


def reap(control: socket.socket, children: dict[int, int]) -> None:
    """Tell of every fork that has ended."""
    while children:
        pid, status, usage = os.wait4(-1, os.WNOHANG)
        if pid == 0:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        cpu_us = int((usage.ru_utime + usage.ru_stime) * 1e6)
        number = children.pop(pid)
        control.send(ANSWER.pack(ord("X"), number, pid, status, cpu_us, usage.ru_maxrss))


def become_task(control: socket.socket, fds: list[int], zygote: int) -> Channel:
    """Be a process of its own, which ends when the zygote does."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != zygote:
        os._exit(125)  # it ended before the line above
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setpgid(0, 0)
    control.close()
    os.dup2(fds[2], 1)
    os.dup2(fds[3], 2)
    os.close(fds[2])
    os.close(fds[3])
    return fds[0], fds[1]
