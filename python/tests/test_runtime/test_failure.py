"""`runtime.failure`: why an attempt failed, one row for each way in which it can."""

from __future__ import annotations

import errno
import signal
from pathlib import Path

import pytest

from metaflow_core import wire
from metaflow_core.compute.launcher import Exit
from metaflow_core.compute.memory import OutOfMemoryKills
from metaflow_core.errors import StoreError, StoreUnavailable
from metaflow_core.model.task import FAILURE_KINDS, Failure
from metaflow_core.runtime.failure import condition_bytes, failure_of, of_save, trace

DONE = {"ok": True, "artifacts": []}
FAILED = {"ok": False, "failure": {"kind": "load", "message": "Blob 12ab is damaged."}}
STATUS_3 = (
    "The task's R process ended with status 3 before the step was done: a step must return, "
    "and neither call `quit()` nor let other code end R."
)


class _Kills(OutOfMemoryKills):
    def __init__(self, *, new: bool) -> None:
        self._new = new

    def are_new(self) -> bool:
        return self._new


@pytest.mark.parametrize(
    ("result", "how", "expected"),
    [
        pytest.param(DONE, Exit(0, None), None, id="done"),
        pytest.param(FAILED, Exit(1, None), ("load", "Blob 12ab is damaged."), id="told by R"),
        pytest.param(None, Exit(3, None), ("quit", STATUS_3), id="quit"),
        pytest.param(DONE, Exit(3, None), ("quit", STATUS_3), id="quit when it was done"),
        pytest.param(
            None,
            Exit(None, signal.SIGKILL, peak_memory_bytes=100_000_000),
            ("killed", "The task was killed by signal 9 (SIGKILL) at 0.1 GB."),
            id="killed while small",
        ),
        pytest.param(
            None,
            Exit(None, signal.SIGKILL, peak_memory_bytes=1 << 60),
            (
                "out_of_memory",
                "The task was killed by signal 9 (SIGKILL) at 1152921504.6 GB: "
                "it had probably run out of memory.",
            ),
            id="killed while large",
        ),
        pytest.param(
            None,
            Exit(None, signal.SIGTERM, peak_memory_bytes=1 << 60),
            ("killed", "The task was killed by signal 15 (SIGTERM) at 1152921504.6 GB."),
            id="ended by somebody while large",
        ),
        pytest.param(
            None,
            Exit(None, signal.SIGSEGV),
            (
                "killed",
                "The task was killed by signal 11 (SIGSEGV): R crashed, most likely in compiled "
                "code of a package.",
            ),
            id="crashed",
        ),
        pytest.param(
            None,
            Exit(None, signal.SIGXFSZ),
            (
                "killed",
                "The task was killed by signal 25 (SIGXFSZ): it wrote a larger file than "
                "`ulimit -f` allows.",
            ),
            id="a file too large",
        ),
        pytest.param(
            None,
            Exit(None, 64),
            ("killed", "The task was killed by signal 64 (SIGRTMAX)."),
            id="a signal with an odd name",
        ),
        pytest.param(
            None,
            Exit(None, signal.SIGKILL, "It spoke in tongues."),
            ("malformed", "It spoke in tongues."),
            id="a message that cannot be read",
        ),
        pytest.param(
            {"type": "result"},
            Exit(0, None),
            (
                "malformed",
                "The worker's result cannot be used: it does not say whether the step was done.",
            ),
            id="a result that says nothing",
        ),
        pytest.param(
            {"ok": False, "failure": None},
            Exit(1, None),
            (
                "malformed",
                "The worker's result cannot be used: it does not say why the step failed.",
            ),
            id="a result that does not say why",
        ),
        pytest.param(
            {"ok": True, "artifacts": [{"name": "x"}]},
            Exit(0, None),
            (
                "malformed",
                "The worker's result cannot be used: an artifact in it has no name or no kind.",
            ),
            id="a result with half an artifact",
        ),
        pytest.param(
            None, Exit(None, None, "It is gone."), ("lost", "It is gone."), id="the zygote died"
        ),
    ],
)
def test_each_end_of_a_worker_has_its_kind_and_its_sentence(result, how, expected):
    failure = failure_of(result, how, _Kills(new=False), started=True)

    assert (failure and (failure.kind, failure.message)) == expected
    assert failure is None or failure.kind in FAILURE_KINDS


def test_a_small_process_that_the_kernel_killed_for_memory_ran_out_of_it():
    failure = failure_of(None, Exit(None, signal.SIGKILL), _Kills(new=True), started=True)

    assert failure is not None
    assert failure.kind == "out_of_memory"


def test_a_worker_that_never_ran_could_not_start():
    failure = failure_of(None, Exit(None, None, "No room."), _Kills(new=False), started=False)

    assert failure == Failure("start", "No room.")


def test_kills_for_want_of_memory_are_new_once(tmp_path):
    counters = tmp_path / "vmstat"
    counters.write_text("pgfault 7\noom_kill 1\n", encoding="ascii")
    kills = OutOfMemoryKills(counters)

    assert not kills.are_new()
    counters.write_text("pgfault 9\noom_kill 2\n", encoding="ascii")
    assert [kills.are_new(), kills.are_new()] == [True, False]


def test_a_system_that_counts_no_kills_has_none():
    assert not OutOfMemoryKills(Path("/no/such/file")).are_new()


def _caused_by(number: int) -> StoreUnavailable:
    error = StoreUnavailable("Cannot write here.")
    error.__cause__ = OSError(number, "why")
    return error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (_caused_by(errno.ENOSPC), "disk_full"),
        (_caused_by(errno.EDQUOT), "disk_full"),
        (_caused_by(errno.EROFS), "save"),
        (OSError(errno.ENOSPC, "full"), "disk_full"),
        (StoreError("Another worker was first."), "save"),
    ],
)
def test_a_full_disk_is_told_from_other_reasons_not_to_store(error, kind):
    assert of_save(error).kind == kind


@pytest.mark.parametrize("kind", FAILURE_KINDS)
def test_each_kind_is_a_class_of_the_condition(kind):
    condition = wire.loads(condition_bytes(Failure(kind, "Why.")))

    assert condition["message"] == "Why."
    assert f"metaflow_task_{kind}".encode() in condition_bytes(Failure(kind, "Why."))


def test_the_trace_has_the_frames_below_the_message_innermost_first():
    frames = (
        {"call": "outer()", "file": "", "line": 0},
        {"call": "f()", "file": "a.R", "line": 7},
    )

    assert trace(Failure("error", "no luck", frames=frames)) == (
        "no luck\n  at a.R:7 in f()\n  at outer()"
    )
