"""Facts about sound flows, and their description for stock Metaflow."""

from __future__ import annotations

from metaflow_core.model.flow import Decorator, Flow, Parameter, Step
from metaflow_core.model.graph import Graph, graph_info
from metaflow_core.model.topology import walk

NESTED = Flow.of(
    "NestedFlow",
    Step("start", ("a", "b")),
    Step("a", ("body",), foreach="items"),
    Step("body", ("big", "small"), condition="size", cases={"1": "big", "2": "small"}),
    Step("big", ("meet",)),
    Step("small", ("meet",)),
    Step("meet", ("collect",)),
    Step("collect", ("join",), is_join=True),
    Step("b", ("c",), decorators=(Decorator("retry", {"times": 2}),)),
    Step("c", ("join",)),
    Step("join", ("last",), is_join=True),
    Step("last", ("x", "y"), condition="kind", cases={"x": "x", "y": "y"}),
    Step("x", ("end",)),
    Step("y", ("z",)),
    Step("z", ("end",)),
    Step("end"),
    parameters={"n": Parameter("n"), "alpha": Parameter("alpha")},
    doc="Nested.",
    script="flows/nested.R",
)


def test_steps_are_in_order_one_branch_after_the_other():
    assert Graph(NESTED).order == tuple(NESTED.steps)


def test_a_join_is_matched_with_the_innermost_split_around_it():
    graph = Graph(NESTED)

    assert graph.matching_join == {"a": "collect", "start": "join"}
    assert [graph.branch_index(step) for step in ("collect", "c")] == [0, 1]
    assert [graph.foreach_depth(step) for step in ("a", "meet", "collect", "end")] == [0, 1, 0, 0]


def test_descendants_are_all_steps_that_can_come_later():
    assert Graph(NESTED).descendants("join") == {"last", "x", "y", "z", "end"}
    assert Graph(NESTED).descendants("end") == set()


def test_what_only_one_alternative_of_a_switch_leads_to_is_not_certain():
    assert Graph(NESTED).certain["body"] >= {"body", "meet", "collect", "end"}
    assert Graph(NESTED).certain["last"] == {"last", "end"}


def test_the_structure_has_the_form_that_stock_metaflow_writes():
    # As printed by Netflix/metaflow 2.19.39 for the same flow in Python.
    assert graph_info(NESTED)["graph_structure"] == [
        "start",
        [
            ["a", [["body", [["big", "meet"], ["small", "meet"]]]], "collect"],
            ["b", "c"],
        ],
        "join",
        "last",
        [["x"], ["y", "z"]],
        "end",
    ]


def test_the_description_has_the_fields_of_stock_metaflow():
    info = graph_info(NESTED)
    steps = info.pop("steps")

    del info["graph_structure"]
    assert info == {
        "file": "nested.R",
        "start_step": "start",
        "end_step": "end",
        "parameters": [
            {"name": "alpha", "type": "Parameter"},
            {"name": "n", "type": "Parameter"},
        ],
        "constants": [],
        "doc": "Nested.",
        "decorators": [],
        "extensions": {"installed": {}},
    }
    assert steps["a"] == {
        "name": "a",
        "type": "split-foreach",
        "line": 0,
        "source_file": "",
        "doc": "",
        "decorators": [],
        "next": ["body"],
        "node_info": {},
        "foreach_artifact": "items",
        "matching_join": "collect",
    }
    assert steps["body"]["switch_cases"] == {"1": "big", "2": "small"}
    assert steps["b"]["decorators"] == [
        {
            "name": "retry",
            "attributes": {"times": 2},
            "statically_defined": True,
            "inserted_by": None,
        }
    ]
    types = {name: step["type"] for name, step in steps.items()}
    assert (types["start"], types["b"], types["collect"]) == ("split-static", "linear", "join")
    assert (types["body"], types["end"]) == ("split-switch", "end")


def test_many_switches_in_a_row_do_not_double_the_description_each_time():
    steps = [Step("start", ("s0",))]
    for i in range(60):
        cases = {"yes": f"y{i}", "no": f"s{i + 1}"}
        steps.append(Step(f"s{i}", tuple(cases.values()), condition="x", cases=cases))
        steps.append(Step(f"y{i}", (f"s{i + 1}",)))
    steps += [Step("s60", ("end",)), Step("end")]

    assert graph_info(Flow.of("F", *steps))["graph_structure"][-1] == "end"


def test_a_walk_names_each_cycle_by_the_step_that_leads_back_last():
    edges = {"a": ("b",), "b": ("c", "a"), "c": ("a",), "d": ("d",)}

    order, cycles = walk(edges, ["a", "d"])

    assert order == ("a", "b", "c", "d")
    assert sorted(cycles) == [("a", "b"), ("a", "b", "c"), ("d",)]
