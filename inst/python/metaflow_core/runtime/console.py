"""What a run says on the console, in Metaflow's format."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from metaflow_core.compute.loop import Loop

Emit = Callable[[str, str], None]
"""Prints text on ``"stdout"`` or ``"stderr"``."""

_BATCH_S = 0.05
"""How long a line may wait to be printed."""

_BATCH_CHARS = 1 << 18
"""More text than this does not wait: a task that prints a lot is read as fast as it is shown."""

_COLOURS = {"time": "35", "head": "32", "error": "31", "": "39"}


_ERASE = "\r\x1b[K"
_WIDEST_STATUS = 79
"""A longer line could fill two rows of a terminal, of which only one would be erased."""


class BatchedEmit:
    """Hands text on a few times a second: what prints it, an R function, costs more than a line.

    On a terminal it keeps a status below all text, which is erased before more text comes.

    Args:
        emit: Where text goes.
        loop: The loop that keeps the time.
    """

    def __init__(self, emit: Emit, loop: Loop) -> None:
        self._emit, self._loop = emit, loop
        self._texts: list[str] = []
        self._chars = 0
        self._stream = "stdout"
        self._status = self._shown = ""

    def __call__(self, text: str, stream: str) -> None:
        """Keep *text* for a moment."""
        if stream != self._stream:
            self.flush()
            self._stream = stream
        if not self._texts:
            self._loop.call_later(_BATCH_S, self.flush)
        self._texts.append(text)
        self._chars += len(text)
        if self._chars > _BATCH_CHARS:
            self.flush()

    def status(self, text: str) -> None:
        """Show *text* below all other, from the next flush on; "" shows nothing."""
        self._status = text[:_WIDEST_STATUS]
        self._loop.call_later(_BATCH_S, self.flush)

    def flush(self) -> None:
        """Hand on what there is."""
        texts, self._texts, self._chars = self._texts, [], 0
        if texts or self._status != self._shown:
            erase = _ERASE if self._shown else ""
            self._emit("".join([erase, *texts, self._status]), self._stream)
            self._shown = self._status


@dataclass(frozen=True, slots=True)
class Console:
    """Prints the lines of a run.

    Args:
        emit: Where text goes.
        colour: Whether the console shows ANSI colours.
        quiet: Whether only the tasks' own output and errors are printed.
        show_status: Shows a line below all others in place of the one before; None where this
            cannot be done.
    """

    emit: Emit
    colour: bool = False
    quiet: bool = False
    show_status: Callable[[str], None] | None = None

    def status(self, text: str) -> None:
        """Show *text* below all other lines, if that can be done."""
        if self.show_status is not None:
            self.show_status(text)

    def line(self, text: str, *, prefix: str = "", error: bool = False) -> None:
        """A line with the time and, for a task, ``[run/step/task (pid n)]``."""
        if self.quiet and not error:
            return
        self._stamped(text, prefix, "error" if error else "")

    def output(self, lines: str, prefix: str) -> None:
        """Lines that a task printed together; printed even if the run is quiet."""
        head = self._head(prefix)
        self.emit(head + lines.replace("\n", "\n" + head) + "\n", "stdout")

    def note(self, text: str) -> None:
        """A line without the time."""
        if not self.quiet:
            self.emit(text + "\n", "stdout")

    def _stamped(self, text: str, prefix: str, kind: str) -> None:
        self.emit(f"{self._head(prefix)}{self._paint(text, kind)}\n", "stdout")

    def _head(self, prefix: str) -> str:
        """What stands before a line: the time and, for a task, which one."""
        head = self._paint(f"[{prefix}] ", "head") if prefix else ""
        return f"{self._paint(_now(), 'time')} {head}"

    def _paint(self, text: str, kind: str) -> str:
        colour = _COLOURS[kind]
        return f"\x1b[{colour}m{text}\x1b[0m" if self.colour and kind else text


def _now() -> str:
    second, ms = divmod(time.time_ns() // 1_000_000, 1000)
    return f"{_stamp(second)}.{ms:03d}"


@lru_cache(maxsize=1)
def _stamp(second: int) -> str:
    """Hundreds of lines have the same one."""
    return f"{datetime.fromtimestamp(second):%Y-%m-%d %H:%M:%S}"
