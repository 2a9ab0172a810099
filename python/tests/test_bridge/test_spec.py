"""`bridge.spec`: the flow as R sends it becomes the model."""

from __future__ import annotations

from typing import Any

import pytest

from metaflow_core.bridge.spec import flow_from_spec
from metaflow_core.errors import InvalidFlow
from metaflow_core.model.flow import Decorator, Flow, Parameter, Step


def _step(name: str, **fields: Any) -> dict[str, Any]:
    empty = {"foreach": None, "condition": None, "cases": [], "next_steps": [], "decorators": []}
    return {"name": name, **empty, **fields}


def _spec(*steps: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"name": "F", "decorators": [], "parameters": [], "steps": list(steps), **fields}


def test_every_field_arrives():
    spec = _spec(
        _step(
            "start",
            next_steps=["big", "small"],
            condition="size",
            cases={"x": "big", "y": "small"},
            is_join=False,
            decorators=[{"name": "retry", "attributes": {"times": 2}}],
            has_function=True,
            doc="Loads.",
            source_file="flow.R",
            line=3,
        ),
        parameters=[{"name": "alpha", "type": "float", "default": 0.1, "help": "Rate."}],
        decorators=[{"name": "project", "attributes": {"name": "p"}}],
        doc="A flow.",
        script="/flows/flow.R",
    )

    assert flow_from_spec(spec) == Flow(
        "F",
        {
            "start": Step(
                "start",
                ("big", "small"),
                condition="size",
                cases={"x": "big", "y": "small"},
                decorators=(Decorator("retry", {"times": 2}),),
                has_function=True,
                doc="Loads.",
                source_file="flow.R",
                line=3,
            )
        },
        {"alpha": Parameter("alpha", "float", help="Rate.", default=0.1)},
        (Decorator("project", {"name": "p"}),),
        "A flow.",
        "/flows/flow.R",
    )


@pytest.mark.parametrize("absent", [None, [], {}])
def test_what_is_empty_in_r_is_empty_here(absent):
    """R's empty list has no names, and `NULL` is nothing."""
    spec = _spec(
        _step(
            "start",
            cases=absent,
            next_steps=absent,
            decorators=[{"name": "x", "attributes": absent}],
        )
    )

    assert flow_from_spec(spec).steps["start"] == Step("start", decorators=(Decorator("x"),))


def test_fields_that_are_not_known_are_passed_over():
    assert flow_from_spec(_spec(_step("start", payload=b"x"))).steps["start"] == Step("start")


def test_every_name_that_stands_twice_is_told():
    parameters = [{"name": "alpha"}, {"name": "alpha"}]

    with pytest.raises(InvalidFlow) as caught:
        flow_from_spec(_spec(_step("a"), _step("b"), _step("a"), parameters=parameters))

    assert caught.value.problems == [
        "Step `a` is defined twice; remove or rename one.",
        "Parameter `alpha` is defined twice; remove or rename one.",
    ]
