"""Commands that look at runs, on a run that failed."""

import json

import pytest

from metaflow_core import client


@pytest.fixture(scope="module")
def folder(new_folder):
    return new_folder("debugflow.R")


@pytest.fixture(scope="module")
def run_id(folder):
    return folder.rscript("debugflow.R", "run").expect(1).run_id


@pytest.fixture(scope="module")
def said(folder, run_id):
    """What each command prints."""
    ended = folder.at_once(
        {
            "runs": ["debugflow.R", "list-runs", "--json"],
            "tasks": ["debugflow.R", "list-tasks", run_id],
            "info": ["debugflow.R", "info", f"{run_id}/b"],
            "logs": ["debugflow.R", "logs", f"{run_id}/b"],
            "dump": ["debugflow.R", "dump", f"{run_id}/a"],
            "tag": ["debugflow.R", "tag", "add", "--run-id", run_id, "looked at"],
        }
    )
    return {name: command.expect(0).out for name, command in ended.items()}


def test_runs_are_listed_with_how_they_stand(said, run_id):
    assert [(run["run_id"], run["status"]) for run in json.loads(said["runs"])] == [
        (run_id, "failed")
    ]


def test_tasks_are_listed_with_why_they_failed(said):
    rows = [line.split(None, 3) for line in said["tasks"].splitlines()]

    assert {row[0]: row[2] for row in rows[1:]} == {
        "start": "successful",
        "a": "successful",
        "b": "failed",
    }
    assert 'could not find function "tofail"' in said["tasks"]


def test_info_tells_how_it_went(said, run_id):
    assert f"DebugFlow/{run_id}/b" in said["info"]
    assert "failed" in said["info"]


def test_logs_are_what_the_task_printed(said):
    assert '  could not find function "tofail"\n  at debugflow.R:8 in b(self)\n' in said["logs"]


def test_a_dump_shows_the_artifacts(said):
    assert "var" in said["dump"]
    assert "1.0" in said["dump"]


def test_a_tag_is_that_of_the_run(said, folder, run_id):
    assert "looked at" in said["tag"]
    with folder.client():
        assert set(client.Run(f"DebugFlow/{run_id}").user_tags) == {"looked at"}


def test_what_there_is_not_is_named_and_exits_1(folder, run_id):
    ended = folder.rscript("debugflow.R", "logs", f"{run_id}/join").expect(1)

    assert f"DebugFlow/{run_id}/join" in ended.err
