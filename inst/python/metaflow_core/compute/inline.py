"""Attempts in the R session that asked for the run, one after another: for debuggers, profilers."""

from __future__ import annotations

import os
import signal
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from metaflow_core.compute.launcher import Exit, Listener
from metaflow_core.compute.loop import Loop
from metaflow_core.errors import RFailed

Hear = Callable[[], Mapping[str, Any]]
"""Gives the session the core's next message."""

Say = Callable[[dict[str, Any]], None]
"""Takes a message of the session; the answer, if it is a question, is what `Hear` gives next."""

ServeAttempt = Callable[[Hear, Say], int | None]
"""Runs one attempt in the session; 0 if the step succeeded, 1 if it failed, None if the user
interrupted it. Raises `RFailed`."""


class InlineLauncher:
    """Runs attempts in the session, each as soon as the loop is free.

    The loop stands still meanwhile, and stop signals are the session's: Ctrl-C interrupts the
    task, and then the run.

    Args:
        loop: The loop that calls the session.
        serve: Runs one attempt in it.
    """

    def __init__(self, loop: Loop, serve: ServeAttempt) -> None:
        self._loop, self._serve = loop, serve
        self._queue: deque[InlineWorker] = deque()

    def prepare(self) -> None:
        """Do nothing: the session is there."""

    def start(self, listener: Listener) -> InlineWorker:
        """Queue an attempt (see `Launcher`)."""
        worker = InlineWorker(self._loop, listener, self._serve, self._forget)
        self._queue.append(worker)
        if len(self._queue) == 1:
            self._call_first()
        return worker

    def close(self) -> None:
        """End the attempts that have not begun."""
        for worker in list(self._queue):
            worker.end(Exit(code=None, signal=signal.SIGKILL))

    def _call_first(self) -> None:
        self._loop.call_later(0, self._run_first)

    def _run_first(self) -> None:
        if self._queue:
            self._queue[0].run()

    def _forget(self, worker: InlineWorker) -> None:
        was_first = self._queue[0] is worker
        self._queue.remove(worker)
        if was_first and self._queue:
            self._call_first()


class InlineWorker:
    """One attempt in the session.

    Args:
        loop: The loop that calls the session.
        listener: Is told what happens.
        serve: Runs the attempt.
        on_end: Called when it has ended.
    """

    def __init__(
        self,
        loop: Loop,
        listener: Listener,
        serve: ServeAttempt,
        on_end: Callable[[InlineWorker], None],
    ) -> None:
        self._loop, self._listener = loop, listener
        self._serve, self._on_end = serve, on_end
        self._messages: deque[Mapping[str, Any]] = deque()
        self._has_begun = self._is_stopped = self._has_ended = False

    def send(self, message: Mapping[str, Any]) -> None:
        """Send a message (see `Worker`): it is there when the session asks for it."""
        self._messages.append(message)

    def interrupt(self) -> None:
        """End it as `stop` does: one that runs has the loop's thread, so it is not inside of R."""
        self.stop(0)

    def stop(self, grace_s: float) -> None:
        """End an attempt that has not begun, or that the user has interrupted."""
        number = signal.SIGINT if self._has_begun else signal.SIGTERM
        self._is_stopped = True
        self._end_soon(Exit(code=None, signal=number))

    def run(self) -> None:
        """Run it; returns when it is over."""
        if self._has_begun or self._is_stopped or self._has_ended:
            return
        self._has_begun = True
        self._listener.on_start(f"pid {os.getpid()}")
        cpu_s = time.process_time()
        try:
            with self._loop.standing_still():
                status = self._serve(self._messages.popleft, self._take)
        except RFailed as error:
            self._end_soon(Exit(None, None, str(error)))
            return
        if status is not None:
            # Soon, and not now: a timer that is due by now, such as its timeout's, comes first.
            self._end_soon(Exit(status, None, cpu_s=time.process_time() - cpu_s))
        elif not self._loop.interrupt():
            self._end_soon(Exit(None, signal.SIGINT))
        # Else it is stopped by the run, which knows now that it was interrupted.

    def end(self, how: Exit) -> None:
        """Tell that it has ended."""
        if not self._has_ended:
            self._has_ended = True
            self._on_end(self)
            self._listener.on_exit(how)

    def _end_soon(self, how: Exit) -> None:
        self._loop.call_later(0, lambda: self.end(how))

    def _take(self, message: dict[str, Any]) -> None:
        if message["type"] == "output":
            self._listener.on_output(message["stream"], message["bytes"], is_shown=True)
        else:
            self._listener.on_message(message)
