"""`runtime.report`: the last lines of a run that failed, as the user sees them."""

from __future__ import annotations

from dataclasses import replace

from metaflow_core import wire
from metaflow_core.model.task import FAILURE_KINDS, Failure, TaskKey
from metaflow_core.runtime.report import FailedTask, RunResult, report


def _command(words: str) -> str:
    return f"Rscript flow.R {words}"


def _report(*failed: FailedTask, **rest: object) -> str:
    return report(RunResult("F/153", "failed", failed, **rest), _command)


def test_a_store_that_is_elsewhere_is_set_before_the_task_is_entered():
    run = RunResult("F/153", "failed", [FailedTask("F/153/b/3", TaskKey("b"), ERROR)])

    lines = report(run, _command, elsewhere='/my "store"').splitlines()

    assert r'Debug:  set_metadata("/my \"store\""); debug_task("F/153/b/3")' in lines


ERROR = Failure(
    "error",
    "no luck",
    call="fit(data)",
    frames=(
        {"call": "b(self)", "file": "flow.R", "line": 12},
        {"call": "fit(data)", "file": "R/fit.R", "line": 3},
    ),
)


def test_an_error_of_r():
    text = _report(
        FailedTask("F/153/b/3", TaskKey("b"), ERROR),
        stopped=["153/a/2"],
        never_ran=["join", "end"],
    )

    assert (
        text
        == """\
Step b failed: 153/b/3
  Error in fit(data): no luck
  at R/fit.R:3 in fit(data)
  at flow.R:12 in b(self)
Stopped because of it: 153/a/2
Did not run: join, end
Debug:  debug_task("F/153/b/3")
Log:    Rscript flow.R logs 153/b/3
Resume: Rscript flow.R resume --origin-run-id 153"""
    )


def test_a_split_of_a_foreach():
    task = FailedTask("F/153/body/5", TaskKey("body", (1, 2)), ERROR, "three", 4)

    assert _report(task).startswith("Step body failed: 153/body/5, split 3 of 4: three\n")


def test_a_split_whose_value_has_no_text():
    task = FailedTask("F/153/body/5", TaskKey("body", (0,)), ERROR, "", 4)

    assert _report(task).startswith("Step body failed: 153/body/5, split 1 of 4\n")


def test_an_error_without_a_call():
    task = FailedTask("F/153/b/3", TaskKey("b"), Failure("error", "no luck"))

    assert (
        _report(task)
        == """\
Step b failed: 153/b/3
  Error: no luck
Debug:  debug_task("F/153/b/3")
Log:    Rscript flow.R logs 153/b/3
Resume: Rscript flow.R resume --origin-run-id 153"""
    )


def test_a_task_that_was_killed():
    task = FailedTask("F/153/b/3", TaskKey("b"), Failure("killed", "Killed by signal 9."))

    assert (
        _report(task)
        == """\
Step b was killed: 153/b/3
  Killed by signal 9.
Debug:  debug_task("F/153/b/3")
Log:    Rscript flow.R logs 153/b/3
Resume: Rscript flow.R resume --origin-run-id 153"""
    )


def test_a_task_that_could_not_be_registered():
    task = FailedTask("F/153/b", TaskKey("b"), Failure("disk_full", "The disk is full."))

    assert (
        _report(task)
        == """\
Step b found the disk full: 153/b
  The disk is full.
Log:    Rscript flow.R logs 153/b
Resume: Rscript flow.R resume --origin-run-id 153"""
    )


def test_a_long_message_and_a_deep_stack_are_cut():
    frames = tuple({"call": f"f{i}()", "file": "a.R", "line": i} for i in range(20))
    failure = Failure("error", "\n".join(map(str, range(20))), frames=frames)

    lines = _report(FailedTask("F/153/b/3", TaskKey("b"), failure)).splitlines()

    assert lines[1:7] == ["  Error: 0", "  1", "  2", "  3", "  4", "  5"]
    assert lines[7:12] == [
        *(f"  at a.R:{i} in f{i}()" for i in (19, 18, 17)),
        "  ... 16 more",
        "  at a.R:0 in f0()",
    ]
    assert len(lines) == 15


def test_a_line_without_end_is_cut():
    task = FailedTask("F/153/b/3", TaskKey("b"), Failure("error", "x" * 10_000))

    assert max(map(len, _report(task).splitlines())) < 400


def _failed(number: int, failure: Failure) -> FailedTask:
    return FailedTask(f"F/153/b/{number}", TaskKey("b", (number,)), failure, f"item {number}", 20)


def test_tasks_that_failed_at_the_same_place_are_told_once():
    failed = [_failed(i, replace(ERROR, message=f"no luck with {i}")) for i in range(9)]

    assert (
        _report(*failed)
        == """\
Step b failed: 153/b/0, split 1 of 20: item 0
  Error in fit(data): no luck with 0
  at R/fit.R:3 in fit(data)
  at flow.R:12 in b(self)
  and 153/b/1, split 2 of 20: item 1: Error in fit(data): no luck with 1
  and 153/b/2, split 3 of 20: item 2: Error in fit(data): no luck with 2
  and 6 more tasks at the same place: 153/b/3, 153/b/4, 153/b/5, 153/b/6, 153/b/7 and 1 more
Debug:  debug_task("F/153/b/0")
Log:    Rscript flow.R logs 153/b/0
Resume: Rscript flow.R resume --origin-run-id 153"""
    )


def test_tasks_with_the_same_message_are_counted():
    report = _report(*(_failed(i, ERROR) for i in range(3)))

    assert "  and 2 more tasks for the same reason: 153/b/1, 153/b/2" in report.splitlines()


def test_further_reasons_are_told_in_short():
    failed = [_failed(i, replace(ERROR, frames=(), message=f"no {i}\nat all")) for i in range(8)]

    text = _report(*failed, stopped=[f"153/a/{i}" for i in range(9)])

    assert (
        text
        == """\
Step b failed: 153/b/0, split 1 of 20: item 0
  Error in fit(data): no 0
  at all
Step b failed: 153/b/1, split 2 of 20: item 1
  Error in fit(data): no 1
Step b failed: 153/b/2, split 3 of 20: item 2
  Error in fit(data): no 2
... and 5 more failed tasks.
Stopped because of it: 153/a/0, 153/a/1, 153/a/2, 153/a/3, 153/a/4 and 4 more
Debug:  debug_task("F/153/b/0")
Log:    Rscript flow.R logs 153/b/0
Resume: Rscript flow.R resume --origin-run-id 153"""
    )


def test_every_kind_of_failure_has_its_own_words():
    tasks = [FailedTask("F/153/b/3", TaskKey("b"), Failure(kind, "Why.")) for kind in FAILURE_KINDS]

    heads = {_report(task).splitlines()[0] for task in tasks}

    assert len(heads) == len(FAILURE_KINDS)


def test_an_interrupted_run():
    text = report(RunResult("F/153", "interrupted", (), ["153/a/2"], ["end"]), _command)

    assert (
        text
        == """\
Stopped because of the interrupt: 153/a/2
Did not run: end
Resume: Rscript flow.R resume --origin-run-id 153"""
    )


def test_a_frame_without_a_file():
    failure = Failure("error", "no luck", frames=({"call": "f()", "file": "", "line": 0},))

    assert "  at f()\n" in _report(FailedTask("F/153/b/3", TaskKey("b"), failure))


def test_a_result_is_plain_data():
    data = RunResult("F/153", "failed", [FailedTask("F/153/b/3", TaskKey("b"), ERROR)]).as_data("…")

    assert wire.loads(wire.dumps(data)) == {
        "pathspec": "F/153",
        "run_id": "153",
        "status": "failed",
        "report": "…",
        "failed": [
            {
                "pathspec": "F/153/b/3",
                "kind": "error",
                "message": "no luck",
                "call": "fit(data)",
                "classes": [],
                "frames": [dict(frame) for frame in ERROR.frames],
                "condition": b"",
            }
        ],
    }
