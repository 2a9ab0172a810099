"""A flow's parameters as options of `run`."""

from __future__ import annotations

import json
from typing import Any

import click

from metaflow_core.errors import InvalidParameter
from metaflow_core.model.flow import Flow, Parameter
from metaflow_core.runtime.parameters import convert, type_of


class ParameterType(click.ParamType[Any]):
    """Reads a value as the parameter's type; values that R gave pass through the same check."""

    def __init__(self, parameter: Parameter) -> None:
        self._parameter = parameter
        self.name = type_of(parameter)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return convert(self._parameter, value)
        except InvalidParameter as problem:
            self.fail(problem.message, param, ctx)


def parameter_options(flow: Flow) -> list[click.Option]:
    """One option for each parameter of the flow."""
    return [_option(parameter) for parameter in flow.parameters.values()]


def _option(parameter: Parameter) -> click.Option:
    names = dict.fromkeys([f"--{parameter.name}", f"--{parameter.name.replace('_', '-')}"])
    if parameter.is_flag:
        on_off = [f"{name}/--no-{name[2:]}" for name in names]
        return click.Option([parameter.name, *on_off], default=None, help=_help(parameter))
    return click.Option(
        [parameter.name, *names],
        type=ParameterType(parameter),
        default=None,
        metavar=type_of(parameter).upper(),
        help=_help(parameter),
    )


def _help(parameter: Parameter) -> str:
    facts = []
    if parameter.separator is not None:
        facts.append(f"a list, separated by {parameter.separator!r}")
    if parameter.required:
        facts.append("required")
    if parameter.default_is_function:
        facts.append("default: computed when the run starts")
    elif parameter.default is not None:
        facts.append(f"default: {json.dumps(parameter.default, ensure_ascii=False)}")
    note = f"[{'; '.join(facts)}]" if facts else ""
    return f"{parameter.help}  {note}".strip()
