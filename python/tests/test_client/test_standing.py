"""How tasks and runs stand, from what is recorded."""

import pytest

from metaflow_core.client import standing
from metaflow_core.client.standing import Attempt


def fact(name, value, at, attempt=None):
    tags = [] if attempt is None else [f"attempt_id:{attempt}"]
    return {"field_name": name, "value": value, "ts_epoch": at, "tags": tags}


TWO_ATTEMPTS = [
    fact("user", "ada", 900, 0),
    fact("attempt", "0", 1000, 0),
    fact("attempt_ok", "False", 2000, 0),
    fact("attempt-done", "0", 2001, 0),
    fact("attempt", "1", 3000, 1),
]


def test_attempts_are_read_in_order():
    assert standing.attempts(TWO_ATTEMPTS) == [
        Attempt(0, 1.0, 2.001, ok=False),
        Attempt(1, 3.0, None, ok=None),
    ]


@pytest.mark.parametrize(
    ("attempts", "succeeded", "expected"),
    [
        pytest.param([], True, "running", id="registered, not started"),
        pytest.param([Attempt(0, 1, None, None)], True, "running", id="started"),
        pytest.param([Attempt(0, 1, 2, ok=True)], True, "successful", id="ended well"),
        pytest.param([Attempt(0, 1, 2, ok=True)], False, "caught", id="ended well after a failure"),
        pytest.param([Attempt(0, 1, 2, ok=False)], True, "failed", id="failed"),
        pytest.param([Attempt(0, None, 2, None)], True, "successful", id="only its end is told"),
        pytest.param(
            [Attempt(0, 1, 2, ok=False), Attempt(1, 3, None, None)], True, "running", id="retried"
        ),
    ],
)
def test_a_task_stands_as_its_last_attempt(attempts, succeeded, expected):
    assert standing.of_task(attempts, lambda: succeeded) == expected


NOW = 1_000_000.0


@pytest.mark.parametrize(
    ("end_task", "state", "failed", "last", "expected"),
    [
        pytest.param("successful", None, False, 0, "successful", id="the last step succeeded"),
        pytest.param("caught", None, False, 0, "successful", id="its failure was caught"),
        pytest.param("failed", None, True, 0, "failed", id="the last step failed"),
        pytest.param(
            "failed", {"status": "running", "at": NOW}, True, 0, "running", id="it is retried"
        ),
        pytest.param(
            None, {"status": "running", "at": NOW - 5}, True, 0, "running", id="it says so"
        ),
        pytest.param(
            None, {"status": "running", "at": NOW - 1e4}, False, 0, "unknown", id="fell silent"
        ),
        pytest.param(None, {"status": "failed", "at": 0}, False, 0, "failed", id="said it failed"),
        pytest.param(
            None, {"status": "interrupted", "at": 0}, False, 0, "failed", id="was interrupted"
        ),
        pytest.param(None, None, True, NOW, "failed", id="no heartbeat, a task failed"),
        pytest.param(None, None, False, NOW - 60, "running", id="no heartbeat, recent records"),
        pytest.param(None, None, False, 0, "unknown", id="no heartbeat, old records"),
    ],
)
def test_a_run_stands_as(end_task, state, failed, last, expected):
    status = standing.of_run(
        end_task=end_task,
        state=state,
        is_alive=lambda: None,
        has_failed_task=lambda: failed,
        last_recorded_at=lambda: last,
        now=NOW,
    )

    assert status == expected


@pytest.mark.parametrize(
    ("task", "run", "expected"),
    [
        ("running", "running", "running"),
        ("running", "failed", "failed"),
        ("running", "unknown", "unknown"),
        ("successful", "failed", "successful"),
    ],
)
def test_nothing_runs_in_a_run_that_is_over(task, run, expected):
    assert standing.in_run(task, run) == expected


@pytest.mark.parametrize(
    ("tasks", "expected"),
    [
        ([], "running"),
        (["successful", "caught"], "caught"),
        (["successful", "running"], "running"),
        (["running", "failed"], "failed"),
    ],
)
def test_a_step_stands_as_the_task_that_matters_most(tasks, expected):
    assert standing.of_step(tasks) == expected


def test_facts_are_told_apart_by_their_attempt_tag():
    assert standing.facts_of_attempt(TWO_ATTEMPTS, 1) == [TWO_ATTEMPTS[-1]]


def test_without_tags_facts_belong_to_the_attempt_that_ran_then():
    untagged = [{**f, "tags": []} for f in TWO_ATTEMPTS]

    assert standing.facts_of_attempt(untagged, 0) == untagged[1:4]
    assert standing.facts_of_attempt(untagged, 2) == []


def test_a_run_whose_process_died_is_lost_unless_it_has_said_how_it_ended():
    def stands(status):
        return standing.of_run(
            end_task=None,
            state={"status": status, "at": NOW - 1},
            is_alive=lambda: False,
            has_failed_task=lambda: False,
            last_recorded_at=lambda: NOW,
            now=NOW,
        )

    assert stands("running") == "lost"
    assert stands("failed") == "failed"
    assert standing.in_run("running", "lost") == "unknown"


def test_a_silent_run_whose_process_is_there_goes_on():
    """A task in the session has the thread that would send heartbeats."""
    status = standing.of_run(
        end_task=None,
        state={"status": "running", "at": NOW - 1e4},
        is_alive=lambda: True,
        has_failed_task=lambda: False,
        last_recorded_at=lambda: 0,
        now=NOW,
    )

    assert status == "running"
