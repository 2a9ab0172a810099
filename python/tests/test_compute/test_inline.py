"""Attempts in the session. A small Python program takes the place of R here."""

from __future__ import annotations

import os
import signal

import pytest
from workshop import Told

from metaflow_core.compute.local import LocalLauncher, RCommand
from metaflow_core.errors import RFailed, WorkerError


@pytest.fixture
def workshop(new_workshop):
    return new_workshop("inline")


def test_an_attempt_runs_in_this_process_when_the_loop_is_free(workshop):
    _, told = workshop.start("send(type='pid', pid=os.getpid())")
    assert told.labels == []

    assert workshop.wait(told).messages == [{"type": "pid", "pid": os.getpid()}]


def test_an_attempt_that_is_stopped_before_it_has_begun_never_runs(workshop):
    worker, told = workshop.start("send(type='begun')")

    worker.stop(grace_s=60)

    assert workshop.wait(told).end.signal == signal.SIGTERM
    assert (told.labels, told.messages) == ([], [])


def test_what_the_session_answers_is_the_exit_code(workshop):
    assert [workshop.run(f"raise SystemExit({code})").end.code for code in (0, 1)] == [0, 1]


def test_a_question_is_answered_before_the_program_goes_on(workshop):
    launcher = workshop.launcher("""
        send(type="get", name=receive()["name"])
        send(type="result", value=receive()["value"])
    """)

    class Answering(Told):
        def on_message(self, message):
            super().on_message(message)
            worker.send({"type": "artifact", "value": 17})

    told = Answering()
    worker = launcher.start(told)
    worker.send({"type": "task", "name": "x"})
    workshop.wait(told)

    assert told.messages == [{"type": "get", "name": "x"}, {"type": "result", "value": 17}]


def test_output_has_been_seen(workshop):
    told = workshop.run("send(type='output', stream='stderr', bytes=b'careful')")

    assert told.output["stderr"] == b"careful"
    assert told.shown == [True]


def test_attempts_run_one_after_another_in_the_order_in_which_they_were_asked_for(workshop):
    launcher, order = workshop.launcher("send(type='text', text=receive()['text'])"), []

    class Noting(Told):
        def on_start(self, label, *, is_loading=False):
            order.append("start")

        def on_exit(self, how):
            super().on_exit(how)
            order.append(self.messages[0]["text"])

    told = [Noting() for _ in range(3)]
    for text, listener in enumerate(told):
        launcher.start(listener).send({"type": "say", "text": text})
    workshop.wait(*told)

    assert order == ["start", 0, "start", 1, "start", 2]


def test_that_the_loop_will_stand_still_is_told_when_the_attempt_has_begun(workshop):
    order = []
    workshop.loop.on_standstill(lambda: order.append(list(told.labels)))
    _, told = workshop.start("pass")
    workshop.wait(told)

    assert order == [[f"pid {os.getpid()}"]]


def test_a_timer_that_is_due_by_the_end_of_an_attempt_comes_before_it(workshop):
    _, told = workshop.start("time.sleep(0.01)")
    ended_before = []
    workshop.loop.call_later(0.005, lambda: ended_before.append(bool(told.ends)))

    workshop.wait(told)

    assert ended_before == [False]


def test_ctrl_c_reaches_the_session_and_then_the_run(workshop):
    worker, told = workshop.start(f"os.kill(os.getpid(), {int(signal.SIGINT)}); time.sleep(10)")
    signals = []

    def interrupt(number):
        signals.append(number)
        assert told.ends == []
        worker.stop(grace_s=60)

    with workshop.loop.catching_signals(interrupt):
        workshop.wait(told)

    assert signals == [signal.SIGINT]
    assert told.end.signal == signal.SIGINT


def test_signals_between_attempts_are_the_run_s(workshop):
    signals = []
    with workshop.loop.catching_signals(signals.append):
        workshop.run("pass")
        os.kill(os.getpid(), signal.SIGINT)
        workshop.until(lambda: signals)

    assert signals == [signal.SIGINT]


def test_an_interrupted_attempt_of_a_run_that_catches_no_signals_ends(workshop):
    assert workshop.run("raise KeyboardInterrupt").end.signal == signal.SIGINT


def test_an_attempt_that_the_session_cannot_run_has_a_fault(workshop, tmp_path):
    def fail(hear, say):
        raise RFailed("R could not evaluate attempt: no")

    told = Told()
    _launcher(workshop, tmp_path, fail).start(told)

    assert workshop.wait(told).end.fault == "R could not evaluate attempt: no"


def test_where_there_is_no_session_no_attempt_runs_in_it(workshop, tmp_path):
    with pytest.raises(WorkerError, match="no R session"):
        _launcher(workshop, tmp_path, None).start(Told())


def _launcher(workshop, folder, serve):
    return LocalLauncher(
        workshop.loop,
        command=RCommand("/nowhere", (), str(folder), str(folder)),
        scripts=folder,
        payload=folder / "payload",
        isolation="inline",
        say=workshop.said.append,
        serve_inline=serve,
    )
