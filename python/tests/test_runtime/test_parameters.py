"""`runtime.parameters`: from words and R's data to the values of a flow's parameters."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaflow_core.errors import InvalidParameter
from metaflow_core.model.flow import Flow, Parameter, Step
from metaflow_core.runtime.parameters import convert, resolve_parameters, type_of


def _flow(*parameters: Parameter) -> Flow:
    return Flow.of("F", Step("start"), parameters={p.name: p for p in parameters})


def _no_function(parameter: Parameter) -> object:
    raise AssertionError(f"the default of {parameter.name} is no function")


@pytest.mark.parametrize(
    ("parameter", "kind"),
    [
        (Parameter("p"), "str"),
        (Parameter("p", type="int"), "int"),
        (Parameter("p", type="float", default=1), "float"),
        (Parameter("p", default=True), "bool"),
        (Parameter("p", default=1), "int"),
        (Parameter("p", default=0.1), "float"),
        (Parameter("p", default="a"), "str"),
        (Parameter("p", is_flag=True), "bool"),
        (Parameter("p", type="json", default={"a": 1}), "json"),
    ],
)
def test_the_type_is_as_declared_or_that_of_the_default(parameter, kind):
    assert type_of(parameter) == kind


@pytest.mark.parametrize(
    ("kind", "given_value", "value"),
    [
        ("int", "3", 3),
        ("int", "-3", -3),
        ("int", 3, 3),
        ("int", 3.0, 3),
        ("int", "3000000000", 3_000_000_000),
        ("float", "0.1", 0.1),
        ("float", "1e-3", 0.001),
        ("float", 1, 1.0),
        ("float", "inf", math.inf),
        *(("bool", word, True) for word in ("TRUE", "true", "T", "1", "yes", "on", True)),
        *(("bool", word, False) for word in ("FALSE", "false", "F", "0", "no", "off", False)),
        ("str", "a b", "a b"),
        ("str", "", ""),
        ("str", "quotes \" and ' and = and \n and é", "quotes \" and ' and = and \n and é"),
        ("str", 1, "1"),
        ("str", 0.1, "0.1"),
        ("str", 1e6, "1000000"),
        ("str", True, "TRUE"),
        ("json", '{"a": [1, 2.5, null, true, "x"]}', {"a": [1, 2.5, None, True, "x"]}),
        ("json", '"text"', "text"),
        ("json", "[1, 2]", [1, 2]),
        ("json", {"a": 1}, {"a": 1}),
        ("json", "null", None),
    ],
)
def test_a_value_is_read_as_the_type(kind, given_value, value):
    converted = convert(Parameter("p", type=kind), given_value)

    assert converted == value
    assert type(converted) is type(value)


@pytest.mark.parametrize(
    ("kind", "given_value", "message"),
    [
        ("int", "three", "Parameter p is not a whole number: 'three'."),
        ("int", "3.5", "Parameter p is not a whole number: '3.5'."),
        ("int", 3.5, "Parameter p is not a whole number: 3.5."),
        ("int", "", "Parameter p is not a whole number: ''."),
        ("int", True, "Parameter p is not a whole number: True."),
        ("int", math.inf, "Parameter p is not a whole number: inf."),
        ("int", math.nan, "Parameter p is not a whole number: nan."),
        ("int", [1, 2], "Parameter p is not a whole number: [1, 2]."),
        ("float", "much", "Parameter p is not a number: 'much'."),
        ("float", True, "Parameter p is not a number: True."),
        ("bool", "maybe", "Parameter p is not TRUE or FALSE: 'maybe'."),
        ("bool", 2, "Parameter p is not TRUE or FALSE: 2."),
        ("str", ["a", "b"], "Parameter p is not one text: ['a', 'b']."),
        ("json", "{a: 1}", "Parameter p is not JSON: '{a: 1}'."),
    ],
)
def test_a_value_of_another_type_is_told_with_the_parameter(kind, given_value, message):
    with pytest.raises(InvalidParameter) as caught:
        convert(Parameter("p", type=kind), given_value)

    assert caught.value.message == message
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("parameter", "given_value", "value"),
    [
        (Parameter("p", separator=","), "a,b c,", ["a", "b c", ""]),
        (Parameter("p", separator=","), "a", ["a"]),
        (Parameter("p", separator=";;"), "a;;b;c", ["a", "b;c"]),
        (Parameter("p", separator=","), ["a", "b"], ["a", "b"]),
        (Parameter("p", separator=",", type="int"), "1,2", [1, 2]),
        (Parameter("p", separator=",", type="float"), 1.5, [1.5]),
        (Parameter("p", separator=""), "a,b", "a,b"),
    ],
)
def test_a_separator_makes_a_list(parameter, given_value, value):
    assert convert(parameter, given_value) == value


def test_each_part_of_a_list_is_checked():
    with pytest.raises(InvalidParameter, match="Parameter p is not a whole number: 'x'"):
        convert(Parameter("p", separator=",", type="int"), "1,x")


def test_what_is_given_wins_over_the_default():
    flow = _flow(Parameter("a", default=1), Parameter("b", default=2))

    assert resolve_parameters(flow, {"a": "5", "b": None}, _no_function) == {"a": 5, "b": 2}


def test_a_default_function_is_asked_only_if_its_value_is_needed():
    flow = _flow(Parameter("a", default_is_function=True), Parameter("b", default_is_function=True))
    asked = []

    def evaluate(parameter: Parameter) -> object:
        asked.append(parameter.name)
        return 7

    assert resolve_parameters(flow, {"a": "given"}, evaluate) == {"a": "given", "b": 7}
    assert asked == ["b"]


def test_the_value_of_a_default_function_is_of_the_declared_type():
    flow = _flow(Parameter("a", type="float", default_is_function=True))

    assert resolve_parameters(flow, {}, lambda parameter: 7) == {"a": 7.0}


def test_a_parameter_without_value_and_default_is_none():
    assert resolve_parameters(_flow(Parameter("a")), {}, _no_function) == {"a": None}


def test_every_problem_is_told_at_once():
    flow = _flow(Parameter("a", required=True), Parameter("b", type="int"), Parameter("c"))

    with pytest.raises(InvalidParameter) as caught:
        resolve_parameters(flow, {"b": "x"}, _no_function)

    assert str(caught.value) == (
        "Parameter a is required: give --a.\n"
        "Parameter b is not a whole number: 'x'. See `run --help` for the flow's parameters."
    )


@given(st.sampled_from(["int", "float", "bool", "str", "json"]), st.text())
def test_any_text_is_a_value_or_an_invalid_parameter(kind, text):
    flow = _flow(Parameter("p", type=kind))
    try:
        resolve_parameters(flow, {"p": text}, _no_function)
    except InvalidParameter as error:
        assert repr(text) in str(error)  # noqa: PT017 -- most texts raise nothing


@given(st.integers(-(2**53), 2**53))
def test_an_integer_is_the_same_as_text_and_as_a_double_of_r(number):
    parameter = Parameter("p", type="int")

    assert convert(parameter, str(number)) == convert(parameter, float(number)) == number
