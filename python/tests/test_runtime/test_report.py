"""`runtime.report`: the last lines of a run that failed, as the user sees them."""

from __future__ import annotations

from metaflow_core import wire
from metaflow_core.model.task import Failure, TaskKey
from metaflow_core.runtime.report import FailedTask, RunResult, report


def _command(words: str) -> str:
    return f"Rscript flow.R {words}"


def _report(*failed: FailedTask, **rest: object) -> str:
    return report(RunResult("F/153", "failed", failed, **rest), _command)


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
Log:    Rscript flow.R logs 153/b/3
Resume: Rscript flow.R resume --origin-run-id 153"""
    )


def test_a_task_that_was_killed():
    task = FailedTask("F/153/b/3", TaskKey("b"), Failure("killed", "Killed by signal 9."))

    assert (
        _report(task)
        == """\
Step b failed: 153/b/3
  Killed by signal 9.
Log:    Rscript flow.R logs 153/b/3
Resume: Rscript flow.R resume --origin-run-id 153"""
    )


def test_a_task_that_could_not_be_registered():
    task = FailedTask("F/153/b", TaskKey("b"), Failure("save", "The disk is full."))

    assert (
        _report(task)
        == """\
Step b failed: 153/b
  The disk is full.
Log:    Rscript flow.R logs 153/b
Resume: Rscript flow.R resume --origin-run-id 153"""
    )


def test_a_long_message_and_a_deep_stack_are_cut():
    frames = tuple({"call": f"f{i}()", "file": "a.R", "line": i} for i in range(20))
    failure = Failure("error", "\n".join(map(str, range(20))), frames=frames)

    lines = _report(FailedTask("F/153/b/3", TaskKey("b"), failure)).splitlines()

    assert lines[1:7] == ["  Error: 0", "  1", "  2", "  3", "  4", "  5"]
    assert lines[7:13] == [f"  at a.R:{i} in f{i}()" for i in range(19, 13, -1)]
    assert len(lines) == 15


def test_many_failed_tasks_are_counted():
    failed = [
        FailedTask(f"F/153/b/{i}", TaskKey("b", (i,)), Failure("error", f"no {i}"))
        for i in range(8)
    ]

    text = _report(*failed, stopped=[f"153/a/{i}" for i in range(9)])

    assert text.count("Step b failed") == 5
    assert "... and 3 more failed tasks.\n" in text
    assert "Stopped because of it: 153/a/0, 153/a/1, 153/a/2, 153/a/3, 153/a/4 and 4 more\n" in text


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
