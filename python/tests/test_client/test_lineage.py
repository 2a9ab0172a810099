"""Which tasks lead to which."""

import pytest

from metaflow_core.client import lineage


def graph(**steps):
    return {"steps": {name: {"type": kind, "next": after} for name, (kind, after) in steps.items()}}


NESTED = graph(
    start=("split-foreach", ["outer"]),
    outer=("split-foreach", ["inner"]),
    inner=("linear", ["inner_join"]),
    inner_join=("join", ["outer_join"]),
    outer_join=("join", ["end"]),
    end=("end", []),
)

BRANCH_IN_FOREACH = graph(
    start=("split-foreach", ["each"]),
    each=("split-static", ["left", "right"]),
    left=("linear", ["meet"]),
    right=("linear", ["meet"]),
    meet=("join", ["gather"]),
    gather=("join", ["end"]),
    end=("end", []),
)


@pytest.mark.parametrize(
    ("graph", "parent", "child", "expected"),
    [
        (NESTED, ("start", ""), ("outer", "outer:1"), True),
        (NESTED, ("outer", "outer:1"), ("inner", "outer:1,inner:0"), True),
        (NESTED, ("outer", "outer:0"), ("inner", "outer:1,inner:0"), False),
        (NESTED, ("inner", "outer:1,inner:0"), ("inner_join", "outer:1"), True),
        (NESTED, ("inner", "outer:1,inner:0"), ("inner_join", "outer:10"), False),
        (NESTED, ("inner_join", "outer:1"), ("outer_join", ""), True),
        (NESTED, ("outer_join", ""), ("end", ""), True),
        (BRANCH_IN_FOREACH, ("each", "each:0"), ("left", "each:0"), True),
        (BRANCH_IN_FOREACH, ("each", "each:0"), ("left", "each:1"), False),
        (BRANCH_IN_FOREACH, ("left", "each:1"), ("meet", "each:1"), True),
        (BRANCH_IN_FOREACH, ("left", "each:0"), ("meet", "each:1"), False),
        (BRANCH_IN_FOREACH, ("meet", "each:1"), ("gather", ""), True),
    ],
)
def test_a_task_leads_to(graph, parent, child, expected):
    places = [(step, lineage.foreach_path(path)) for step, path in (parent, child)]

    assert lineage.leads_to(graph, *places) is expected


def test_steps_are_listed_after_all_that_lead_to_them():
    shuffled = {"steps": dict(sorted(BRANCH_IN_FOREACH["steps"].items()))}

    assert lineage.steps_in_order(shuffled) == [
        "start",
        "each",
        "left",
        "right",
        "meet",
        "gather",
        "end",
    ]


def test_a_cycle_does_not_keep_steps_from_being_listed():
    again = graph(
        start=("split-switch", ["again", "end"]), again=("linear", ["start"]), end=("end", [])
    )

    assert sorted(lineage.steps_in_order(again)) == ["again", "end", "start"]


def test_a_path_has_an_index_for_each_foreach():
    assert lineage.indexes(lineage.foreach_path("outer:1,inner:10")) == (1, 10)
    assert lineage.indexes(lineage.foreach_path(None)) == ()
