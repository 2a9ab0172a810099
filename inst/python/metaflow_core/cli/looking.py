"""What the commands that look at runs share: how a run is named, and how tables are printed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import click

from metaflow_core import client
from metaflow_core.cli.invocation import flow_name, root_to_name
from metaflow_core.cli.table import table, terminal_width
from metaflow_core.client import describe
from metaflow_core.errors import FlowNotFound, InvalidPathspec, NotFound
from metaflow_core.model.pathspec import Pathspec

_LOOKED_AT = "metaflow_core.looked_at"

JSON = click.Option(["--json", "as_json"], is_flag=True, help="Print JSON.")


def looking_command(
    name: str, metavar: str, options: list[click.Parameter], callback: Any, about: str
) -> click.Command:
    """A command that takes a pathspec; that of the last run where *metavar* is in brackets."""
    argument = click.Argument(["pathspec"], metavar=metavar)
    if metavar.startswith("["):
        argument = click.Argument(["pathspec"], metavar=metavar, default="latest_run")
        about += "  [default: the last run]"
    return click.Command(name, params=[argument, *options], callback=callback, help=about)


def of_run(ctx: click.Context, given: str) -> Pathspec:
    """A pathspec of this flow, with or without the flow's name; whoever made the run.

    Raises:
        InvalidPathspec: If it does not name a run, a step or a task.
    """
    client.namespace(None)
    flow = flow_name(ctx)
    spec = Pathspec.parse(given if given.split("/", maxsplit=1)[0] == flow else f"{flow}/{given}")
    if spec.level not in ("run", "step", "task"):
        raise InvalidPathspec(
            f"{given!r} is not a run, a step or a task.", "Write RUN, RUN/STEP or RUN/STEP/TASK."
        )
    ctx.meta[_LOOKED_AT] = spec
    return spec


def what_there_is(ctx: click.Context, absent: NotFound) -> str:
    """The sentence that names the command to look with, after *absent* was asked for."""
    if isinstance(absent, FlowNotFound):
        return "It has no runs here yet."
    words, told = _where_to_look(ctx.meta.get(_LOOKED_AT))
    invocation, _ = ctx.obj
    root = root_to_name(ctx)
    command = invocation.command(words, root) if invocation.script else f"Rscript SCRIPT {words}"
    return f"See `{command}` for {told}."


def _where_to_look(spec: Pathspec | None) -> tuple[str, str]:
    """The command, and what it tells, for the first part of *spec* that is not there."""
    if spec is None or not _is_there(client.Run, f"{spec.flow}/{spec.run}"):
        return "list-runs", "the runs there are"
    if not _is_there(client.Step, f"{spec.flow}/{spec.run}/{spec.step}"):
        return f"info {spec.run}", "the steps that the run has come to"
    return f"list-tasks {spec.run}/{spec.step}", "the tasks of the step"


def _is_there(kind: type[client.Run] | type[client.Step], pathspec: str) -> bool:
    try:
        kind(describe.resolved(pathspec))
    except NotFound:
        return False
    return True


def tasks_of(ctx: click.Context, given: str) -> Iterator[str]:
    """Pathspecs of the tasks of a run or a step, or of the task itself."""
    spec = of_run(ctx, given)
    if spec.level == "task":
        # With the run's id in place of a word such as `latest_run`.
        return iter([describe.task(pathspec=str(spec), only=())["pathspec"]])
    return iter(describe.tasks(pathspec=str(spec))["pathspec"])


def print_columns(columns: dict[str, list[Any]], shown: dict[str, str], *, as_json: bool) -> None:
    """Print a table, of which *shown* are the columns and their heads, or all of it as JSON."""
    if as_json:
        click.echo(json.dumps(rows_of(columns)))
    else:
        click.echo(table(columns, shown, terminal_width()))


def rows_of(columns: dict[str, list[Any]]) -> list[dict[str, Any]]:
    """The rows of a table, each with the names of the columns."""
    names = list(columns)
    return [dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)]
