"""One thread's event loop: readable files, timers, and the signals that ask a run to stop."""

from __future__ import annotations

import contextlib
import heapq
import itertools
import os
import selectors
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

Callback = Callable[[], object]

STOP_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)


class Loop:
    """Calls back when a file is readable or writable, and when a time has come.

    Not reentrant: one run uses one loop, from one thread.
    """

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._timers: list[tuple[float, int, Callback]] = []
        self._order = itertools.count()
        self._cancelled: set[int] = set()

    def on_readable(self, fd: int, callback: Callback) -> None:
        """Call *callback* whenever *fd* can be read."""
        self._selector.register(fd, selectors.EVENT_READ, callback)

    def on_writable(self, fd: int, callback: Callback) -> None:
        """Call *callback* whenever *fd* can be written."""
        self._selector.register(fd, selectors.EVENT_WRITE, callback)

    def forget(self, fd: int) -> None:
        """Do not call back for *fd* any more."""
        with contextlib.suppress(KeyError):
            self._selector.unregister(fd)

    def call_later(self, delay_s: float, callback: Callback) -> Callback:
        """Call *callback* once, after *delay_s* seconds; returns what cancels it."""
        number = next(self._order)
        heapq.heappush(self._timers, (time.monotonic() + delay_s, number, callback))
        return lambda: self._cancelled.add(number)

    def step(self) -> None:
        """Wait until something is due, and call back for all that is."""
        for key, _ in self._selector.select(self._wait_s()):
            # A callback may have closed a file that is later in this list.
            if self._selector.get_map().get(key.fd) is not None:
                key.data()
        self._fire_timers()

    def close(self) -> None:
        """Forget everything."""
        self._selector.close()
        self._timers.clear()

    @contextlib.contextmanager
    def catching_signals(self, callback: Callable[[int], None]) -> Iterator[None]:
        """Call *callback* with the number of each stop signal that arrives meanwhile.

        Signals reach Python in the main thread only; elsewhere this does nothing.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        read_end, write_end = os.pipe()
        os.set_blocking(read_end, False)
        os.set_blocking(write_end, False)

        def wake() -> None:
            for number in os.read(read_end, 64):
                if number in STOP_SIGNALS:
                    callback(number)

        def ignore(number: int, frame: FrameType | None) -> None:
            """The byte in the pipe does the work."""

        old_wakeup = signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
        old_handlers: dict[int, Any] = {n: signal.signal(n, ignore) for n in STOP_SIGNALS}
        self.on_readable(read_end, wake)
        try:
            yield
        finally:
            self.forget(read_end)
            for number, handler in old_handlers.items():
                # None stands for a handler that was not set from Python, such as R's own.
                signal.signal(number, handler if handler is not None else signal.SIG_DFL)
            signal.set_wakeup_fd(old_wakeup)
            os.close(read_end)
            os.close(write_end)

    def _wait_s(self) -> float | None:
        self._drop_cancelled()
        return max(0.0, self._timers[0][0] - time.monotonic()) if self._timers else None

    def _fire_timers(self) -> None:
        now = time.monotonic()
        while True:
            self._drop_cancelled()
            if not self._timers or self._timers[0][0] > now:
                return
            heapq.heappop(self._timers)[2]()

    def _drop_cancelled(self) -> None:
        while self._timers and self._timers[0][1] in self._cancelled:
            self._cancelled.discard(heapq.heappop(self._timers)[1])
