"""A task's log: lines to the console as they come, and to the store."""

from __future__ import annotations

import time

from metaflow_core.compute.launcher import Stream
from metaflow_core.datastore import mflog
from metaflow_core.datastore.attempts import AttemptWriter
from metaflow_core.errors import StoreError
from metaflow_core.runtime.console import Console

_LONGEST_LINE_BYTES = 1 << 16
"""Output without a line end is cut here, so that it is shown and does not pile up."""


class TaskLog:
    """Cuts an attempt's output into lines, prints them and stores them.

    Args:
        console: Where lines are printed.
        writer: Where they are stored.
        prefix: What stands before each printed line; changed when the worker is known.
    """

    def __init__(self, console: Console, writer: AttemptWriter, prefix: str) -> None:
        self._console, self._writer, self.prefix = console, writer, prefix
        self._partial: dict[Stream, bytes] = {"stdout": b"", "stderr": b""}
        self._source = mflog.RUNTIME
        self._is_shown = False
        self._is_broken = False
        self._next_us = 0

    def set_source(self, source: str) -> None:
        """What is written from now on comes from *source*, see `mflog`."""
        self._flush()
        self._source = source

    def write(self, stream: Stream, data: bytes, *, is_shown: bool = False) -> None:
        """Add output of the task; what *is_shown* already is stored only."""
        self._is_shown = is_shown
        lines, end, rest = (self._partial[stream] + data).rpartition(b"\n")
        if len(rest) > _LONGEST_LINE_BYTES:
            lines, end, rest = lines + end + rest, b"\n", b""
        self._partial[stream] = rest
        if end:
            self._keep(stream, lines)

    def say(self, text: str, *, error: bool = False) -> None:
        """Add a line of the runtime's own; an error is kept in the store, too."""
        self._flush()
        self._console.line(text, prefix=self.prefix, error=error)
        if error:
            self._store(mflog.RUNTIME, "stderr", text.encode().splitlines())

    def close(self) -> None:
        """Add what came without a line end."""
        self._flush()

    def _flush(self) -> None:
        for stream, rest in self._partial.items():
            if rest:
                self._partial[stream] = b""
                self._keep(stream, rest)

    def _keep(self, stream: Stream, lines: bytes) -> None:
        """Show and store lines that came together, without the end of the last."""
        if not self._is_shown:
            self._console.output(lines.decode("utf-8", "replace"), self.prefix)
        self._store(self._source, stream, lines.split(b"\n"))

    def _store(self, source: str, stream: Stream, lines: list[bytes]) -> None:
        if not lines or self._is_broken:
            return
        at_us = max(time.time_ns() // 1000, self._next_us)
        self._next_us = at_us + mflog.TICK_US * len(lines)
        data = mflog.format_lines(source, lines, at_us)
        try:
            self._writer.append_log(mflog.RUNTIME, stream, data)
        except StoreError as error:
            # The task goes on without its log; said once.
            self._is_broken = True
            self._console.line(f"The log cannot be stored: {error}", prefix=self.prefix, error=True)
