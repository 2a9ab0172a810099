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
from functools import partial
from types import FrameType

Callback = Callable[[], object]
Handler = Callable[[int, FrameType | None], object]

_ACTION_BYTES = 256
"""More than `struct sigaction` has anywhere."""

STOP_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)


class Loop:
    """Calls back when a file is readable or writable, and when a time has come.

    Not reentrant: one run uses one loop, from one thread.
    """

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        #: When each timer is due and its number, a heap; one without a callback was cancelled.
        self._due: list[tuple[float, int]] = []
        self._callbacks: dict[int, Callback] = {}
        self._numbers = itertools.count()

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
        number = next(self._numbers)
        self._callbacks[number] = callback
        heapq.heappush(self._due, (time.monotonic() + delay_s, number))
        return partial(self._callbacks.pop, number, None)

    def step(self) -> None:
        """Wait until something is due, and call back for all that is."""
        for key, _ in self._selector.select(self._wait_s()):
            # A callback may have closed a file that is later in this list, and its number may be
            # another file's by now.
            if self._selector.get_map().get(key.fd) is key:
                key.data()
        self._fire_timers()

    def close(self) -> None:
        """Forget everything."""
        self._selector.close()
        self._due.clear()
        self._callbacks.clear()

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
        old_handlers = [_replace_handler(number, ignore) for number in STOP_SIGNALS]
        self.on_readable(read_end, wake)
        try:
            yield
        finally:
            self.forget(read_end)
            for restore in old_handlers:
                restore()
            signal.set_wakeup_fd(old_wakeup)
            os.close(read_end)
            os.close(write_end)

    def _wait_s(self) -> float | None:
        self._drop_cancelled()
        return max(0.0, self._due[0][0] - time.monotonic()) if self._due else None

    def _fire_timers(self) -> None:
        now = time.monotonic()
        while True:
            self._drop_cancelled()
            if not self._due or self._due[0][0] > now:
                return
            _, number = heapq.heappop(self._due)
            self._callbacks.pop(number)()

    def _drop_cancelled(self) -> None:
        while self._due and self._due[0][1] not in self._callbacks:
            heapq.heappop(self._due)


def _replace_handler(number: int, handler: Handler) -> Callable[[], object]:
    """Handle a signal with *handler*; returns what puts the handler back that was there."""
    old = signal.getsignal(number)
    restore = _keep_foreign(number) if old is None else partial(signal.signal, number, old)
    signal.signal(number, handler)
    return restore


def _keep_foreign(number: int) -> Callable[[], object]:
    """Returns what puts back a handler that Python does not know, such as R's own.

    Python cannot do it, and the default in its place would let the next Ctrl-C end R.
    """
    import ctypes

    action = ctypes.create_string_buffer(_ACTION_BYTES)
    library = ctypes.CDLL(None)
    library.sigaction(number, None, action)

    def restore() -> None:
        # Python's own record is brought up to date first.
        signal.signal(number, signal.SIG_DFL)
        library.sigaction(number, action, None)

    return restore
