"""What a command is given: the flow, the session that asks, and the way back to it."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import click
from click.core import ParameterSource

from metaflow_core.compute.fork import ZygoteProcess
from metaflow_core.compute.inline import ServeAttempt
from metaflow_core.compute.session import RSession
from metaflow_core.model.flow import Flow
from metaflow_core.runtime.report import RunResult, quoted
from metaflow_core.runtime.start import RunRequest, Services, run_flow


@dataclass(frozen=True)
class Invocation:
    """One call of `run()`, from a script or a terminal.

    Args:
        flow: The flow.
        session: The R session that asks.
        argv: Words of the command line, without the script's name.
        options: Arguments of `run()` by R's names, plain data.
        emit: Prints text on ``"stdout"`` or ``"stderr"``.
        payload: Makes what workers need of the flow, R's own business.
        evaluate_default: Evaluates the default function of the parameter of that name.
        script: How the user calls the script, such as ``"Rscript flow.R"``; "" without one.
        variable: What the user calls the flow in R.
        colour: Whether the console shows ANSI colours.
        serve_inline: Runs an attempt in the session; None if it cannot be asked.
        ahead: The process that a run's tasks will be forked from, if R has started it, or None.
        run_flow: Carries out a run.
        spin: Tries a step in R, see `runtime.scene.spin_pathspec`, with its options.
        preflight: Looks through the functions of the steps; its warnings (see `cli.preflight`).
            Asked whether to try as well what sending them to a worker would say.
        code: Code of a run by its pathspec, as lines by the name of each function.
    """

    flow: Flow
    session: RSession
    argv: Sequence[str]
    options: Mapping[str, Any]
    emit: Callable[[str, str], None]
    payload: Callable[[], bytes]
    evaluate_default: Callable[[str], Any]
    script: str = ""
    variable: str = "flow"
    colour: bool = False
    serve_inline: ServeAttempt | None = None
    ahead: ZygoteProcess | None = None
    run_flow: Callable[[RunRequest, Services], RunResult] = run_flow
    spin: Callable[..., None] = lambda given, **options: None
    preflight: Callable[[bool], Sequence[Mapping[str, Any]]] = lambda sends: ()
    code: Callable[[str], Mapping[str, Sequence[str]]] = lambda run: {}

    def command(self, words: str, datastore_root: str | None = None) -> str:
        """What the user types for a subcommand: ``Rscript flow.R resume`` or ``run(flow, …)``."""
        if self.script:
            root = f" --datastore-root {shlex.quote(datastore_root)}" if datastore_root else ""
            return f"{self.script} {words}{root}"
        name, _, rest = words.partition(" ")
        root = f", datastore_root = {quoted(datastore_root)}" if datastore_root else ""
        return f"run({self.variable}, {_as_arguments(name, rest)}{root})"


@dataclass
class CommandResult:
    """What a command leaves for R, filled in while it runs.

    Args:
        exit_code: 0, 1, 2 or 130.
        data: For a run: how it ended, as plain data.
    """

    exit_code: int = 0
    data: dict[str, Any] = field(default_factory=dict)


def _as_arguments(name: str, rest: str) -> str:
    """A subcommand as arguments of `run()`."""
    if name == "resume":
        return f'resume = TRUE, origin_run_id = "{rest.rpartition(" ")[2]}"'
    return f'{name} = "{rest}"' if rest else f"{name} = TRUE"


def root_to_name(ctx: click.Context) -> str | None:
    """The datastore root that the next command must name again; a script names its own itself."""
    invocation, _ = ctx.obj
    top = ctx.find_root()
    is_typed = top.get_parameter_source("datastore_root") == ParameterSource.COMMANDLINE
    chosen: str | None = top.params["datastore_root"]
    return chosen if is_typed or not invocation.script else None


def flow_name(ctx: click.Context) -> str:
    """Name of the flow whose command is being done."""
    invocation, _ = ctx.obj
    assert isinstance(invocation, Invocation)
    return invocation.flow.name
