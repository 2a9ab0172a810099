"""`runtime.progress`: how far a large foreach has come."""

from __future__ import annotations

import itertools

import pytest
from played_run import VirtualLoop

from metaflow_core.model.flow import Flow, Step
from metaflow_core.runtime.console import BatchedEmit, Console
from metaflow_core.runtime.progress import Progress, describe
from metaflow_core.runtime.start import RunOptions
from metaflow_core.scheduler.snapshot import Tally


def followed(tallies, *, quiet=False, is_terminal=False):
    """The lines that tell of *tallies*, one a second, without their time; and what is below."""
    loop, printed, shown = VirtualLoop(), [], []
    console = Console(
        lambda text, stream: printed.append(text[24:-1]),
        quiet=quiet,
        show_status=shown.append if is_terminal else None,
    )
    coming = iter(tallies)
    progress = Progress(
        console,
        loop,
        lambda: [tally for tally in [next(coming, None)] if tally],
        lambda: loop.now_s,
    )
    progress.watch(100)
    loop.run()
    return printed, shown


def steadily(expected, each_second):
    """A step of *expected* tasks, of which *each_second* end in a second."""
    numbers = itertools.chain(range(0, expected, each_second), [expected])
    return [Tally("fit", expected, done, 0, 16 * (done < expected)) for done in numbers]


def test_a_tenth_that_has_ended_is_told_and_the_end():
    printed, _ = followed(steadily(100, 10))

    assert printed[0] == "fit: 10 of 100 done, 16 running, 10 tasks/s, about 9 s left"
    assert printed[-1] == "fit: 100 of 100 done, in 10 s"
    assert len(printed) == 10


def test_a_slow_foreach_is_told_every_ten_seconds():
    printed, _ = followed(steadily(1000, 1)[:31])

    assert printed == [
        "fit: 10 of 1000 done, 16 running, 1 tasks/s, about 16 min left",
        "fit: 20 of 1000 done, 16 running, 1 tasks/s, about 16 min left",
        "fit: 30 of 1000 done, 16 running, 1 tasks/s, about 16 min left",
    ]


def test_a_small_foreach_is_not_told():
    assert followed(steadily(49, 1)) == ([], [])


def test_a_quiet_run_tells_nothing():
    assert followed(steadily(100, 10), quiet=True) == ([], [])


def test_on_a_terminal_one_line_is_shown_below_all_others():
    printed, shown = followed(steadily(100, 10), is_terminal=True)

    assert printed == ["fit: 100 of 100 done, in 10 s"]
    assert shown[0] == "fit: 10 of 100 done, 16 running, 10 tasks/s, about 9 s left"
    assert shown[-1] == ""


@pytest.mark.parametrize(
    ("rate", "expected"),
    [
        pytest.param(0.0, "", id="nothing is known of the rate"),
        pytest.param(95.4, ", 95 tasks/s, about 6 s left", id="seconds"),
        pytest.param(0.2, ", 12 tasks/min, about 49 min left", id="minutes"),
        pytest.param(0.01, ", 36.0 tasks/h, about 16.3 h left", id="hours"),
    ],
)
def test_a_tally_in_words(rate, expected):
    tally = Tally("fit", expected=1000, done=412, failed=2, running=16)

    assert describe(tally, rate) == f"fit: 412 of 1000 done, 2 failed, 16 running{expected}"


def test_what_is_below_all_others_is_erased_before_a_line_and_shown_again():
    loop, printed = VirtualLoop(), []
    emit = BatchedEmit(lambda text, stream: printed.append(text), loop)
    emit("one\n", "stdout")
    emit.status("fit: 1 of 2")
    loop.run()
    emit("two\n", "stdout")
    emit.flush()
    emit.status("")
    emit.flush()

    assert printed == ["one\nfit: 1 of 2", "\r\x1b[Ktwo\nfit: 1 of 2", "\r\x1b[K"]


def test_a_run_leaves_nothing_of_it_on_a_terminal(stage):
    flow = Flow.of(
        "F",
        Step("start", ("fit",), foreach="items"),
        Step("fit", ("join",)),
        Step("join", ("end",), is_join=True),
        Step("end"),
    )

    def on_terminal(services, loop):
        console = services.console
        return type(services)(services.store, services.metadata, Console(console.emit, colour=True))

    functions = {
        "start": lambda step: setattr(step, "items", list(range(60))),
        "fit": lambda step: step.takes(10),
    }
    played = stage.play(flow, functions, prepare=on_terminal, options=RunOptions(max_workers=10))

    last = played.printed.rpartition("\r\x1b[K")[2]
    assert "fit: 50 of 60 done" in played.printed
    assert "Task finished successfully." in last
    assert "fit: " not in last
