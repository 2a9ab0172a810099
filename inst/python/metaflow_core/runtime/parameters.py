"""From what the user gave to the values of a flow's parameters."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from metaflow_core.errors import InvalidParameter
from metaflow_core.model.flow import Flow, Parameter

Evaluate = Callable[[Parameter], Any]
"""Evaluates a parameter's default function; plain data."""

_TRUE, _FALSE = {"true", "t", "1", "yes", "on"}, {"false", "f", "0", "no", "off"}


def resolve_parameters(flow: Flow, given: Mapping[str, Any], evaluate: Evaluate) -> dict[str, Any]:
    """The value of every parameter of *flow*.

    Args:
        flow: The flow.
        given: Values by parameter name: text from the command line, plain data from R.
        evaluate: Called once for each default function whose value is needed.

    Returns:
        Plain data by name; what JSON text means, not the text.

    Raises:
        InvalidParameter: Naming every parameter that is required and absent, or whose value is
            not of its type.
    """
    values: dict[str, Any] = {}
    problems: list[str] = []
    for parameter in flow.parameters.values():
        try:
            values[parameter.name] = _resolve(parameter, given, evaluate)
        except InvalidParameter as problem:
            problems.append(problem.message)
    if problems:
        raise InvalidParameter("\n".join(problems), "See `run --help` for the flow's parameters.")
    return values


def _resolve(parameter: Parameter, given: Mapping[str, Any], evaluate: Evaluate) -> Any:
    if given.get(parameter.name) is not None:
        value = given[parameter.name]
    elif parameter.default_is_function:
        value = evaluate(parameter)
    elif parameter.required:
        raise InvalidParameter(f"Parameter {parameter.name} is required: give --{parameter.name}.")
    else:
        value = parameter.default
    return convert(parameter, value)


def type_of(parameter: Parameter) -> str:
    """The parameter's type: as declared, else that of its default, else text."""
    if parameter.type:
        return parameter.type
    if parameter.is_flag:
        return "bool"
    default = parameter.default
    for kind, name in ((bool, "bool"), (int, "int"), (float, "float")):
        if isinstance(default, kind):
            return name
    return "str"


def convert(parameter: Parameter, value: Any) -> Any:
    """*value* as the parameter's type; a list of these if the parameter has a separator.

    Raises:
        InvalidParameter: If it cannot be read as one.
    """
    if value is None:
        return None
    if parameter.default_is_function and not parameter.type and not isinstance(value, str):
        return value  # no type was declared: the value has its own
    if parameter.separator:
        parts = value.split(parameter.separator) if isinstance(value, str) else value
        parts = parts if isinstance(parts, list) else [parts]
        return [
            _convert_one(parameter, "str" if parameter.type is None else parameter.type, x)
            for x in parts
        ]
    return _convert_one(parameter, type_of(parameter), value)


def _convert_one(parameter: Parameter, kind: str, value: Any) -> Any:
    try:
        return _CONVERTERS[kind](value)
    except (ValueError, TypeError, OverflowError) as error:
        raise InvalidParameter(
            f"Parameter {parameter.name} is not {_ARTICLES[kind]}: {value!r}."
        ) from error


def _int(value: Any) -> int:
    if isinstance(value, bool):
        raise TypeError(value)
    if isinstance(value, float) and value != int(value):
        raise ValueError(value)
    return int(value)


def _float(value: Any) -> float:
    if isinstance(value, bool):
        raise TypeError(value)
    return float(value)


def _bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).lower()
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    raise ValueError(value)


def _str(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return f"{value:.15g}"
    raise TypeError(value)


def _json(value: Any) -> Any:
    return _in_one_kind(json.loads(value)) if isinstance(value, str) else value


def _in_one_kind(value: Any) -> Any:
    """JSON has one kind of number: ``[1.5, 2]`` is two doubles, which make a vector in R."""
    if isinstance(value, dict):
        return {key: _in_one_kind(item) for key, item in value.items()}
    if not isinstance(value, list):
        return value
    kinds = {type(item) for item in value}
    return [float(item) if kinds == {int, float} else _in_one_kind(item) for item in value]


_CONVERTERS: dict[str, Callable[[Any], Any]] = {
    "int": _int,
    "float": _float,
    "bool": _bool,
    "str": _str,
    "json": _json,
}

_ARTICLES = {
    "int": "a whole number",
    "float": "a number",
    "bool": "TRUE or FALSE",
    "str": "one text",
    "json": "JSON",
}
