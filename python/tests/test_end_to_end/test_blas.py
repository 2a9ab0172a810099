"""BLAS with threads, of two kinds and unlike: one outlives a fork and the other does not."""

import os
import subprocess
from pathlib import Path

import pytest

BUILDS = Path(__file__).parents[3] / ".blas"
NOTICE = "Tasks run in fresh processes and not in forks: "
THREADS = 2
USED = {"": "unused", "blas": "used"}


def _with_blas(build):
    """What lets R use a build of OpenBLAS, and no more threads than there are processors."""
    folder = BUILDS / f"openblas-{build}"
    if not (folder / "libblas.so.3").exists():
        pytest.fail(f"There is no {folder}: `make setup` (tools/setup-blas.sh) gets it.")
    home = subprocess.run(["R", "RHOME"], check=True, capture_output=True, text=True)
    return {
        "R_LD_LIBRARY_PATH": os.pathsep.join([f"{home.stdout.strip()}/lib", str(folder)]),
        "OPENBLAS_NUM_THREADS": str(THREADS),
        "OMP_NUM_THREADS": str(THREADS),
    }


@pytest.fixture(scope="module")
def run(new_folder, hazard_library):
    """Runs tasks that multiply matrices."""

    def go(build, way, hazard=""):
        environment = {"R_LIBS": hazard_library, "HAZARD": hazard, **_with_blas(build)}
        folder = new_folder("blas.R")
        return folder.rscript("blas.R", "run", "--isolation", way, **environment).expect(0)

    return go


def _facts(ended, build):
    """What its tasks tell, which is the same in each."""
    facts = ended.facts("start")
    assert facts == ended.facts("end")
    assert facts["build"] == f"openblas-{build}"
    assert facts["threads"] == str(min(THREADS, os.cpu_count()))
    return facts


@pytest.fixture(scope="module")
def fresh(run):
    """What a fresh process tells of each build."""
    return {build: _facts(run(build, "process"), build) for build in ("pthread", "openmp")}


@pytest.mark.parametrize("way", ["auto", "fork"])
@pytest.mark.parametrize(
    ("build", "hazard"),
    [("pthread", ""), ("pthread", "blas"), ("openmp", "")],
    ids=lambda value: USED.get(value, value),
)
def test_a_fork_multiplies_with_all_threads_as_a_fresh_process_does(run, fresh, build, hazard, way):
    ended = run(build, way, hazard)

    assert _facts(ended, build) == fresh[build]
    assert NOTICE not in ended.out


@pytest.mark.parametrize("way", ["auto", "process"])
def test_openmp_that_a_package_has_used_is_not_forked_and_is_named_once(run, fresh, way):
    ended = run("openmp", way, "blas")

    assert _facts(ended, "openmp") == fresh["openmp"]
    why = "what the script loads, perhaps OpenBLAS (OpenMP), has started threads"
    assert [ended.out.count(NOTICE), ended.out.count(NOTICE + why)] == [way == "auto"] * 2


def test_threads_of_others_are_seen_beside_those_of_openblas(run, fresh):
    ended = run("pthread", "auto", "threads")

    assert f"{NOTICE}what the script loads has started threads (2 run)" in ended.out
    assert ended.facts("end")["sum"] == fresh["pthread"]["sum"]
