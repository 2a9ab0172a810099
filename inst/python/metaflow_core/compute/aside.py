"""Work that a loop has done in other threads, because it takes long: hashing, packing, copying."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue

_THREADS = min(4, os.cpu_count() or 1)
_MANY_BYTES = 4096


class Aside:
    """A few threads, and a file that can be read when one of them is done with something.

    Python runs in one of its threads at a time, so only work that mostly waits or is done by a
    library outside of Python belongs here.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(_THREADS, "metaflow-aside", _leave_signals_to_others)
        self._done: SimpleQueue[tuple[Future[object], Callable[[], object]]] = SimpleQueue()
        #: Can be read when `call_back` has something to do.
        self.read_end, self._write_end = os.pipe()

    def do(self, work: Callable[[], object], then: Callable[[], object]) -> None:
        """Do *work* in another thread; `call_back` calls *then* once it is done."""

        def tell(ended: Future[object]) -> None:
            self._done.put((ended, then))
            os.write(self._write_end, b".")

        self._pool.submit(work).add_done_callback(tell)

    def call_back(self) -> None:
        """Call what was to be called after the work that is done; raises what the work raised."""
        os.read(self.read_end, _MANY_BYTES)
        while not self._done.empty():
            ended, then = self._done.get()
            ended.result()
            then()

    def close(self) -> None:
        """Wait until all work is done; nobody is called back."""
        self._pool.shutdown()
        os.close(self.read_end)
        os.close(self._write_end)


def _leave_signals_to_others() -> None:
    # R's own handler jumps back to R's prompt, which only R's thread may do.
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
