"""Says that a run is alive, and what it is doing, for those who look from outside."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any

from metaflow_core import config
from metaflow_core.compute.loop import Loop
from metaflow_core.errors import MetaflowError
from metaflow_core.metadata.provider import MetadataProvider
from metaflow_core.model.pathspec import Pathspec

_LOOK_EVERY_S = 2.0
"""How long a change of the state may wait to be told."""


class Heartbeat:
    """Sends the run's state when it starts and ends, soon after it changed, and every so often.

    Nothing is sent while the loop stands still for a task in the session: that one is told before.

    Args:
        run: The run.
        metadata: Where the state goes.
        loop: The loop that keeps the time.
        state: What the run is doing, as JSON data.
        ending: How the run ended, as JSON data, if its last state is the one given.
    """

    def __init__(
        self,
        run: Pathspec,
        metadata: MetadataProvider,
        loop: Loop,
        state: Callable[[], Mapping[str, Any]],
        ending: Callable[[Mapping[str, Any]], Mapping[str, Any]],
    ) -> None:
        self._run, self._metadata, self._loop = run, metadata, loop
        self._state, self._ending = state, ending
        self._interval_s = config.number("METAFLOW_RUN_HEARTBEAT_INTERVAL_S")
        self._sent: Mapping[str, Any] | None = None
        self._quiet_s = 0.0

    def start(self) -> None:
        """Send the first state, and go on until the loop ends."""
        self._loop.on_standstill(self._look)
        self._go_on()

    def stop(self, status: str) -> None:
        """Send the last state, and how the run ended, so that a list of runs need not find out."""
        last = _now(status, self._state())
        with contextlib.suppress(MetaflowError):
            last["ending"] = self._ending(last)
        self._send(last)

    def _go_on(self) -> None:
        wait_s = min(_LOOK_EVERY_S, self._interval_s)
        self._look()
        self._quiet_s += wait_s
        self._loop.call_later(wait_s, self._go_on)

    def _look(self) -> None:
        state = self._state()
        if state != self._sent or self._quiet_s >= self._interval_s:
            self._sent, self._quiet_s = state, 0.0
            self._send(_now("running", state))

    def _send(self, state: Mapping[str, Any]) -> None:
        # A run goes on when nobody can be told about it; a store that is gone for good is
        # noticed by the next task that saves.
        with contextlib.suppress(MetaflowError):
            self._metadata.heartbeat(self._run, state)


def _now(status: str, state: Mapping[str, Any]) -> dict[str, Any]:
    who = {"pid": os.getpid(), "host": socket.gethostname()}
    return {"at": time.time(), "status": status, **who, **state}
