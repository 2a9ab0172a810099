"""Steps that misuse their process: the run goes on, and the store has what they left."""

import pytest

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
