"""The run's own log: what happened before and around the user's code, kept with the run.

What R printed while it loaded the flow for all tasks is in it, too. It is the standard error of
the task ``_parameters``, so that every client can read it, and `logs RUN --build` shows it. The
setting ``METAFLOW_LOG_LEVEL`` says how much: ``warning`` is what went wrong, ``info`` what else is
out of the ordinary, ``debug`` every event.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from typing import Literal

from metaflow_core import __version__, config
from metaflow_core.datastore import mflog
from metaflow_core.datastore.attempts import AttemptWriter
from metaflow_core.errors import MetaflowError
from metaflow_core.runtime.context import RunContext
from metaflow_core.scheduler.events import (
    Action,
    AttemptFailed,
    CancelAttempt,
    Event,
    FinishRun,
    RecordCaught,
    ScheduleRetry,
)

Level = Literal["debug", "info", "warning"]

_LEVELS: tuple[Level, ...] = ("debug", "info", "warning")


class RunLog:
    """Writes lines of the run's log.

    Args:
        writer: Of the task whose log it is.
    """

    def __init__(self, writer: AttemptWriter) -> None:
        self._writer = writer
        chosen = (config.get("METAFLOW_LOG_LEVEL") or "").lower()
        self._least = next((at for at, name in enumerate(_LEVELS) if name == chosen), 1)

    def say(self, level: Level, text: str) -> None:
        """Add a line; a store that cannot take it does not stop the run."""
        if _LEVELS.index(level) < self._least:
            return
        told = f"{level}: {' '.join(text.split())}"
        self._add(mflog.format_line(mflog.RUNTIME, told, time.time()))

    def starts(self, run: RunContext) -> None:
        """What the run starts with."""
        with contextlib.suppress(OSError):
            size_bytes = run.payload_path.stat().st_size
            self.say("info", f"functions and helpers: {size_bytes} bytes")
        self.say("info", f"metaflow {__version__}, pid {os.getpid()} on {socket.gethostname()}")
        self.say("info", f"{', '.join(run.identity.system_tags)}, seed {run.seed}")
        if run.origin_run_id:
            self.say("info", f"resumes run {run.origin_run_id}")

    def loaded(self, printed: bytes) -> None:
        """What R printed while it loaded the flow for all tasks; kept whatever the level is."""
        if printed:
            lines = printed.removesuffix(b"\n").split(b"\n")
            self._add(mflog.format_lines(mflog.LOAD, lines, time.time_ns() // 1000))

    def happened(self, event: Event | Action) -> None:
        """An event that the scheduler is told, or an action that it asks for."""
        match event:
            case AttemptFailed():
                failure = event.failure
                self.say(
                    "warning",
                    f"{event.task} attempt {event.attempt} failed ({failure.kind}):"
                    f" {failure.message}",
                )
            case ScheduleRetry():
                self.say("info", f"{event.task} attempt {event.attempt} in {event.delay_s:g} s")
            case CancelAttempt():
                why = "by the user" if event.failed is None else f"because {event.failed} failed"
                self.say("info", f"{event.task} is stopped {why}")
            case RecordCaught():
                self.say("info", f"{event.task}: its failure is caught")
            case FinishRun():
                level: Level = "info" if event.status == "successful" else "warning"
                self.say(level, f"the run has ended: {event.status}")
            case _ if self._least == 0:
                task = getattr(event, "task", None)
                attempt = getattr(event, "attempt", None)
                what = f" {task}" if task is not None else ""
                number = f" attempt {attempt}" if attempt is not None else ""
                self.say("debug", f"{type(event).__name__}{what}{number}")

    def _add(self, lines: bytes) -> None:
        with contextlib.suppress(MetaflowError):
            self._writer.append_log(mflog.RUNTIME, mflog.STDERR, lines)
