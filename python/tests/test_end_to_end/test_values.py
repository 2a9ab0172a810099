"""Every kind of R value comes back as it was, in the next step and through the client."""

from pathlib import Path

import pytest

KINDS = Path(__file__).parents[3] / "tests" / "testthat" / "helper-values.R"
"""The list of kinds; the R tests of the codec have the same."""


@pytest.fixture(scope="module")
def told(new_folder):
    folder = new_folder("values.R")
    (folder.path / KINDS.name).write_text(KINDS.read_text(encoding="utf-8"), encoding="utf-8")
    ran = folder.rscript("values.R", "run")
    ran.expect(0)
    read = folder.rscript("values.R", "read", ran.run_id)
    read.expect(0)
    lines = [*ran.task_lines("follow"), *ran.task_lines("join"), *ran.task_lines("end")]
    pairs = (line.partition("=") for line in lines + read.out.splitlines())
    return {name: value for name, equals, value in pairs if equals}


@pytest.mark.parametrize(
    "where",
    ["next step", "inputs of a join", "after a join", "client at start", "client at end"],
)
def test_no_kind_of_value_is_changed(told, where):
    assert int(told[f"{where} compared"]) > 110
    assert told[where] == ""
