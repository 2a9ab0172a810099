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
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from metaflow_core.compute.aside import Aside

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
        #: Whom to call for each file.
        self._files: dict[int, Callback] = {}
        #: When each timer is due and its number, a heap; one without a callback was cancelled.
        self._due: list[tuple[float, int]] = []
        self._callbacks: dict[int, Callback] = {}
        self._numbers = itertools.count()
        #: The stop signals, while they are caught.
        self._signals: _StopSignals | None = None
        self._aside: Aside | None = None
        self._before_standstill: list[Callback] = []

    def on_readable(self, fd: int, callback: Callback) -> None:
        """Call *callback* whenever *fd* can be read."""
        self._wait_for(fd, selectors.EVENT_READ, callback)

    def on_writable(self, fd: int, callback: Callback) -> None:
        """Call *callback* whenever *fd* can be written."""
        self._wait_for(fd, selectors.EVENT_WRITE, callback)

    def forget(self, fd: int) -> None:
        """Do not call back for *fd* any more."""
        if self._files.pop(fd, None) is not None:
            self._selector.unregister(fd)

    def call_later(self, delay_s: float, callback: Callback) -> Callback:
        """Call *callback* once, after *delay_s* seconds; returns what cancels it."""
        number = next(self._numbers)
        self._callbacks[number] = callback
        heapq.heappush(self._due, (time.monotonic() + delay_s, number))
        return partial(self._callbacks.pop, number, None)

    def aside(self, work: Callback, then: Callback) -> None:
        """Do *work* in another thread, and call *then* here once it is done.

        What *work* raises, `step` raises.
        """
        if self._aside is None:
            # Threads take a while to import, and most runs need none.
            from metaflow_core.compute.aside import Aside

            self._aside = Aside()
            self.on_readable(self._aside.read_end, self._aside.call_back)
        self._aside.do(work, then)

    def step(self) -> None:
        """Wait until something is due, and call back for all that is."""
        for key, _ in self._selector.select(self._wait_s()):
            # A callback may have closed a file that is later in this list, and its number may be
            # another file's by now.
            callback = self._files.get(key.fd)
            if callback is not None and callback is key.data:
                callback()
        self._fire_timers()

    def close(self) -> None:
        """Forget everything; what is done aside is waited for."""
        self._selector.close()
        self._files.clear()
        if self._aside is not None:
            self._aside.close()
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
        self._signals = signals = _StopSignals()

        def wake() -> None:
            for number in signals.read():
                callback(number)

        signals.catch()
        self.on_readable(signals.read_end, wake)
        try:
            yield
        finally:
            self.forget(signals.read_end)
            signals.leave()
            signals.close()
            self._signals = None

    def on_standstill(self, callback: Callback) -> None:
        """Call *callback* whenever the loop is about to stand still, perhaps for long."""
        self._before_standstill.append(callback)

    @contextlib.contextmanager
    def standing_still(self) -> Iterator[None]:
        """Let others have the thread meanwhile.

        Stop signals are left to those who had them before `catching_signals`.
        """
        for callback in self._before_standstill:
            callback()
        if self._signals is None:
            yield
            return
        self._signals.leave()
        try:
            yield
        finally:
            self._signals.catch()

    def interrupt(self) -> bool:
        """Do as if the user had pressed Ctrl-C; whether signals are caught at all."""
        if self._signals is not None:
            self._signals.add(signal.SIGINT)
        return self._signals is not None

    def _wait_for(self, fd: int, event: int, callback: Callback) -> None:
        self._selector.register(fd, event, callback)
        self._files[fd] = callback

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


class _StopSignals:
    """The signals that ask a run to stop, as bytes in a pipe."""

    def __init__(self) -> None:
        self.read_end, self._write_end = os.pipe()
        os.set_blocking(self.read_end, False)
        os.set_blocking(self._write_end, False)
        self._restore: list[Callback] = []

    def catch(self) -> None:
        """Put them into the pipe from now on."""
        old_wakeup = signal.set_wakeup_fd(self._write_end, warn_on_full_buffer=False)
        self._restore = [
            *(replace_handler(number, self._ignore) for number in STOP_SIGNALS),
            partial(signal.set_wakeup_fd, old_wakeup),
        ]

    def leave(self) -> None:
        """Leave them to those who had them before."""
        for restore in self._restore:
            restore()

    def add(self, number: int) -> None:
        """Add a signal that nobody has sent."""
        os.write(self._write_end, bytes([number]))

    def read(self) -> list[int]:
        """The signals that have arrived."""
        return [number for number in os.read(self.read_end, 64) if number in STOP_SIGNALS]

    def close(self) -> None:
        """Close the pipe."""
        os.close(self.read_end)
        os.close(self._write_end)

    @staticmethod
    def _ignore(number: int, frame: FrameType | None) -> None:
        """The byte in the pipe does the work."""


def replace_handler(number: int, handler: Handler) -> Callable[[], object]:
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
