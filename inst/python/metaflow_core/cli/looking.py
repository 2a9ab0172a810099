"""What the commands that look at runs share: how a run is named, and how tables are printed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import click

from metaflow_core import client
from metaflow_core.cli.invocation import flow_name
from metaflow_core.cli.table import table, terminal_width
from metaflow_core.client import describe
from metaflow_core.errors import InvalidPathspec
from metaflow_core.model.pathspec import Pathspec

JSON = click.Option(["--json", "as_json"], is_flag=True, help="Print JSON.")


def looking_command(
    name: str, metavar: str, options: list[click.Parameter], callback: Any, about: str
) -> click.Command:
    """A command that takes a pathspec; the last run where *metavar* is in brackets."""
    default = "latest_run" if metavar.startswith("[") else None
    argument = click.Argument(
        ["pathspec"], metavar=metavar, required=default is None, default=default
    )
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
    return spec


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
