"""`compute.loop`: timers, files and signals of one thread."""

from __future__ import annotations

import ctypes
import os
import signal
import threading
from collections.abc import Iterator

import pytest

from metaflow_core.compute.loop import STOP_SIGNALS, Loop


@pytest.fixture
def loop() -> Iterator[Loop]:
    loop = Loop()
    yield loop
    loop.close()


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def test_timers_fire_in_the_order_of_their_times(loop):
    fired: list[str] = []
    loop.call_later(0.002, lambda: fired.append("second"))
    loop.call_later(0.001, lambda: fired.append("first"))
    loop.call_later(0.002, lambda: fired.append("third"))

    while len(fired) < 3:
        loop.step()

    assert fired == ["first", "second", "third"]


def test_a_cancelled_timer_does_not_fire(loop):
    fired: list[str] = []
    cancel = loop.call_later(0, lambda: fired.append("cancelled"))
    loop.call_later(0, lambda: fired.append("kept"))

    cancel()
    loop.step()

    assert fired == ["kept"]


def test_a_timer_can_be_cancelled_twice_and_after_it_fired(loop):
    fired: list[str] = []
    cancel = loop.call_later(0, lambda: fired.append("fired"))

    loop.step()
    cancel()
    cancel()
    loop.call_later(0, lambda: fired.append("next"))
    loop.step()

    assert fired == ["fired", "next"]


def test_a_timer_can_cancel_another_one_that_is_due(loop):
    fired: list[str] = []

    def cancel_the_next() -> None:
        fired.append("first")
        cancel()

    loop.call_later(0, cancel_the_next)
    cancel = loop.call_later(0, lambda: fired.append("cancelled"))

    loop.step()

    assert fired == ["first"]


def test_a_timer_that_sets_itself_again_does_not_hold_up_the_step(loop):
    fired: list[int] = []

    def again() -> None:
        fired.append(1)
        loop.call_later(0, again)

    loop.call_later(0, again)
    loop.step()

    assert fired == [1]


def test_a_readable_file_calls_back_until_it_is_forgotten(loop, pipe):
    read, write = pipe
    got: list[bytes] = []
    loop.on_readable(read, lambda: got.append(os.read(read, 1)))
    os.write(write, b"abc")

    loop.step()
    loop.step()
    loop.forget(read)
    loop.call_later(0, lambda: None)
    loop.step()

    assert got == [b"a", b"b"]


def test_a_writable_file_calls_back(loop, pipe):
    called: list[str] = []
    loop.on_writable(pipe[1], lambda: called.append("writable"))

    loop.step()

    assert called == ["writable"]


def test_forgetting_a_file_that_was_never_watched_does_nothing(loop, pipe):
    loop.forget(pipe[0])


def test_a_file_that_a_callback_closed_is_not_called_back_for(loop):
    pipes = [os.pipe(), os.pipe()]
    called: list[int] = []

    def close_the_other(me: int) -> None:
        called.append(me)
        other = pipes[1 - me][0]
        loop.forget(other)
        # The same number now stands for another file that can be read.
        os.dup2(pipes[me][0], other)
        loop.on_readable(other, lambda: called.append(100))

    for number, (read, write) in enumerate(pipes):
        os.write(write, b"x")
        loop.on_readable(read, lambda number=number: close_the_other(number))

    loop.step()

    assert called in ([0], [1])
    for ends in pipes:
        for end in ends:
            os.close(end)


@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_a_stop_signal_calls_back_with_its_number(loop, number):
    caught: list[int] = []

    with loop.catching_signals(caught.append):
        signal.raise_signal(number)
        loop.step()

    assert caught == [number]


def test_a_signal_ends_a_wait(loop):
    caught: list[int] = []

    with loop.catching_signals(caught.append):
        loop.call_later(60, lambda: None)
        threading.Timer(0.01, lambda: signal.pthread_kill(threading.main_thread().ident, 2)).start()
        loop.step()

    assert caught == [signal.SIGINT]


def test_a_signal_that_is_no_stop_signal_is_passed_over(loop):
    caught: list[int] = []
    seen: list[int] = []
    old = signal.signal(signal.SIGUSR1, lambda number, frame: seen.append(number))

    with loop.catching_signals(caught.append):
        signal.raise_signal(signal.SIGUSR1)
        loop.step()
    signal.signal(signal.SIGUSR1, old)

    assert (caught, seen) == ([], [signal.SIGUSR1])


def test_handlers_are_put_back(loop):
    before = [signal.getsignal(number) for number in STOP_SIGNALS]

    with loop.catching_signals(lambda number: None):
        assert [signal.getsignal(number) for number in STOP_SIGNALS] != before

    assert [signal.getsignal(number) for number in STOP_SIGNALS] == before


def test_handlers_are_put_back_after_an_error(loop):
    before = [signal.getsignal(number) for number in STOP_SIGNALS]

    with pytest.raises(ZeroDivisionError), loop.catching_signals(lambda number: None):
        raise ZeroDivisionError

    assert [signal.getsignal(number) for number in STOP_SIGNALS] == before


def test_a_handler_that_was_not_set_from_python_is_put_back(loop, monkeypatch):
    """R's own, for one: its default in its place would let the next Ctrl-C end R."""
    called: list[int] = []
    handler = ctypes.CFUNCTYPE(None, ctypes.c_int)(called.append)
    library = ctypes.CDLL(None)
    library.signal.restype = library.signal.argtypes = None
    library.signal.argtypes = [ctypes.c_int, ctypes.c_void_p]
    old = signal.getsignal(signal.SIGTERM)
    library.signal(signal.SIGTERM, ctypes.cast(handler, ctypes.c_void_p))
    # Python knows what was set behind its back only if it began like this.
    real = signal.getsignal
    monkeypatch.setattr(signal, "getsignal", lambda n: None if n == signal.SIGTERM else real(n))

    with loop.catching_signals(lambda number: None):
        pass
    signal.raise_signal(signal.SIGTERM)

    assert called == [signal.SIGTERM]
    signal.signal(signal.SIGTERM, old)


def test_outside_of_the_main_thread_signals_are_left_alone(loop):
    before = [signal.getsignal(number) for number in STOP_SIGNALS]
    meanwhile: list = []

    def watch() -> None:
        with loop.catching_signals(lambda number: None):
            meanwhile.extend(signal.getsignal(number) for number in STOP_SIGNALS)

    thread = threading.Thread(target=watch)
    thread.start()
    thread.join()

    assert meanwhile == before


def test_work_aside_is_done_in_another_thread_and_told_in_this_one(loop):
    threads: list[threading.Thread] = []
    note = lambda: threads.append(threading.current_thread())  # noqa: E731

    loop.aside(note, note)
    while len(threads) < 2:
        loop.step()

    assert threads[0] is not threading.main_thread()
    assert threads[1] is threading.main_thread()


def test_timers_fire_while_work_is_done_aside(loop):
    fired = threading.Event()
    ended: list[bool] = []
    loop.call_later(0, fired.set)

    loop.aside(lambda: ended.append(fired.wait(10)), lambda: ended.append(True))
    while len(ended) < 2:
        loop.step()

    assert ended == [True, True]


def test_an_error_of_work_aside_is_raised_by_the_loop(loop):
    def fail() -> None:
        raise ZeroDivisionError

    loop.aside(fail, lambda: None)

    with pytest.raises(ZeroDivisionError):
        loop.step()


def test_a_loop_that_is_closed_waits_for_what_is_done_aside_and_calls_nobody():
    loop, done, told = Loop(), threading.Event(), []

    loop.aside(done.set, lambda: told.append("told"))
    loop.close()

    assert (done.is_set(), told) == (True, [])


def test_threads_aside_leave_signals_to_the_one_that_handles_them(loop):
    blocked: list[set[int]] = []

    loop.aside(lambda: blocked.append(signal.pthread_sigmask(signal.SIG_BLOCK, [])), list)
    loop.step()

    assert set(STOP_SIGNALS) <= blocked[0]
