"""How a task can fail: what its log says, and what it leaves for a join and for clients."""

import re

import pytest

from metaflow_core import client

FIRST_TASK = 2
WAYS = ["sourced", "r6", "s4", "map", "rlang", "warning", "quit", "killed", "memory"]
WAYS += ["recursion", "save", "load", "package"]


@pytest.fixture(scope="module")
def folder(new_folder):
    return new_folder("failures.R", "failing_helpers.R")


@pytest.fixture(scope="module")
def ended(folder):
    return folder.rscript("failures.R", "run", "--max-workers", "4")


@pytest.fixture
def told(ended):
    ended.expect(0)
    return ended.facts("join") | ended.facts("end")


@pytest.mark.parametrize(
    ("way", "frames"),
    [
        (
            "sourced",
            [
                "at failing_helpers.R:4 in check_size(2)",
                "at failures.R:25 in ways[[self$input]](self)",
                "at failures.R:55 in fail(self)",
            ],
        ),
        ("r6", ["at failures.R:7 in Counter$new()$add(1)"]),
        ("s4", ['at failures.R:14 in area(new("Square", width = 1))']),
        ("map", ["at failing_helpers.R:4 in check_size(size)"]),
        ("warning", ["at failures.R:36 in ways[[self$input]](self)"]),
        ("package", ["at failures.R:47 in ways[[self$input]](self)"]),
        ("load", ["at failures.R:45 in ways[[self$input]](self)"]),
    ],
)
def test_the_log_has_the_frames_of_the_user(folder, ended, way, frames):
    ended.expect(0)
    with folder.client():
        number = WAYS.index(way) + FIRST_TASK
        log = client.Task(f"FailuresFlow/{ended.run_id}/fail/{number}", attempt=0).stderr

    found = [line.strip() for line in log.splitlines() if line.startswith("  at ")]
    assert found[: len(frames)] == frames


@pytest.mark.parametrize(
    ("way", "first_class", "message"),
    [
        ("sourced", "simpleError", "too large: 2"),
        ("rlang", "mine", "outer"),
        ("quit", "metaflow_task_quit", "ended with status 3 before the step was done"),
        ("killed", "metaflow_task_killed", r"killed by signal 9 \(SIGKILL\)"),
        ("slow", "metaflow_task_timeout", "longer than its timeout of 1 second."),
        ("memory", "metaflow_task_out_of_memory", "cannot allocate vector of size"),
        ("recursion", "metaflow_task_recursion", "C stack usage|infinite recursion"),
        ("save", "metaflow_task_save", "Artifact `handle` cannot be stored"),
        ("load", "metaflow_task_load", "artifact .*/table is damaged"),
        ("package", "packageNotFoundError", "there is no package called .notThere."),
    ],
)
def test_each_way_is_a_condition_of_its_own_class(told, way, first_class, message):
    classes = told[f"{way} classes"].split(", ")

    assert classes[0] == first_class
    assert ("metaflow_task_failed" in classes) == first_class.startswith("metaflow_task_")
    assert told[f"{way} is error"] == "TRUE"
    assert re.search(message, told[f"{way} message"])


def test_a_condition_of_rlang_keeps_its_fields_and_its_parent(told):
    assert told["extra"] == "7"
    assert told["parent"] == "inner"


def test_a_python_client_sees_type_message_and_trace(folder, ended):
    ended.expect(0)
    with folder.client():
        task = client.Task(f"FailuresFlow/{ended.run_id}/fail/{FIRST_TASK}")

        assert task.exception.type == "simpleError"
        assert task.exception.exception == "too large: 2"
        assert "at failing_helpers.R:4 in check_size(2)" in str(task.exception)


def test_the_log_of_each_attempt_can_be_read(folder, ended):
    log = folder.rscript(
        "failures.R", "logs", f"{ended.run_id}/fail/{FIRST_TASK}", "--attempt", "0"
    )

    assert "too large: 2" in log.expect(0).out


def test_no_process_is_left(folder, ended):
    ended.expect(0)
    assert folder.processes() == []
