"""`decorators`: which attributes are right, what they mean, and how the command line adds some."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaflow_core.decorators.base import MAX_ATTEMPTS, TaskPolicy
from metaflow_core.decorators.project import Project, project_of
from metaflow_core.decorators.registry import (
    REGISTRY,
    check_decorators,
    parse_decorator,
    policy_of,
    with_decorators,
)
from metaflow_core.errors import UsageError
from metaflow_core.model.flow import Decorator, Flow, Step


def _flow(*decorators: Decorator, level: str = "step", **step: object) -> Flow:
    on_step, on_flow = (decorators, ()) if level == "step" else ((), decorators)
    return Flow.of(
        "F", Step("start", ("end",), decorators=on_step, **step), Step("end"), decorators=on_flow
    )


def _problems(name: str, attributes: dict, **step: object) -> list[str]:
    decorator = Decorator(name, attributes)
    level = REGISTRY[name].level if name in REGISTRY else "step"
    return check_decorators(_flow(decorator, level=level, **step))


@pytest.mark.parametrize(
    ("name", "attributes"),
    [
        ("retry", {}),
        ("retry", {"times": 0, "minutes_between_retries": 0}),
        ("retry", {"times": MAX_ATTEMPTS - 2, "minutes_between_retries": 0.5}),
        ("catch", {}),
        ("catch", {"var": "problem", "print_exception": False}),
        ("timeout", {"seconds": 1}),
        ("timeout", {"hours": 1, "minutes": 30}),
        ("environment", {}),
        ("isolation", {}),
        ("isolation", {"mode": "process"}),
        ("environment", {"vars": {"A": "1", "B": 2, "C": True}}),
        ("resources", {}),
        ("resources", {"cpu": 0.5, "gpu": 1, "memory": 100}),
        ("batch", {"cpu": 4, "queue": "q"}),
        ("kubernetes", {"cpu": 4, "namespace": "n"}),
        ("card", {"type": "default", "id": "x"}),
        ("secrets", {"sources": ["a"]}),
        ("schedule", {}),
        ("schedule", {"weekly": True}),
        ("schedule", {"cron": "0 10 * * ? *", "timezone": "Europe/Paris"}),
        ("project", {"name": "my_project"}),
        ("project", {"name": "p" * 128, "branch": "b", "production": True}),
    ],
)
def test_right_attributes_are_no_problem(name, attributes):
    assert _problems(name, attributes) == []


@pytest.mark.parametrize(
    ("name", "attributes", "problem"),
    [
        ("retry", {"times": -1}, "`times` must be a whole number of at least 0, not -1"),
        ("retry", {"times": 1.5}, "`times` must be a whole number of at least 0, not 1.5"),
        ("retry", {"times": True}, "`times` must be a whole number of at least 0, not True"),
        ("retry", {"times": "2"}, "`times` must be a whole number of at least 0, not '2'"),
        ("retry", {"times": float("inf")}, "`times` must be a whole number of at least 0, not inf"),
        ("retry", {"times": float("nan")}, "`times` must be a whole number of at least 0, not nan"),
        ("retry", {"times": 5}, "`times` must be at most 4, not 5"),
        (
            "retry",
            {"minutes_between_retries": -0.1},
            "`minutes_between_retries` must be a number of at least 0, not -0.1",
        ),
        ("catch", {"var": "not a name"}, "`var` must be the name of an artifact, not 'not a name'"),
        ("catch", {"var": 1}, "`var` must be the name of an artifact, not 1"),
        ("timeout", {}, "`seconds`, `minutes` or `hours` must be given and above 0"),
        ("timeout", {"minutes": 0}, "`seconds`, `minutes` or `hours` must be given and above 0"),
        (
            "timeout",
            {"seconds": float("inf")},
            "`seconds` must be a number of at least 0, not inf",
        ),
        ("timeout", {"seconds": -1}, "`seconds` must be a number of at least 0, not -1"),
        ("environment", {"vars": ["A"]}, "`vars` must be a named list of texts, not ['A']"),
        (
            "environment",
            {"vars": {"A=B": "1"}},
            "the variable 'A=B' must be a name without `=` and have one text as its value",
        ),
        (
            "environment",
            {"vars": {"A": ["1", "2"]}},
            "the variable 'A' must be a name without `=` and have one text as its value",
        ),
        (
            "environment",
            {"vars": {"A": None}},
            "the variable 'A' must be a name without `=` and have one text as its value",
        ),
        (
            "isolation",
            {"mode": "thread"},
            '`mode` must be one of "auto", "fork", "process", "inline", not \'thread\'',
        ),
        ("resources", {"memory": -1}, "`memory` must be a number of at least 0, not -1"),
        ("resources", {"cpu": "all"}, "`cpu` must be a number of at least 0, not 'all'"),
    ],
)
def test_a_wrong_attribute_is_told_with_its_step(name, attributes, problem):
    assert _problems(name, attributes) == [f"Step `start`, decorator `{name}`: {problem}."]


@pytest.mark.parametrize(
    ("name", "attributes", "problem"),
    [
        (
            "schedule",
            {"daily": True, "hourly": True},
            "only one of `daily`, `hourly` can be given",
        ),
        (
            "project",
            {},
            "`name` must be 1 to 128 lowercase letters, digits and underscores, not None",
        ),
        (
            "project",
            {"name": "My Project"},
            "`name` must be 1 to 128 lowercase letters, digits and underscores, not 'My Project'",
        ),
        (
            "project",
            {"name": "p", "branch": "B"},
            "`branch` must be 1 to 128 lowercase letters, digits and underscores, not 'B'",
        ),
    ],
)
def test_a_wrong_attribute_of_a_flow_is_told(name, attributes, problem):
    assert _problems(name, attributes) == [f"Decorator `{name}` of the flow: {problem}."]


@pytest.mark.parametrize(
    ("step", "kind"),
    [
        ({"foreach": "items"}, "fans out with `foreach`"),
        ({"condition": "size", "cases": {"a": "end"}}, "chooses with `condition`"),
    ],
)
def test_a_step_that_decides_what_follows_cannot_catch(step, kind):
    (problem,) = _problems("catch", {}, **step)

    assert problem == (
        f"Step `start`, decorator `catch`: the step {kind}, and a caught failure leaves nothing to "
        "go on with; do the work that may fail in a step before it."
    )


def test_an_unknown_decorator_is_told_with_the_near_match():
    (problem,) = check_decorators(_flow(Decorator("retri")))

    assert problem == (
        "Step `start`, decorator `retri`: `retri` is no decorator of a step (did you mean "
        "`retry`?); there are batch, card, catch, environment, isolation, kubernetes, resources, "
        "retry, secrets, timeout."
    )


@pytest.mark.parametrize(
    ("decorator", "level"), [(Decorator("schedule"), "step"), (Decorator("retry"), "flow")]
)
def test_a_decorator_of_the_other_level_is_a_problem(decorator, level):
    (problem,) = check_decorators(_flow(decorator, level=level))

    assert f"`{decorator.name}` is no decorator of a {level}" in problem


def test_an_unknown_argument_is_told_with_the_near_match():
    assert _problems("retry", {"time": 3}) == [
        "Step `start`, decorator `retry`: it has no argument `time` (did you mean `times`?); "
        "it takes times, minutes_between_retries."
    ]


def test_every_problem_is_told_at_once():
    decorators = (Decorator("retry", {"times": -1}), Decorator("timeout"), Decorator("cach"))

    assert len(check_decorators(_flow(*decorators))) == 3


@pytest.mark.parametrize(
    ("level", "name", "problem"),
    [
        ("step", "retry", "Step `start`: the decorator `retry` stands twice; remove one."),
        ("flow", "schedule", "Decorator `schedule` of the flow stands twice; remove one."),
    ],
)
def test_a_decorator_that_stands_twice_is_a_problem(level, name, problem):
    assert check_decorators(_flow(Decorator(name), Decorator(name), level=level)) == [problem]


def test_cards_and_secrets_may_stand_twice():
    twice = (Decorator("card"), Decorator("card"), Decorator("secrets"), Decorator("secrets"))

    assert check_decorators(_flow(*twice)) == []


@pytest.mark.parametrize(
    ("decorators", "policy"),
    [
        pytest.param((), TaskPolicy(), id="no decorator"),
        pytest.param(
            (Decorator("retry"),), TaskPolicy(retries=3, retry_wait_s=120), id="retry's defaults"
        ),
        pytest.param(
            (Decorator("retry", {"times": 1, "minutes_between_retries": 0.5}),),
            TaskPolicy(retries=1, retry_wait_s=30),
            id="retry",
        ),
        pytest.param(
            (Decorator("catch", {"var": "problem"}),),
            TaskPolicy(catches=True, catch_var="problem"),
            id="catch",
        ),
        pytest.param(
            (Decorator("timeout", {"hours": 1, "minutes": 1, "seconds": 1}),),
            TaskPolicy(timeout_s=3661),
            id="timeout: the units add up",
        ),
        pytest.param(
            (Decorator("environment", {"vars": {"A": "x y", "B": 1, "C": 0.5, "D": True}}),),
            TaskPolicy(environment={"A": "x y", "B": "1", "C": "0.5", "D": "TRUE"}),
            id="environment: as R writes the values",
        ),
        pytest.param(
            (Decorator("isolation", {"mode": "process"}),),
            TaskPolicy(isolation="process"),
            id="isolation: its tasks' own",
        ),
        pytest.param((Decorator("resources"),), TaskPolicy(cpu=1), id="resources' defaults"),
        pytest.param((Decorator("resources", {"cpu": 4}),), TaskPolicy(cpu=4), id="resources"),
        pytest.param((Decorator("batch"),), TaskPolicy(launcher="batch"), id="batch"),
        pytest.param(
            (Decorator("kubernetes"),), TaskPolicy(launcher="kubernetes"), id="kubernetes"
        ),
        pytest.param(
            (Decorator("card"), Decorator("secrets", {"sources": ["a"]})),
            TaskPolicy(),
            id="what is only stored changes nothing",
        ),
        pytest.param(
            (
                Decorator("retry", {"times": 1}),
                Decorator("catch"),
                Decorator("timeout", {"seconds": 5}),
            ),
            TaskPolicy(retries=1, retry_wait_s=120, catches=True, timeout_s=5),
            id="several together",
        ),
    ],
)
def test_what_the_decorators_of_a_step_mean(decorators, policy):
    assert policy_of(Step("start", decorators=decorators)) == policy


@pytest.mark.parametrize(
    ("text", "decorator"),
    [
        ("retry", Decorator("retry")),
        ("retry:", Decorator("retry")),
        ("retry:times=2", Decorator("retry", {"times": 2})),
        (
            "retry:times=2,minutes_between_retries=0.5",
            Decorator("retry", {"times": 2, "minutes_between_retries": 0.5}),
        ),
        ("retry: times = 2 ,", Decorator("retry", {"times": 2})),
        (
            "catch:var=problem,print_exception=FALSE",
            Decorator("catch", {"var": "problem", "print_exception": False}),
        ),
        (
            "catch:var=problem,print_exception=false",
            Decorator("catch", {"var": "problem", "print_exception": False}),
        ),
        ("resources:gpu=NULL", Decorator("resources", {"gpu": None})),
        ("batch:image=r:4.2,queue=a=b", Decorator("batch", {"image": "r:4.2", "queue": "a=b"})),
        (
            'environment:vars={"A": "x,y", "B": "=\\",\\""}',
            Decorator("environment", {"vars": {"A": "x,y", "B": '=","'}}),
        ),
        ('secrets:sources=["a", "b"]', Decorator("secrets", {"sources": ["a", "b"]})),
    ],
)
def test_a_decorator_is_read_from_text(text, decorator):
    assert parse_decorator(text) == decorator


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("retri", r"^--with retri: `retri` is no decorator of a step \(did you mean `retry`\?\)"),
        ("schedule:daily=TRUE", "`schedule` is no decorator of a step"),
        ("", "`` is no decorator of a step"),
        ("retry:2", r"^--with retry:2: write '2' as key=value\.$"),
        ("retry:time=2", r"it has no argument `time` \(did you mean `times`\?\)"),
        ("retry:times=many", "`times` must be a whole number of at least 0, not 'many'"),
        ("retry:times=Infinity", "`times` must be a whole number of at least 0, not inf"),
        ("timeout", "`seconds`, `minutes` or `hours` must be given"),
    ],
)
def test_a_text_that_is_no_decorator_is_a_usage_error(text, message):
    with pytest.raises(UsageError, match=message):
        parse_decorator(text)


@given(st.text())
def test_any_text_is_a_decorator_or_a_usage_error(text):
    with suppress(UsageError):
        assert parse_decorator(text).name in REGISTRY


def test_decorators_are_added_to_every_step():
    flow = with_decorators(_flow(), ["retry:times=1", "catch"])

    assert {name: [d.name for d in step.decorators] for name, step in flow.steps.items()} == {
        "start": ["retry", "catch"],
        "end": ["retry", "catch"],
    }


def test_an_added_decorator_does_not_replace_one_of_the_step():
    flow = with_decorators(_flow(Decorator("retry", {"times": 4})), ["retry:times=1"])

    assert [d.attributes for d in flow.steps["start"].decorators] == [{"times": 4}]
    assert [d.attributes for d in flow.steps["end"].decorators] == [{"times": 1}]


def test_of_two_added_decorators_of_one_name_the_first_counts():
    flow = with_decorators(_flow(), ["retry:times=1", "retry:times=2"])

    assert [d.attributes for d in flow.steps["start"].decorators] == [{"times": 1}]


def test_adding_nothing_changes_nothing():
    assert with_decorators(_flow(), []) == _flow()


@pytest.mark.parametrize(
    ("attributes", "project"),
    [
        ({"name": "p"}, Project("p", "user.ada", False)),
        ({"name": "p", "branch": "b"}, Project("p", "test.b", False)),
        ({"name": "p", "production": True}, Project("p", "prod", True)),
        ({"name": "p", "branch": "b", "production": True}, Project("p", "prod.b", True)),
    ],
)
def test_the_project_of_a_run(attributes, project):
    assert project_of(_flow(Decorator("project", attributes), level="flow"), "ada") == project


def test_a_flow_without_the_decorator_has_no_project():
    assert project_of(_flow(), "ada") is None


def test_a_project_tags_its_runs():
    assert Project("p", "user.ada", False).tags == ("project:p", "project_branch:user.ada")


@pytest.mark.parametrize("kind", REGISTRY.values(), ids=REGISTRY)
def test_every_decorator_is_listed_by_its_name(kind):
    assert REGISTRY[kind.name] is kind
