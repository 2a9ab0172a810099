"""Resuming a flow with nested foreach, parameters, a new step and a changed one."""

import json
from collections import Counter
from dataclasses import dataclass

import pytest
from r_scripts import Ended, Folder

from metaflow_core import client


@dataclass(frozen=True)
class Resumed:
    """A run that failed in two of six splits, and what was done about it."""

    folder: Folder
    failed: Ended
    plan: Ended
    refused: Ended
    unknown_step: Ended
    unknown_run: Ended
    mended: Ended


@pytest.fixture(scope="module")
def resumed(new_folder):
    folder = new_folder("regions.R")
    nothing_yet = folder.rscript("regions.R", "resume")
    nothing_yet.expect(2)
    failed = folder.rscript("regions.R", "run", "--factor", "2.5", "--max-workers", "2")
    asked = folder.at_once(
        {
            "plan": ["regions.R", "resume", "--plan", "--json"],
            "refused": ["regions.R", "resume", "--factor", "3"],
            "unknown_step": ["regions.R", "resume", "by_month"],
            "unknown_run": ["regions.R", "resume", "--origin-run-id", "12"],
        }
    )
    mended = folder.rscript("regions.R", "resume", "--max-workers", "2", MENDED="yes")
    return Resumed(folder, failed, mended=mended, **asked)


def test_the_report_names_each_failed_split_by_its_place_and_value(resumed):
    resumed.failed.expect(1)
    assert "split 3 of 3: 3" in resumed.failed.err
    assert "split 2 of 3: 2" in resumed.failed.err
    assert "no numbers for south in quarter 2" in resumed.failed.err


def test_only_the_failed_splits_and_what_follows_them_run_again(resumed):
    resumed.mended.expect(0)
    assert Counter(resumed.mended.cloned) == {"start": 1, "by_region": 2, "by_quarter": 4}
    assert Counter(resumed.mended.started) == {
        "by_quarter": 2,
        "sum_region": 2,
        "sum_all": 1,
        "publish": 1,
        "end": 1,
    }


def test_the_parameters_are_kept_and_cloned_results_are_used(resumed):
    published = resumed.mended.facts("publish")

    assert published["factor"] == "2.5"
    # Two regions of five letters, three quarters: 6 * 50 + 2 * (1 + 2 + 3) * 2.5
    assert published["sales"] == "330"


def test_a_step_can_ask_which_run_is_resumed(resumed):
    assert resumed.mended.facts("publish")["origin"] == resumed.failed.run_id


def test_the_plan_tells_each_split(resumed):
    rows = json.loads(resumed.plan.out)
    verdicts = Counter((row["task"].partition("[")[0], row["verdict"]) for row in rows)

    assert verdicts["by_quarter", "clone"] == 4
    assert verdicts["by_quarter", "run again"] == 2
    assert verdicts["by_region", "clone"] == 2
    assert ("start", "clone") in verdicts


def test_a_parameter_is_refused_with_the_reason(resumed):
    resumed.refused.expect(2)
    assert not resumed.refused.started_a_run
    assert "keeps the parameters of its origin" in resumed.refused.err
    assert "factor" in resumed.refused.err


@pytest.mark.parametrize(
    ("case", "said"), [("unknown_step", "by_month"), ("unknown_run", "RegionsFlow/12")]
)
def test_what_cannot_be_resumed_is_named_and_exits_2(resumed, case, said):
    ended = getattr(resumed, case)

    ended.expect(2)
    assert said in ended.err
    assert not ended.started_a_run


def test_nothing_that_was_refused_left_a_run(resumed):
    assert resumed.folder.runs("RegionsFlow") == [resumed.failed.run_id, resumed.mended.run_id]


def test_the_client_tells_clones_from_tasks_that_ran(resumed):
    with resumed.folder.client():
        tasks = list(client.Flow("RegionsFlow")[resumed.mended.run_id]["by_quarter"])
        origins = [task.metadata_dict.get("origin-task-id") for task in tasks]

        assert len(tasks) == 6
        assert len([origin for origin in origins if origin]) == 4
        assert all(task.successful for task in tasks)
