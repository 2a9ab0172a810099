"""Lines appear while a task runs; an interrupted run leaves nothing behind but what it finished."""

import os
import signal

import pytest
from r_scripts import DEADLINE_S, Ended, wait_until

from metaflow_core import client


def read_until(process, text):
    """The lines that *process* prints, up to one that ends with *text*."""
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.rstrip().endswith(text):
            return lines
    raise AssertionError("".join(lines))


def end_of(process, lines):
    out, _ = process.communicate(timeout=DEADLINE_S)
    return Ended(process.returncode, "".join(lines) + out)


@pytest.fixture(scope="module")
def folder(new_folder):
    return new_folder("waits.R")


@pytest.fixture(scope="module")
def interrupted(folder):
    """Each signal's run, sent while its second step is running."""
    ended = {}
    for number in (signal.SIGINT, signal.SIGTERM):
        process = folder.start("waits.R", "run", merged=True)
        lines = read_until(process, "] ready")
        # As a terminal does it: to the whole group.
        os.killpg(process.pid, number)
        ended[number] = end_of(process, lines)
    return ended


@pytest.fixture(scope="module")
def resumed(folder, interrupted):
    (folder.path / "go").touch()
    return folder.rscript("waits.R", "resume", "--origin-run-id", interrupted[signal.SIGINT].run_id)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
class TestASignal:
    def test_ends_the_run_with_code_130_and_says_so(self, interrupted, number):
        ended = interrupted[number].expect(130)

        assert "Workflow interrupted." in ended.out
        assert f"Resume: Rscript waits.R resume --origin-run-id {ended.run_id}" in ended.out

    def test_leaves_what_had_finished(self, interrupted, number, folder):
        with folder.client():
            run = client.Run(f"WaitsFlow/{interrupted[number].run_id}")

            assert not run.successful
            assert run["start"].task.successful
            assert run["start"].task.data.x == 1


def test_no_process_and_no_file_is_left(interrupted, folder):
    wait_until(lambda: not folder.processes(), "every process has ended")
    assert folder.leftovers() == []


def test_an_interrupted_run_can_be_resumed(resumed):
    resumed.expect(0)

    assert resumed.cloned == ["start"]
    assert resumed.started == ["wait", "end"]
    assert resumed.facts("end") == {"x": "1"}


def test_a_line_appears_while_its_task_is_running(folder, resumed):
    (folder.path / "go").unlink()
    process = folder.start("waits.R", "run", merged=True)
    lines = read_until(process, "] ready")
    (folder.path / "go").touch()

    assert "went on" in end_of(process, lines).expect(0).task_lines("wait")
