"""Workers that cannot be started yet, because what starts them is not ready."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from typing import Any

from metaflow_core.compute.launcher import Exit, Listener, Worker
from metaflow_core.compute.loop import Loop
from metaflow_core.errors import WorkerError


class WaitingWorker:
    """A worker that was asked for, and is started later.

    Args:
        loop: Where it is told that it ended before it began.
        listener: Is told what happens.
        start: Starts it; raises `WorkerError`.
    """

    def __init__(self, loop: Loop, listener: Listener, start: Callable[[Listener], Worker]) -> None:
        self._loop, self._listener, self._start = loop, listener, start
        self._worker: Worker | None = None
        self._messages: list[Mapping[str, Any]] = []
        self._is_over = False

    def send(self, message: Mapping[str, Any]) -> None:
        """Send a message (see `Worker`), or keep it until there is somebody to read it."""
        if self._worker is None:
            self._messages.append(message)
        else:
            self._worker.send(message)

    def interrupt(self) -> None:
        """Let the worker tell where it is (see `Worker`)."""
        if self._worker is not None:
            self._worker.interrupt()
        else:
            self.stop(0)

    def stop(self, grace_s: float) -> None:
        """End the worker (see `Worker`); one that has not begun ends at once."""
        if self._worker is not None:
            self._worker.stop(grace_s)
        elif not self._is_over:
            self._is_over = True
            end = Exit(code=None, signal=signal.SIGTERM)
            self._loop.call_later(0, lambda: self._listener.on_exit(end))

    def begin(self) -> None:
        """Start it, unless it was stopped."""
        if self._is_over:
            return
        try:
            self._worker = self._start(self._listener)
        except WorkerError as error:
            self._end(Exit(None, None, str(error)))
            return
        for message in self._messages:
            self._worker.send(message)

    def close(self) -> None:
        """It will never be started."""
        if self._worker is None and not self._is_over:
            self._end(Exit(None, signal.SIGKILL))

    def _end(self, how: Exit) -> None:
        self._is_over = True
        self._listener.on_exit(how)
