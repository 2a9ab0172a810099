"""Runs of the core, each in a process of its own that dies at an event of its own.

As a program it is a server, so that the core is loaded once: each line that it reads is a
`CoreRun` as JSON; it forks for it, and answers with a line that has the fork's process id, and with
one that has its wait status.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import metaflow_core
from metaflow_core import wire
from metaflow_core.bridge.spec import flow_from_spec
from metaflow_core.cli.invocation import Invocation
from metaflow_core.cli.main import main
from metaflow_core.compute.session import RSession
from metaflow_core.errors import MetaflowError

_EVENTS = {
    "open", "os.rename", "os.link", "os.mkdir", "os.remove", "os.rmdir", "socket.sendmsg",
    "subprocess.Popen",
}  # fmt: skip


@dataclass(frozen=True)
class CoreRun:
    """A run of the core as R would make it, but for its end.

    Args:
        recorded: File with what R gives the core (see `flows/drawn.R`).
        words: Words of the command line.
        directory: Where it runs.
        environment: All its environment variables.
        output: File for what it prints.
        victim: What is killed: ``"core"`` (the process itself), ``"zygote"`` or ``"worker"``.
        at: At its at-th event (an opened, renamed, linked or removed file, a directory, a message
            with descriptors, a process), or when there is a victim; 0 for never.
        killed: File that is made when it is killed.
    """

    recorded: str
    words: Sequence[str]
    directory: str
    environment: dict[str, str]
    output: str
    victim: str
    at: int
    killed: str


class CoreServer:
    """Forks processes of the core, one after the other."""

    def __init__(self) -> None:
        path = os.pathsep.join([str(Path(metaflow_core.__file__).parents[1]), *sys.path])
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            env={**os.environ, "PYTHONPATH": path},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, what: CoreRun) -> int:
        """Run it; its exit code, or the number of the signal that killed it, below 0."""
        assert self._process.stdin is not None
        print(json.dumps(asdict(what)), file=self._process.stdin, flush=True)
        self._pid = self._answer()
        return os.waitstatus_to_exitcode(self._answer())

    def _answer(self) -> int:
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())

    def close(self) -> None:
        """End the server."""
        self._process.communicate()


class Killer:
    """Counts the events of this process, and kills the victim once."""

    def __init__(self, run: CoreRun) -> None:
        self._run, self._count = run, 0
        self._looks = run.at == 0

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Be told of an event, by `sys.addaudithook`."""
        if event not in _EVENTS or self._looks:
            return
        self._count += 1
        if self._count < self._run.at:
            return
        self._looks = True  # what looking does are no events
        victim = _find(self._run.victim)
        if victim is None:
            self._looks = False
            return
        Path(self._run.killed).write_text(f"{self._run.victim} at {self._count}")
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)


def _find(victim: str) -> int | None:
    """The process id of a victim of this process; None while there is none."""
    if victim == "core":
        return os.getpid()
    for child in _children(os.getpid()):
        words = _command_line(child)
        if f"{victim}.R" in words:
            return child
        if "zygote.R" in words:
            return next(_children(child), None)
    return None


def _children(pid: int) -> Iterator[int]:
    for thread in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            yield from map(int, thread.read_text().split())


def _command_line(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
    return ""


def _be_core(run: CoreRun) -> int:
    """Do what the run says, in this process; its exit code."""
    os.setsid()
    os.chdir(run.directory)
    os.environ.clear()
    os.environ.update(run.environment)
    output = os.open(run.output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream, file in ((0, os.open(os.devnull, os.O_RDONLY)), (1, output), (2, output)):
        os.dup2(file, stream)
    recorded = wire.loads(Path(run.recorded).read_bytes())
    invocation = Invocation(
        flow=flow_from_spec(recorded["spec"]),
        session=RSession(**{**recorded["session"], "working_dir": run.directory}),
        argv=run.words,
        options={},
        emit=lambda text, stream: os.write(1, text.encode()),
        payload=lambda: recorded["payload"],
        evaluate_default=lambda name: None,
        script="Rscript flow.R",
    )
    tempfile.gettempdir()  # Python tries it out with a file of its own, which is not ours to remove
    sys.addaudithook(Killer(run))
    try:
        result = main(invocation)
    except MetaflowError as error:
        os.write(1, f"{error.kind()}: {error}\n".encode())
        return error.exit_code
    if result.exit_code:
        os.write(1, str(result.data.get("report")).encode())
    return result.exit_code


def _serve() -> None:
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            code = 70
            try:
                code = _be_core(CoreRun(**json.loads(line)))
            finally:
                os._exit(code)
        print(pid, flush=True)
        print(os.waitpid(pid, 0)[1], flush=True)


if __name__ == "__main__":
    _serve()
