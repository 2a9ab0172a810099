"""What two runs differ in."""

from __future__ import annotations

import json

import pytest

from metaflow_core.client.diff import diff_runs


def _columns(table, *names):
    return list(zip(*(table[name] for name in names), strict=True))


@pytest.fixture
def runs(flow):
    """Two runs with another parameter, one artifact of other content, one only here or there."""

    def run(alpha, **artifacts):
        made = flow.run(parameters={"alpha": alpha})
        made.done("start", same=1, **artifacts)
        return made

    one = run(0.5, x=1, only_here=1)
    other = run(0.7, x=2)
    other.done("end", x=2)
    return str(one.pathspec), str(other.pathspec)


def test_a_run_does_not_differ_from_itself(runs):
    found = diff_runs(a=runs[0], b=runs[0])

    assert not any(
        any(found[name].values()) for name in ("parameters", "versions", "code", "artifacts")
    )
    assert found["tasks"]["pathspec_a"] == found["tasks"]["pathspec_b"]


def test_artifacts_that_differ_are_told_at_the_first_task_that_has_them(runs):
    found = diff_runs(a=runs[0], b=runs[1])

    assert _columns(found["artifacts"], "step", "place", "name", "change") == [
        ("start", "", "only_here", "only a"),
        ("start", "", "x", "changed"),
    ]
    assert found["artifacts"]["pathspec_b"][0] is None
    assert found["artifacts"]["type_a"][1] == "int"


def test_parameters_tasks_and_steps_are_compared(runs):
    found = diff_runs(a=runs[0], b=runs[1])

    assert _columns(found["parameters"], "name", "a", "b") == [("alpha", "0.5", "0.7")]
    assert _columns(found["tasks"], "step", "status_a", "status_b") == [
        ("start", "successful", "successful"),
        ("end", None, "successful"),
    ]
    assert _columns(found["steps"], "step", "tasks_a", "tasks_b") == [
        ("start", 1, 1),
        ("end", 0, 1),
    ]
    assert json.dumps(found)


def test_code_is_told_as_unified_diffs(runs):
    a, b = runs
    before = {"start": ["function(self) 1"], "gone": ["x"], "same": ["y"]}
    after = {"start": ["function(self) 2"], "same": ["y"]}

    code = diff_runs(a=a, b=b, code_a=before, code_b=after)["code"]

    assert _columns(code, "name", "change") == [("start", "changed"), ("gone", "only a")]
    assert code["diff"][0].splitlines() == [
        f"--- start ({a})",
        f"+++ start ({b})",
        "@@ -1 +1 @@",
        "-function(self) 1",
        "+function(self) 2",
    ]
