"""`run --inline`: the same results and records, in the session that asked for the run."""

import re

import pytest

from metaflow_core import client

WAYS = ("fork", "process", "inline")


@pytest.fixture(scope="module")
def folder(new_folder):
    return new_folder("inline.R", "inline_failures.R")


@pytest.fixture(scope="module")
def ended(folder):
    words = ("inline.R", "run", "--seed", "17", "--isolation")
    return {way: folder.rscript(*words, way).expect(0) for way in WAYS}


@pytest.fixture(scope="module")
def runs(folder, ended):
    """The run of each way, as the client sees it."""
    with folder.client():
        yield {way: client.Run(f"InlineFlow/{ended[way].run_id}") for way in WAYS}


def _hashes(run):
    """The content of every artifact of a run's tasks."""
    return {
        (step.id, task.index, artifact.id): artifact.sha
        for step in run
        for task in step
        for artifact in task
    }


@pytest.mark.parametrize("way", ["fork", "inline"])
def test_results_are_identical_to_those_of_fresh_processes(runs, way):
    assert _hashes(runs[way]) == _hashes(runs["process"])


@pytest.mark.parametrize("way", ["fork", "inline"])
def test_the_log_is_the_same_as_that_of_a_fresh_process(runs, way):
    def logs(run):
        task = run["start"].task
        return task.stdout, task.stderr

    assert logs(runs[way]) == logs(runs["process"])


def test_output_is_seen_once(ended):
    assert ended["inline"].out.count("printed\n") == 1
    assert ended["inline"].err.count("a message") == 1
    assert ended["inline"].err.count("a warning") == 1


def test_what_a_task_does_to_the_session_is_undone(ended):
    before, after = re.findall(r"^(?:before|after): (.*)$", ended["inline"].out, re.MULTILINE)

    assert before == after


def test_no_file_is_left(folder, ended):
    assert folder.leftovers() == []


@pytest.fixture(scope="module")
def failed(folder):
    return folder.rscript("inline_failures.R", "run", "--inline")


def test_an_error_tells_the_line_in_a_helper(failed):
    assert "at inline_failures.R:6 in broken(1)" in failed.err


def test_an_interrupted_task_ends_the_run(failed):
    failed.expect(130)

    assert "Workflow interrupted." in failed.out
    assert f"resume --origin-run-id {failed.run_id}" in failed.err


def test_failures_are_retried_and_caught(failed):
    lines = failed.out.splitlines()

    assert "slow=The task took longer than its timeout of 0.1 seconds." in lines
    assert "sleeps=The task took longer than its timeout of 0.1 seconds." in lines
    assert "fails=broken at 1" in lines


def test_a_step_sees_the_session_and_one_of_its_own_isolation_does_not(failed, folder):
    with folder.client():
        data = client.Run(f"FailuresFlow/{failed.run_id}")["join"].task.data

        assert data.tries == 3
        assert data.own is True


def test_the_session_s_error_handler_is_called_at_the_error(failed):
    # Twice in start, and once each in slow, in sleeps and in fails.
    assert failed.out.count("the handler was called\n") == 5


def test_frames_name_the_lines_of_the_script(failed):
    assert re.search(r"at inline_failures\.R:\d+ in fails\(self\)", failed.err)
