"""Steps that misuse their process: the run goes on, and the store has what they left."""

from pathlib import Path

import pytest
from r_scripts import wait_until

from metaflow_core import client


@pytest.mark.parametrize("way", ["fork", "process"])
def test_a_deleted_working_directory_and_a_log_of_megabytes_harm_nobody(new_folder, way):
    folder = new_folder("hostile.R")
    ended = folder.rscript("hostile.R", "run", "--isolation", way).expect(0)

    assert ended.facts("end") == {"x": "1"}
    assert folder.leftovers() == []
    with folder.client():
        log = client.Run(f"HostileFlow/{ended.run_id}")["loud"].task.stdout
        assert log.splitlines() == ["0123456789" * 8] * 125_000


def test_the_core_does_not_keep_what_a_step_prints(new_folder):
    folder = new_folder("flood.R")
    ended = folder.rscript("flood.R", "run").expect(0)

    assert float(ended.facts("end")["grown_mb"]) < 50
    with folder.client():
        assert client.Run(f"FloodFlow/{ended.run_id}")["start"].task.stdout_size > 100_000_000


def _runs(pid: str) -> bool:
    try:
        return Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("way", ["fork", "process"])
def test_what_a_step_leaves_running_ends_with_it_even_if_nobody_waits_for_it(new_folder, way):
    folder = new_folder("orphan.R")
    core = folder.start("orphan.R", "run", "--isolation", way)
    try:
        child = folder.path / "child"
        wait_until(child.exists, "the child runs")
        wait_until(
            lambda: (pid := child.read_text().strip()) and not _runs(pid), "the child has ended"
        )
    finally:
        core.kill()
        core.communicate()
