"""The stock client reads runs that R made, as our client does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from r_scripts import Ended, Folder, r_problem

import metaflow_core

HERE = Path(__file__).parent
FLOWS = HERE.parent / "test_end_to_end" / "flows"
CORE = Path(metaflow_core.__file__).parents[1]
STOCK_PYTHON = Path(
    os.environ.get("METAFLOW_STOCK_PYTHON", HERE.parents[1] / ".venv-stock" / "bin" / "python")
)

Told = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Runs:
    """Runs that R made, and what the two clients say about them.

    Args:
        ended: How each run ended, by a name for it.
        stock: What the stock client says: pathspec to attributes.
        ours: What ours says.
    """

    ended: dict[str, Ended]
    stock: Told
    ours: Told

    def tasks(self, run: str, step: str) -> list[str]:
        """Pathspecs of the tasks of a step that the stock client finds."""
        prefix = f"{self.pathspec(run)}/{step}/"
        return [
            p for p in self.stock if p.startswith(prefix) and p.count("/") == 3 and "@" not in p
        ]

    def task(self, run: str, step: str) -> dict[str, Any]:
        """What the stock client says about the one task of a step."""
        (pathspec,) = self.tasks(run, step)
        return self.stock[pathspec]

    def run(self, name: str) -> dict[str, Any]:
        """What the stock client says about a run."""
        return self.stock[self.pathspec(name)]

    def pathspec(self, name: str) -> str:
        """``Flow/run`` of a run."""
        run_id = self.ended[name].run_id
        return next(p for p in self.stock if p.endswith(f"/{run_id}"))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """Linear, branched, nested, retried, caught, failed, resumed and tagged runs."""
    if r_problem():
        pytest.fail(r_problem())
    if not STOCK_PYTHON.exists():
        pytest.fail(f"No Python with stock Metaflow at {STOCK_PYTHON}: `make setup` installs it.")
    scripts = ["debugflow.R", "regions.R", "decorators.R", "parameters.R"]
    folder = Folder.make(tmp_path_factory.mktemp("r"), [FLOWS / script for script in scripts])
    ended = folder.at_once(
        {
            "failed": ["debugflow.R", "run"],
            "nested failed": ["regions.R", "run", "--max-workers", "2"],
            "retried": ["decorators.R", "run", "--max-workers", "2"],
            "linear": [
                "parameters.R",
                "run",
                "--tag",
                "t1",
                "--tag",
                "two words",
                "--alpha",
                "3.5",
            ],
        }
    )
    folder.edit("debugflow.R", 'tofail("cannot find function tofail")', '"any message"')
    ended["resumed"] = folder.rscript("debugflow.R", "resume")
    ended["nested resumed"] = folder.rscript("regions.R", "resume", MENDED="yes")
    with ThreadPoolExecutor() as pool:
        stock = pool.submit(ask, STOCK_PYTHON, "metaflow", folder)
        ours = pool.submit(ask, Path(sys.executable), "metaflow_core.client", folder)
        return Runs(ended, stock.result(), ours.result())


def ask(python: Path, module: str, folder: Folder) -> Told:
    """What the client of *module* says about everything in a folder's store."""
    settings = {
        "METAFLOW_CLIENT_CACHE_PATH": str(folder.temporary),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    if module.startswith("metaflow_core"):
        settings["PYTHONPATH"] = str(CORE)
    ended = subprocess.run(
        [str(python), str(HERE / "dump_client.py"), module],
        cwd=folder.path,
        env=folder.environment(**settings),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    told: Told = json.loads(ended.stdout)
    return told


def test_both_clients_find_the_same_objects(runs):
    # The stock client finds only artifacts that are registered; a transition is none of a user's.
    ours = [p for p in runs.ours if p.rpartition("/")[2].partition("@")[0] != "_transition"]

    assert sorted(runs.stock) == sorted(ours)


@pytest.mark.parametrize("flow", ["DebugFlow", "RegionsFlow", "DecoratorsFlow", "ParametersFlow"])
def test_both_clients_give_the_same_answers(runs, flow):
    of_flow = [pathspec for pathspec in runs.stock if pathspec.split("/")[0] == flow]

    differences = [
        (pathspec, question, runs.stock[pathspec][question], runs.ours[pathspec][question])
        for pathspec in of_flow
        for question in runs.stock[pathspec]
        # What only R can hold is bytes to the stock client, and an R object to ours.
        if runs.ours[pathspec].get("type") != "RObject"
        and runs.stock[pathspec][question] is not None
        and runs.stock[pathspec][question] != runs.ours[pathspec][question]
    ]

    assert of_flow
    assert differences == []


@pytest.mark.parametrize(
    ("name", "successful"),
    [
        ("failed", False), ("resumed", True), ("nested failed", False), ("nested resumed", True),
        ("retried", True), ("linear", True),
    ],
)  # fmt: skip
def test_it_knows_how_each_run_ended(runs, name, successful):
    told = runs.run(name)

    assert told["successful"] is successful
    assert (told["finished_at"] != "None") is successful


def test_it_reads_tags(runs):
    assert runs.run("linear")["user_tags"] == ["t1", "two words"]
    assert "user:tester" in runs.run("linear")["system_tags"]
    assert "project:sales" in runs.run("retried")["system_tags"]


@pytest.mark.parametrize(
    ("name", "value"),
    [("alpha", "3.5"), ("count", "3"), ("words", "['x', 'y']"), ("my_file", "'a_b.csv'")],
)
def test_it_reads_parameters(runs, name, value):
    (end,) = runs.tasks("linear", "end")

    assert runs.stock[f"{end}/{name}"]["value"] == value


def test_it_reads_artifacts_of_branches(runs):
    (a,), (b,) = runs.tasks("resumed", "a"), runs.tasks("resumed", "b")

    assert runs.stock[f"{a}/var"]["value"] == "1.0"
    assert runs.stock[f"{b}/var"]["value"] == "'any message'"


def test_it_reads_logs(runs):
    assert runs.task("resumed", "join")["stdout"].splitlines() == [
        '[1] "var in step a is 1"',
        '[1] "var in step b is any message"',
    ]
    assert 'could not find function "tofail"' in runs.task("failed", "b")["stderr"]


def test_it_reads_the_failure_of_a_task(runs):
    failed = runs.task("failed", "b")

    assert not failed["successful"]
    assert any('could not find function "tofail"' in text for text in failed["exception"])


def test_it_reads_every_attempt_of_a_retried_task(runs):
    (task,) = runs.tasks("retried", "retried")

    assert runs.stock[task]["current_attempt"] == 2
    assert runs.stock[task]["successful"]
    assert not runs.stock[f"{task}@0"]["successful"]
    assert "attempt 0 fails" in runs.stock[f"{task}@0"]["stderr"]


def test_it_finds_the_origin_of_a_resumed_run(runs):
    assert runs.run("resumed")["origin_pathspec"] == runs.pathspec("failed")
    assert runs.task("resumed", "a")["origin_pathspec"] == runs.tasks("failed", "a")[0]


def test_it_finds_the_parents_and_children_of_tasks(runs):
    starts = runs.tasks("nested resumed", "start")
    regions = runs.tasks("nested resumed", "by_region")
    quarters = runs.tasks("nested resumed", "by_quarter")
    sums = runs.tasks("nested resumed", "sum_region")

    assert (len(regions), len(quarters), len(sums)) == (2, 6, 2)
    assert runs.stock[starts[0]]["children_tasks"] == sorted(regions)
    assert all(runs.stock[region]["parents"] == starts for region in regions)
    assert sorted(p for s in sums for p in runs.stock[s]["parents"]) == sorted(quarters)
    assert sorted(runs.stock[quarter]["index"] for quarter in quarters) == [0, 0, 1, 1, 2, 2]
