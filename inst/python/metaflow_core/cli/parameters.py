"""A flow's parameters as options of `run`."""

from __future__ import annotations

import json

import click

from metaflow_core.model.flow import Flow, Parameter
from metaflow_core.runtime.parameters import type_of


def parameter_options(flow: Flow) -> list[click.Option]:
    """One option for each parameter of the flow.

    Its values are passed on as they were given: `runtime.parameters` reads them, whether they are
    words of the terminal or R's data, and tells every problem at once.
    """
    return [_option(parameter) for parameter in flow.parameters.values()]


def _option(parameter: Parameter) -> click.Option:
    names = dict.fromkeys([f"--{parameter.name}", f"--{parameter.name.replace('_', '-')}"])
    if parameter.is_flag:
        on_off = [f"{name}/--no-{name[2:]}" for name in names]
        return click.Option([parameter.name, *on_off], default=None, help=_help(parameter))
    return click.Option(
        [parameter.name, *names],
        type=click.UNPROCESSED,
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
