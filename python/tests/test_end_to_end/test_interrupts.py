"""Lines appear while a task runs; an interrupted run leaves nothing behind but what it finished."""

import os
import signal
import subprocess

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


_SLOW_PACKAGE = """
.onAttach <- function(libname, pkgname) {
  if (nzchar(Sys.getenv("SLOW_TO_LOAD"))) {
    writeLines("x", "loading")
    Sys.sleep(600)
  }
}
"""


def _install_slow_package(folder):
    source = folder.path / "slowpkg"
    (source / "R").mkdir(parents=True)
    (source / "DESCRIPTION").write_text("Package: slowpkg\nVersion: 1.0\n")
    (source / "NAMESPACE").touch()
    (source / "R" / "slow.R").write_text(_SLOW_PACKAGE)
    (folder.path / "library").mkdir()
    command = ["R", "CMD", "INSTALL", "--no-test-load", "-l", "library", "slowpkg"]
    subprocess.run(command, cwd=folder.path, check=True, capture_output=True)


def test_a_run_can_be_interrupted_while_its_packages_are_loaded(new_folder):
    folder = new_folder("slow_to_load.R")
    _install_slow_package(folder)
    process = folder.start("slow_to_load.R", "run", "--isolation", "fork", merged=True)
    lines = read_until(process, "):")
    wait_until((folder.path / "loading").exists, "the package is being loaded")

    os.killpg(process.pid, signal.SIGINT)

    ended = end_of(process, lines).expect(130)
    assert "Workflow interrupted." in ended.out
    assert "Task is starting." not in ended.out
    wait_until(lambda: not folder.processes(), "every process has ended")
    assert list(folder.temporary.iterdir()) == []
