"""The logs of tasks, each line once."""

from __future__ import annotations

from metaflow_core.client.logs import TaskLogReader


def texts(found):
    return [(line.pathspec.split("/", 2)[2], line.line.text) for line in found]


def test_new_lines_are_those_that_were_not_read_before(flow):
    run = flow.run()
    first, second = (str(run.done(step)) for step in ("start", "end"))
    run.log(run.pathspec.child("start").child("1"), 0, "stdout", "a", "b")
    reader = TaskLogReader(["stdout"])

    assert texts(reader.new_lines([first])) == [("start/1", "a"), ("start/1", "b")]
    assert texts(reader.new_lines([first])) == []
    run.log(run.pathspec.child("end").child("2"), 0, "stdout", "c")
    assert texts(reader.new_lines([first, second])) == [("end/2", "c")]


def test_the_last_attempt_is_read_and_then_each_that_begins(flow):
    run = flow.run()
    task = run.task("start")
    for number in (0, 1):
        run.begin(task, number)
        run.log(task, number, "stderr", f"begin {number}")
    reader = TaskLogReader(["stdout", "stderr"])

    assert texts(reader.new_lines([str(task)], is_over=False)) == [("start/1", "begin 1")]
    run.log(task, 1, "stderr", "end 1")
    for number in (2, 3):
        run.begin(task, number)
        run.log(task, number, "stderr", f"begin {number}")
    assert [text for _, text in texts(reader.new_lines([str(task)], is_over=False))] == [
        "end 1",
        "begin 2",
        "begin 3",
    ]


def test_the_attempt_that_is_asked_for_is_read(flow):
    run = flow.run()
    task = run.task("start")
    for number in (0, 1):
        run.begin(task, number)
        run.log(task, number, "stdout", f"try {number}")

    assert texts(TaskLogReader(["stdout"], 0).new_lines([str(task)])) == [("start/1", "try 0")]
