"""What decorators do to the tasks of a run."""

import pytest

from metaflow_core import client


@pytest.fixture(scope="module")
def folder(new_folder):
    return new_folder("decorators.R")


@pytest.fixture(scope="module")
def ended(folder):
    return folder.rscript(
        "decorators.R", "run", "--with", "retry:times=1,minutes_between_retries=0"
    )


@pytest.fixture
def said(ended):
    ended.expect(0)
    return ended.facts("join")


@pytest.fixture
def attempts(folder, ended):
    ended.expect(0)
    return sorted((folder.path / "attempts.txt").read_text(encoding="utf-8").split("\n"))


def test_retry_gives_a_failed_task_another_attempt(said, attempts):
    assert [line.strip() for line in attempts if line.startswith("retried")] == [
        "retried 0",
        "retried 1",
        "retried 2",
    ]
    assert said["retried"] == "2"
    assert said["no problem"] == "TRUE"


def test_with_retry_is_for_steps_that_say_nothing_themselves(attempts):
    assert len([line for line in attempts if line.startswith("caught")]) == 2
    assert len([line for line in attempts if line.startswith("once")]) == 1


@pytest.mark.parametrize(
    ("step", "kind", "message"),
    [
        ("caught", "purpose", "fails on purpose"),
        ("once", "purpose", "fails on purpose"),
        ("killed", "metaflow_task_killed", "signal 9"),
        ("slow", "metaflow_task_timeout", "longer than its timeout of 2 seconds"),
    ],
)
def test_catch_keeps_the_failure_as_an_r_condition(said, step, kind, message):
    assert said[f"{step} class"] == kind
    assert said[f"{step} is condition"] == "TRUE"
    assert message in said[f"{step} message"]


def test_a_caught_error_is_not_told_in_the_log_if_that_is_asked_for(ended):
    ended.expect(0)
    assert not any("fails on purpose" in line for line in ended.task_lines("caught"))
    assert any("fails on purpose" in line for line in ended.task_lines("once"))


def test_a_caught_condition_has_its_class_and_fields(said):
    assert said["why"] == "a test"


@pytest.mark.parametrize(
    ("step", "why"), [("killed", "killed by signal 9"), ("slow", "longer than its timeout")]
)
def test_the_log_says_why_a_task_was_ended(ended, step, why):
    assert why in "\n".join(ended.task_lines(step))


def test_a_timeout_tells_where_the_step_was(ended):
    ended.expect(0)
    assert any(
        "at decorators.R:27 in sleep_long(self)" in line for line in ended.task_lines("slow")
    )


def test_a_timeout_ends_the_step_and_its_children(ended, folder):
    # The step and a child of it would sleep for ten minutes.
    ended.expect(0)
    assert folder.processes() == []


def test_environment_variables_are_those_of_the_step_alone(said):
    assert said["stage"] == "a test"
    assert said["threads"] == "2"
    assert said["stage here"] == ""


def test_a_project_is_told_to_steps_and_is_a_tag(said, ended, folder):
    assert said["project"] == "sales"
    assert said["branch"] == "user.tester"
    with folder.client():
        run = client.Run(f"DecoratorsFlow/{ended.run_id}")
        assert {"project:sales", "project_branch:user.tester"} <= set(run.system_tags)


def test_the_schedule_is_stored_with_the_run(ended, folder):
    with folder.client():
        graph = client.Run(f"DecoratorsFlow/{ended.run_id}")["_parameters"].task["_graph_info"]

        decorators = {d["name"]: d["attributes"] for d in graph.data["decorators"]}
        assert decorators["schedule"]["daily"] is True


def test_each_attempt_is_in_the_store(ended, folder):
    with folder.client():
        step = client.Run(f"DecoratorsFlow/{ended.run_id}")["retried"]

        assert step.task.current_attempt == 2
        assert not client.Task(step.task.pathspec, attempt=0).successful
        assert step.task.successful
