"""Workers on this machine: forks of one process, fresh processes, or the session itself."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from metaflow_core.compute.fork import ForkLauncher, Zygote, ZygoteProcess
from metaflow_core.compute.inline import InlineLauncher, ServeAttempt
from metaflow_core.compute.launcher import Listener, Worker
from metaflow_core.compute.loop import Loop
from metaflow_core.compute.process import ProcessLauncher, RCommand
from metaflow_core.compute.waiting import WaitingWorker
from metaflow_core.errors import WorkerError

CAN_FORK = sys.platform == "linux"
"""Whether `"auto"` forks here. macOS can fork, but its own libraries do not survive it."""


class LocalLauncher:
    """Starts workers in the way that is asked for.

    Args:
        loop: Where workers are waited for.
        command: How R is started.
        scripts: Folder of the scripts ``worker.R`` and ``zygote.R``.
        payload: What the flow's tasks need, which the zygote loads.
        isolation: How tasks are kept apart that ask for nothing else.
        say: Tells the user why tasks are not forked.
        serve_inline: Runs one attempt in the session; None where there is no session.
        ahead: A zygote that has been started already, or None; its end is its owner's business.
    """

    def __init__(  # noqa: PLR0913 -- each is a fact of its own about the session
        self,
        loop: Loop,
        *,
        command: RCommand,
        scripts: Path,
        payload: Path,
        isolation: str,
        say: Callable[[str], None],
        serve_inline: ServeAttempt | None = None,
        ahead: ZygoteProcess | None = None,
    ) -> None:
        self._loop, self._isolation, self._say = loop, isolation, say
        self._process = ProcessLauncher(loop, command, scripts / "worker.R")
        self._fork = ForkLauncher(
            loop, lambda: Zygote(loop, self._load_zygote(), on_loaded=self._loaded)
        )
        self._ahead = ahead
        self._start_zygote = partial(ZygoteProcess.start, command, scripts / "zygote.R")
        self._load_flow = partial(ZygoteProcess.load, command=command, payload=payload)
        self._inline = InlineLauncher(loop, serve_inline) if serve_inline else None
        self._auto: ProcessLauncher | ForkLauncher | None = None if CAN_FORK else self._process
        #: Workers that start when the zygote has loaded the flow.
        self._waiting: list[WaitingWorker] = []
        self._hear_load: Callable[[bytes], object] = lambda printed: None

    def prepare(self) -> None:
        """Start the zygote, or the first process (see `Launcher`)."""
        if self._needs_zygote(self._isolation):
            self._fork.prepare()
        elif self._isolation != "inline":
            self._process.prepare()

    def on_load(self, hear: Callable[[bytes], object]) -> None:
        """Let *hear* have what the zygote prints until it can fork (see `Launcher`)."""
        self._hear_load = hear

    def expect(self, count: int) -> None:
        """Start processes ahead, if tasks are processes (see `Launcher`)."""
        is_auto_process = self._isolation == "auto" and self._auto is self._process
        if self._isolation == "process" or is_auto_process:
            self._process.expect(count)

    def start(self, listener: Listener, isolation: str | None = None) -> Worker:
        """Start a worker for one attempt (see `Launcher`)."""
        way = isolation or self._isolation
        if not (self._needs_zygote(way) and self._is_loading(way)):
            return self._start(way, listener)
        self._waiting.append(WaitingWorker(self._loop, listener, partial(self._start, way)))
        return self._waiting[-1]

    def close(self) -> None:
        """End all workers that are left."""
        waiting, self._waiting = self._waiting, []
        for worker in waiting:
            worker.close()
        for launcher in (self._inline, self._fork, self._process):
            if launcher is not None:
                launcher.close()

    def _load_zygote(self) -> ZygoteProcess:
        """The one that was started ahead, or once it is used up, another; it loads the flow."""
        ahead, self._ahead = self._ahead, None
        zygote = ahead or self._start_zygote()
        self._load_flow(zygote)
        return zygote

    def _needs_zygote(self, way: str) -> bool:
        return way == "fork" or (way == "auto" and self._auto is not self._process)

    def _is_loading(self, way: str) -> bool:
        """Whether the zygote, started now if it has not been, still loads the flow."""
        try:
            return self._fork.prepare().is_loading
        except WorkerError as error:
            if way == "fork":
                raise
            self._give_up_forks(str(error))
            return False

    def _start(self, way: str, listener: Listener) -> Worker:
        match way:
            case "fork":
                return self._fork.start(listener)
            case "process":
                return self._process.start(listener)
            case "inline":
                if self._inline is None:
                    raise WorkerError("There is no R session here to run a task in.")
                return self._inline.start(listener)
            case _:
                return self._chosen().start(listener)

    def _loaded(self, printed: bytes) -> None:
        self._hear_load(printed)
        waiting, self._waiting = self._waiting, []
        for worker in waiting:
            worker.begin()

    def _chosen(self) -> ProcessLauncher | ForkLauncher:
        """What `"auto"` stands for, found out at the first task and when the zygote is gone."""
        if self._auto is not self._process:
            zygote = self._fork.prepare()
            was_forking, self._auto = self._auto is self._fork, self._fork
            if obstacle := zygote.problem or ("" if was_forking else zygote.hazards):
                self._give_up_forks(obstacle)
        assert self._auto is not None
        return self._auto

    def _give_up_forks(self, obstacle: str) -> None:
        self._auto = self._process
        self._fork.close()
        why = obstacle[:1].lower() + obstacle[1:].removesuffix(".")
        self._say(f"Tasks run in fresh processes and not in forks: {why}.")
