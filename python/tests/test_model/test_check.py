"""Every mistake in a graph is told once, with what to write instead."""

from __future__ import annotations

from itertools import pairwise

import pytest

from metaflow_core.model.check import RESERVED_PARAMETERS, check_graph
from metaflow_core.model.flow import Flow, Parameter, Step


def linear(name: str, *next_steps: str) -> Step:
    return Step(name, next_steps)


def join(name: str, *next_steps: str) -> Step:
    return Step(name, next_steps, is_join=True)


def foreach(name: str, *next_steps: str, over: str = "items") -> Step:
    return Step(name, next_steps, foreach=over)


def switch(name: str, condition: str = "size", **cases: str) -> Step:
    return Step(name, tuple(cases.values()), condition=condition, cases=cases)


END = Step("end")


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param([linear("start", "end"), END], id="two steps"),
        pytest.param(
            [linear("start", "a", "b"), linear("a", "j"), linear("b", "j"), join("j", "end"), END],
            id="a branch and its join",
        ),
        pytest.param(
            [foreach("start", "body"), linear("body", "j"), join("j", "end"), END],
            id="a foreach and its join",
        ),
        pytest.param(
            [
                foreach("start", "inner"),
                foreach("inner", "body"),
                linear("body", "j1"),
                join("j1", "j2"),
                join("j2", "end"),
                END,
            ],
            id="a foreach in a foreach, joined one after the other",
        ),
        pytest.param(
            [switch("start", big="a", small="b"), linear("a", "end"), linear("b", "end"), END],
            id="alternatives of a switch meet without a join",
        ),
        pytest.param(
            [
                linear("start", "s", "c"),
                switch("s", big="a", small="j"),
                linear("a", "j"),
                linear("c", "j"),
                join("j", "end"),
                END,
            ],
            id="alternatives of a switch meet in the join of the branch around it",
        ),
        pytest.param(
            [switch("start", big="a", huge="a", small="end"), linear("a", "end"), END],
            id="several cases lead to one step",
        ),
        pytest.param(
            [
                foreach("start", "s"),
                switch("s", yes="f", no="j"),
                foreach("f", "g"),
                linear("g", "jf"),
                join("jf", "j"),
                join("j", "end"),
                END,
            ],
            id="a foreach in one alternative only",
        ),
    ],
)
def test_a_sound_flow_has_no_problem(steps):
    assert check_graph(Flow.of("F", *steps)) == []


@pytest.mark.parametrize(
    ("steps", "problem"),
    [
        pytest.param(
            [linear("begin", "end"), END],
            'The flow has no step `start`; add `step(step = "start", next_step = "begin")` '
            "as the first step.",
            id="no start",
        ),
        pytest.param(
            [linear("Start", "end"), END],
            'The flow has no step `start`; rename `Start`, or add `step(step = "start", '
            'next_step = "Start")` as the first step.',
            id="start with a capital letter",
        ),
        pytest.param(
            [linear("start", "end")],
            'The flow has no step `end`; add `step(step = "end")` as the last step.',
            id="no end",
        ),
        pytest.param(
            [linear("start", "fti"), linear("fit", "end"), END],
            "Step `start` leads to `fti`, which is not a step of this flow; did you mean `fit`?",
            id="misspelt next step",
        ),
        pytest.param(
            [linear("start", "zzz"), END],
            "Step `start` leads to `zzz`, which is not a step of this flow; "
            "add `zzz`, or correct `next_step`.",
            id="unknown next step",
        ),
        pytest.param(
            [linear("start", "end"), linear("a", "b"), linear("b", "end"), END],
            "No step leads to `a`; name it in a `next_step`, or remove it.",
            id="unreachable steps: only the first of them is told",
        ),
        pytest.param(
            [linear("start"), END],
            'Step `start` leads nowhere; add `next_step = "end"`, or the step that follows.',
            id="dead end",
        ),
        pytest.param(
            [linear("start", "a"), linear("a", "b"), linear("b", "c"), linear("c", "a"), END],
            "Steps go in a circle, a -> b -> c -> a; let `c` lead to a later step.",
            id="a cycle from which nothing leads to end",
        ),
        pytest.param(
            [linear("start", "end"), linear("a", "b"), linear("b", "a"), END],
            "Steps go in a circle, a -> b -> a; let `b` lead to a later step.",
            id="an unreachable cycle",
        ),
        pytest.param(
            [switch("start", again="start", enough="end"), END],
            "Steps go in a circle, start -> start; let `start` lead to a later step.",
            id="a switch back to itself",
        ),
        pytest.param(
            [linear("start", "a", "b"), linear("a", "end"), linear("b", "end"), END],
            "The split of `start` is not joined on the way from `a` and `b` to `end`; "
            "put a step with `join = TRUE` there.",
            id="branches reach end",
        ),
        pytest.param(
            [foreach("start", "body"), linear("body", "end"), END],
            "The split of `start` is not joined on the way from `body` to `end`; "
            "put a step with `join = TRUE` there.",
            id="a foreach reaches end",
        ),
        pytest.param(
            [
                linear("start", "a", "b", "c"),
                linear("a", "j"),
                linear("b", "j"),
                linear("c", "end"),
                join("j", "end"),
                END,
            ],
            "The split of `start` is not joined on the way from `c` to `end`; go through `j`.",
            id="one branch misses the join",
        ),
        pytest.param(
            [
                linear("start", "a", "b"),
                linear("a", "m"),
                linear("b", "m"),
                linear("m", "end"),
                END,
            ],
            "Branches of `start` meet in `m`, which is not a join (`a` and `b` lead there); "
            "give `m` `join = TRUE`, or join them in a step before it.",
            id="branches meet in a step that is not a join",
        ),
        pytest.param(
            [linear("start", "a"), join("a", "end"), END],
            "Step `a` is a join, but no split comes before it; remove `join = TRUE`, "
            "or let an earlier step split.",
            id="join without split",
        ),
        pytest.param(
            [
                linear("start", "a", "b", "c", "d"),
                *(linear(x, "j1") for x in "ab"),
                *(linear(x, "j2") for x in "cd"),
                join("j1", "end"),
                join("j2", "end"),
                END,
            ],
            "Branches of `start` end in different joins, `j1` and `j2`; lead all of them to one.",
            id="two joins share the branches of a split",
        ),
        pytest.param(
            [
                linear("start", "a", "b"),
                foreach("a", "c"),
                linear("c", "j"),
                linear("b", "j"),
                join("j", "end"),
                END,
            ],
            "Step `j` joins what does not belong together "
            "(`c` in the split `a`, `b` in the split `start`); give each split a join of its own.",
            id="a join of two splits at once",
        ),
        pytest.param(
            [
                switch("start", one="f", two="x"),
                foreach("f", "g"),
                linear("g", "j"),
                linear("x", "j"),
                join("j", "end"),
                END,
            ],
            "Step `j` joins what does not belong together "
            "(`g` in the split `f`, `x` in no split); give each split a join of its own.",
            id="a join that is also reached from outside of the split",
        ),
        pytest.param(
            [foreach("start", "j"), join("j", "end"), END],
            "Step `start` splits and leads straight to the join `j`; put a step between them.",
            id="a foreach with nothing in it",
        ),
        pytest.param(
            [foreach("start", "a", "b"), linear("a", "j"), linear("b", "j"), join("j", "end"), END],
            "Step `start` has a foreach and 2 next steps; let it lead to exactly one.",
            id="a foreach with two next steps",
        ),
        pytest.param(
            [foreach("start"), END],
            "Step `start` has a foreach and no next steps; let it lead to exactly one.",
            id="a foreach without a next step",
        ),
        pytest.param(
            [foreach("start", "a", over="my items"), linear("a", "j"), join("j", "end"), END],
            "Step `start` has the foreach `my items`, which is not an artifact's name; "
            "use letters, digits and `_`.",
            id="a foreach over what is no name",
        ),
        pytest.param(
            [Step("start", ("end",), condition="x"), END],
            "Step `start` has a condition, but not a value for each next step; "
            'write `next_step = c(value1 = "x", value2 = "y")`.',
            id="a condition without cases",
        ),
        pytest.param(
            [
                Step("start", ("a", "b", "end"), condition="x", cases={"1": "b", "2": "end"}),
                linear("a", "end"),
                linear("b", "end"),
                END,
            ],
            "Step `start` gives a value twice in `next_step`; give each its own.",
            id="a condition with one value twice",
        ),
        pytest.param(
            [switch("start", big="end"), END],
            "Step `start` has a condition with only one case; add another, or remove `condition`.",
            id="a condition that leaves no choice",
        ),
        pytest.param(
            [switch("start", big="end", small="nil"), END],
            "Step `start` leads to `nil`, which is not a step of this flow; "
            "add `nil`, or correct `next_step`.",
            id="a case that leads to an unknown step",
        ),
        pytest.param(
            [Step("start", ("end",), cases={"big": "end"}), END],
            "Step `start` has a named `next_step` without a condition; "
            'remove the names, or add `condition = "artifact"`.',
            id="cases without a condition",
        ),
        pytest.param(
            [switch("start", condition="a b", big="end", small="x"), linear("x", "end"), END],
            "Step `start` has the condition `a b`, which is not an artifact's name; "
            "use letters, digits and `_`.",
            id="a condition on what is no name",
        ),
        pytest.param(
            [
                Step("start", ("a", "b"), foreach="x", condition="y", cases={"1": "a", "2": "b"}),
                linear("a", "end"),
                linear("b", "end"),
                END,
            ],
            "Step `start` has both `foreach` and `condition`; keep one, "
            "and put the other into a step of its own.",
            id="foreach together with condition",
        ),
        pytest.param(
            [linear("start", "a", "a"), linear("a", "j"), join("j", "end"), END],
            "Step `start` names `a` twice in `next_step`; name it once.",
            id="a branch named twice",
        ),
        pytest.param(
            [linear("start", "end"), linear("end", "start")],
            "Step `end` is the last one; remove its `next_step`, `foreach` and `condition`.",
            id="end leads on",
        ),
        pytest.param(
            [foreach("start", "a"), linear("a", "end"), join("end")],
            "Step `end` cannot be a join; put a step with `join = TRUE` before it.",
            id="end is a join",
        ),
        pytest.param(
            [join("start", "end"), END],
            "Step `start` is a join, but nothing comes before it; remove `join = TRUE`.",
            id="start is a join",
        ),
        pytest.param(
            [
                foreach("start", "a"),
                linear("a", "j"),
                Step("j", ("b",), foreach="y", is_join=True),
                linear("b", "k"),
                join("k", "end"),
                END,
            ],
            "Step `j` joins and splits at once; let it lead to a further step, and split there.",
            id="a join that splits",
        ),
        pytest.param(
            [linear("start", "my step"), linear("my step", "end"), END],
            "Step `my step` cannot have this name; use letters a to z, digits and `_`, "
            "with a letter first.",
            id="a name with a space",
        ),
        pytest.param(
            [linear("start", "_a"), linear("_a", "end"), END],
            "Step `_a` cannot have this name; use letters a to z, digits and `_`, "
            "with a letter first.",
            id="a name with an underscore first",
        ),
        pytest.param(
            [linear("start", "lambda"), linear("lambda", "end"), END],
            "Step `lambda` has a reserved name; call it `lambda_` or something else.",
            id="a word of Python",
        ),
        pytest.param(
            [linear("start", "input"), linear("input", "end"), END],
            "Step `input` has a reserved name; call it `input_` or something else.",
            id="a word of self",
        ),
    ],
)
def test_a_mistake_is_told_once(steps, problem):
    assert check_graph(Flow.of("F", *steps)) == [problem]


def test_all_mistakes_are_told_at_once():
    flow = Flow.of(
        "My Flow",
        linear("start", "a", "b"),
        linear("a", "jion"),
        linear("b", "join"),
        join("join"),
        linear("lost", "end"),
        parameters={"with": Parameter("with"), "ok": Parameter("ok")},
    )

    problems = check_graph(flow)

    named = ["`My Flow`", "`with`", "no step `end`", "`join` leads nowhere", "`jion`", "`lost`"]
    assert len(problems) == len(named)
    for problem in named:
        assert any(problem in sentence for sentence in problems)


@pytest.mark.parametrize("name", [*sorted(RESERVED_PARAMETERS), "a.b", "_x", "1st", "größe", "if"])
def test_a_parameter_cannot_have_a_name_that_means_something_else(name):
    flow = Flow.of("F", linear("start", "end"), END, parameters={name: Parameter(name)})

    [problem] = check_graph(flow)

    assert problem.startswith(f"Parameter `{name}` ")


def test_reserved_names_of_parameters_can_be_given():
    flow = Flow.of("F", linear("start", "end"), END, parameters={"tag": Parameter("tag")})

    assert check_graph(flow, reserved=()) == []


def test_a_flow_longer_than_the_recursion_limit_can_be_checked():
    names = ["start", *(f"s{i}" for i in range(3000)), "end"]
    steps = [linear(a, b) for a, b in pairwise(names)]

    assert check_graph(Flow.of("F", *steps, END)) == []
