"""What is not needed is neither read nor loaded."""

import sys

import pytest

OURS = {"metaflow_core", "click", "isal"}
RETICULATES = {"rpycall", "rpytools", "numpy"}
"""Modules of reticulate, and the one that it loads wherever it is."""

SLOW = {"asyncio", "http", "multiprocessing", "tarfile", "unittest", "xml"}
"""What is Python's own, takes long to load, and is not needed on the local path."""


@pytest.fixture(scope="module")
def passed(new_folder):
    folder = new_folder("untouched.R")
    ran = folder.rscript("untouched.R", "run")
    ran.expect(0)
    return folder, ran


def test_an_artifact_that_is_only_passed_on_is_not_read(passed):
    _, ran = passed

    assert ran.facts("hide") == {"hidden": "2"}
    assert ran.facts("carry") == {"names": "doubles, texts"}


def test_an_artifact_is_read_from_where_it_is_stored_raw_or_packed(passed):
    _, ran = passed

    assert ran.facts("end") == {"doubles": "TRUE", "texts": "TRUE"}


def test_a_resumed_run_does_not_read_what_is_only_passed_on(passed):
    folder, _ = passed
    data = folder.path / ".metaflow" / "UntouchedFlow" / "data"
    for blob in [path for path in data.rglob("*") if path.stat().st_size > 1e5 and path.is_file()]:
        blob.rename(f"{blob}.away")

    resumed = folder.rscript("untouched.R", "resume", "carry")

    resumed.expect(0)
    assert resumed.cloned == ["start", "hide"]
    assert resumed.facts("carry") == {"names": "doubles, texts"}
    assert resumed.facts("end") == {"doubles": "TRUE", "texts": "TRUE"}


def test_a_command_loads_only_what_it_needs(new_folder):
    folder = new_folder("modules.R")
    for command in ("run", "show", "list-runs"):
        ended = folder.rscript("modules.R", command)
        ended.expect(0)
        told = next(line for line in ended.out.splitlines() if line.startswith("modules: "))
        loaded = {name for name in told.split()[1:] if not name.startswith("_")}

        assert loaded - sys.stdlib_module_names <= OURS | RETICULATES, command
        assert not loaded & SLOW, command


def test_a_run_that_succeeds_does_not_load_what_tells_errors(new_folder):
    def packages(script):
        ended = folder.rscript(script)
        ended.expect(0)
        told = next(line for line in ended.out.splitlines() if line.startswith("packages: "))
        return set(told.split()[1:])

    folder = new_folder("modules.R", "bare.R")

    # Newer versions of reticulate load rlang themselves.
    assert not {"rlang", "cli"} & (packages("modules.R") - packages("bare.R"))
