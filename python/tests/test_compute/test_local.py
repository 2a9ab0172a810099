"""`compute.local`: which launcher takes a task. Small Python programs take the place of R."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from workshop import Told

from metaflow_core.compute import fork
from metaflow_core.errors import WorkerError

_SAYS_PARENT = "send(type='parent', pid=os.getppid())"


@pytest.fixture
def workshop(new_workshop):
    return new_workshop("auto")


def _is_fork(told: Told) -> bool:
    """Whether a worker that ran `_SAYS_PARENT` is a fork, and not this process's own child."""
    return told.messages[0]["pid"] != os.getpid()


def _run(workshop, launcher, isolation=None):
    told = Told()
    launcher.start(told, isolation)
    return workshop.wait(told)


def test_auto_forks_where_nothing_stands_against_it(workshop):
    assert _is_fork(workshop.run(_SAYS_PARENT))
    assert workshop.said == []


@pytest.mark.parametrize(
    ("of_run", "of_step", "forks"),
    [
        ("auto", None, True),
        ("auto", "process", False),
        ("auto", "fork", True),
        ("process", None, False),
        ("process", "fork", True),
        ("fork", None, True),
        ("fork", "process", False),
    ],
)
def test_a_step_s_isolation_counts_before_the_run_s(workshop, of_run, of_step, forks):
    launcher = workshop.launcher(_SAYS_PARENT, isolation=of_run)

    assert _is_fork(_run(workshop, launcher, of_step)) == forks


def test_auto_takes_processes_where_a_fork_would_differ_and_says_so_once(workshop):
    launcher = workshop.launcher(_SAYS_PARENT, zygote="ready('a thread runs')")

    assert not any(_is_fork(_run(workshop, launcher)) for _ in range(3))
    assert workshop.said == ["Tasks run in fresh processes and not in forks: a thread runs."]


def test_fork_forks_in_spite_of_what_would_differ(workshop):
    launcher = workshop.launcher(_SAYS_PARENT, zygote="ready('a thread runs')", isolation="fork")

    assert _is_fork(_run(workshop, launcher))
    assert workshop.said == []


_CANNOT_LOAD = [
    pytest.param("os.write(2, b'no such package'); os._exit(1)", "no such package", id="says why"),
    pytest.param("os._exit(3)", "R ended with status 3", id="says nothing"),
]


@pytest.mark.parametrize(("zygote", "why"), _CANNOT_LOAD)
def test_auto_takes_processes_where_the_flow_cannot_be_loaded_and_says_why(workshop, zygote, why):
    launcher = workshop.launcher(_SAYS_PARENT, zygote=zygote)

    assert not any(_is_fork(_run(workshop, launcher)) for _ in range(2))
    assert len(workshop.said) == 1
    assert why in workshop.said[0]
    assert "\n" not in workshop.said[0]


@pytest.mark.parametrize(("zygote", "why"), _CANNOT_LOAD)
def test_a_fork_of_a_flow_that_cannot_be_loaded_never_starts_and_says_why(workshop, zygote, why):
    launcher, told = workshop.launcher("", zygote=zygote, isolation="fork"), [Told(), Told()]
    for listener in told:
        launcher.start(listener)

    workshop.wait(*told)

    assert all(why in t.end.fault and t.labels == [] for t in told)
    with pytest.raises(WorkerError, match=why):
        launcher.start(Told())


_LOADS_FOR_EVER = "time.sleep(60)"


@pytest.mark.parametrize("isolation", ["fork", "auto"])
def test_a_worker_that_is_stopped_while_the_flow_is_loaded_ends_at_once(workshop, isolation):
    launcher, told = workshop.launcher("", zygote=_LOADS_FOR_EVER, isolation=isolation), Told()

    launcher.start(told).stop(grace_s=60)

    assert workshop.wait(told).end.signal == signal.SIGTERM
    assert told.labels == []


def test_the_loop_goes_on_while_the_flow_is_loaded(workshop):
    launcher, called = workshop.launcher("", zygote=_LOADS_FOR_EVER), []
    launcher.start(Told())
    workshop.loop.call_later(0.01, lambda: called.append(True))

    workshop.until(lambda: called)


def test_messages_wait_until_the_flow_is_loaded(workshop):
    launcher = workshop.launcher("for _ in range(2): send(type='echo', text=receive()['text'])")
    told = Told()
    worker = launcher.start(told)
    for text in ("first", "second"):
        worker.send({"type": "say", "text": text})

    assert [m["text"] for m in workshop.wait(told).messages] == ["first", "second"]


def test_a_flow_that_takes_too_long_to_load_is_given_up(workshop, monkeypatch):
    monkeypatch.setattr(fork, "_STARTUP_S", 0.01)
    launcher = workshop.launcher(_SAYS_PARENT, zygote="print('loading'); " + _LOADS_FOR_EVER)

    assert not _is_fork(_run(workshop, launcher))
    assert "the flow could not be loaded: It took longer than 0.01 seconds" in workshop.said[0]


def test_a_step_can_ask_for_a_fork_after_auto_has_decided_against_it(workshop):
    launcher = workshop.launcher(_SAYS_PARENT, zygote="ready('a thread runs')")

    assert not _is_fork(_run(workshop, launcher))
    assert _is_fork(_run(workshop, launcher, "fork"))


_SAYS_PARENT_AND_WAITS = _SAYS_PARENT + "\nif receive()['wait']: time.sleep(60)"


def test_when_the_zygote_dies_every_fork_ends_with_a_fault(workshop):
    launcher, told = workshop.launcher(_SAYS_PARENT_AND_WAITS), [Told(), Told()]
    for listener in told:
        launcher.start(listener).send({"type": "go", "wait": True})
    workshop.until(lambda: all(t.messages for t in told))

    os.kill(told[0].messages[0]["pid"], signal.SIGKILL)
    workshop.wait(*told)

    fault = "The process that tasks are forked from has ended."
    assert [t.end.fault for t in told] == [fault, fault]


def test_when_the_zygote_has_died_auto_goes_on_with_processes(workshop):
    launcher, told = workshop.launcher(_SAYS_PARENT_AND_WAITS), [Told(), Told()]
    launcher.start(told[0]).send({"type": "go", "wait": True})
    workshop.until(lambda: told[0].messages)
    os.kill(told[0].messages[0]["pid"], signal.SIGKILL)
    workshop.wait(told[0])

    launcher.start(told[1]).send({"type": "go", "wait": False})

    assert not _is_fork(workshop.wait(told[1]))
    assert workshop.said == [
        "Tasks run in fresh processes and not in forks: "
        "the process that tasks are forked from has ended."
    ]


def test_what_a_zygote_printed_at_its_death_is_told(workshop):
    dies = """
        os.write(2, b"Loading required package")
        ready()
        wait_request()
        os.write(2, b" *** caught segfault ***\\nR is aborting now ...")
        os._exit(1)
    """
    launcher, told = workshop.launcher(_SAYS_PARENT, zygote=dies, isolation="fork"), Told()

    launcher.start(told)

    assert workshop.wait(told).end.fault == (
        "The process that tasks are forked from has ended."
        " *** caught segfault *** R is aborting now ..."
    )


def test_a_worker_asked_of_a_dead_zygote_ends_after_start_has_returned(workshop):
    launcher, told = workshop.launcher(_SAYS_PARENT, isolation="fork"), Told()
    zygote = _run(workshop, launcher).messages[0]["pid"]
    os.kill(zygote, signal.SIGKILL)
    os.waitid(os.P_PID, zygote, os.WEXITED | os.WNOWAIT)

    launcher.start(told)
    assert told.ends == []

    assert workshop.wait(told).end.fault == "The process that tasks are forked from has ended."
    with pytest.raises(WorkerError, match="has ended"):
        launcher.start(Told())


def test_more_workers_than_a_zygote_takes_at_once_wait_for_it(workshop):
    launcher = workshop.launcher("os._exit(0)", zygote="ready(); time.sleep(0.2)")
    told = [Told() for _ in range(400)]

    for listener in told:
        launcher.start(listener)

    workshop.wait(*told)
    assert {t.end.code for t in told} == {0}


def _processes() -> int:
    """How many processes this one has started that have not been waited for."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return len(children)


def test_processes_are_started_ahead_for_the_tasks_that_are_expected(workshop, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    launcher = workshop.launcher(_SAYS_PARENT_AND_WAITS, isolation="process")
    told, before = Told(), _processes()

    started = []
    for count in (0, 1, 1, 5):
        launcher.expect(count)
        started.append(_processes() - before)
    assert started == [0, 1, 1, 2]

    launcher.start(told).send({"type": "go", "wait": False})
    workshop.wait(told)
    assert _processes() - before == 1
    launcher.close()
    assert _processes() == before


@pytest.mark.parametrize("isolation", ["fork", "inline"])
def test_no_process_is_started_ahead_where_tasks_are_none(workshop, isolation):
    launcher = workshop.launcher(_SAYS_PARENT, isolation=isolation)
    before = _processes()

    launcher.expect(3)

    assert _processes() == before


@pytest.mark.parametrize("zygote", ["ready()", "os._exit(1)"])
def test_what_is_printed_while_the_flow_is_loaded_is_told_once(workshop, zygote):
    prints = "os.write(1, b'Loading\\n'); os.write(2, b'Warning\\n'); "
    launcher = workshop.launcher(_SAYS_PARENT, zygote=prints + zygote, isolation="auto")
    heard, told = [], (Told(), Told())
    launcher.on_load(heard.append)

    for listener in told:
        launcher.start(listener).send({"type": "go", "wait": False})
    workshop.wait(*told)

    assert heard == [b"Loading\nWarning\n"]
    assert told[0].loading == [zygote != "ready()"]
