"""Workers on this machine: forks of one process, or fresh processes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Literal, get_args

from metaflow_core.compute.fork import ForkLauncher, Zygote
from metaflow_core.compute.launcher import Listener, Worker
from metaflow_core.compute.loop import Loop
from metaflow_core.compute.process import ProcessLauncher, RCommand
from metaflow_core.errors import WorkerError

Isolation = Literal["auto", "fork", "process"]
"""How a task is kept apart from others: `"fork"` of a process that has loaded the flow, fresh
`"process"`, or `"auto"`: a fork where it cannot behave otherwise than a fresh process would."""

ISOLATIONS: tuple[str, ...] = get_args(Isolation)

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
    ) -> None:
        self._isolation, self._say = isolation, say
        log = Path(command.temporary_dir) / "zygote.log"
        self._process = ProcessLauncher(loop, command, scripts / "worker.R")
        self._fork = ForkLauncher(
            loop, lambda: Zygote(loop, command, scripts / "zygote.R", payload, log)
        )
        self._auto: ProcessLauncher | ForkLauncher | None = None if CAN_FORK else self._process

    def prepare(self) -> None:
        """Start the zygote, or the first process (see `Launcher`)."""
        wants_fork = self._isolation == "fork" or (self._isolation == "auto" and CAN_FORK)
        (self._fork if wants_fork else self._process).prepare()

    def start(self, listener: Listener, isolation: str | None = None) -> Worker:
        """Start a worker for one attempt (see `Launcher`)."""
        match isolation or self._isolation:
            case "fork":
                return self._fork.start(listener)
            case "process":
                return self._process.start(listener)
            case _:
                return self._chosen().start(listener)

    def close(self) -> None:
        """End all workers that are left."""
        self._fork.close()
        self._process.close()

    def _chosen(self) -> ProcessLauncher | ForkLauncher:
        """What `"auto"` stands for, found out at the first task and when the zygote is gone."""
        if self._auto is None or (self._auto is self._fork and self._fork.is_gone):
            self._auto = self._fork if not self._obstacle() else self._process
        return self._auto

    def _obstacle(self) -> str:
        """Why tasks should not be forked, which is told; or ""."""
        if self._fork.is_gone:
            obstacle = "the process that they are forked from has ended"
        else:
            try:
                obstacle = self._fork.hazards()
            except WorkerError as error:
                obstacle = str(error)
        if obstacle:
            self._fork.close()
            self._say(f"Tasks run in fresh processes and not in forks: {obstacle}.")
        return obstacle
