"""The command `diff`."""

from __future__ import annotations

import json
from typing import Any

import click

from metaflow_core.cli.looking import JSON, of_run, rows_of
from metaflow_core.cli.table import duration_text, table, terminal_width
from metaflow_core.client import describe
from metaflow_core.client.diff import diff_runs


def diff_command() -> click.Command:
    """The command, for runs of the flow that is invoked."""
    return click.Command(
        "diff",
        params=[
            click.Argument(["run_a"]),
            click.Argument(["run_b"], required=False, default="latest_run"),
            JSON,
        ],
        callback=_diff,
        help="Tell how two runs differ.  [default of RUN_B: the last]",
    )


@click.pass_context
def _diff(ctx: click.Context, run_a: str, run_b: str, as_json: bool) -> None:
    invocation, _ = ctx.obj
    a, b = (describe.resolved(str(of_run(ctx, run))) for run in (run_a, run_b))
    found = diff_runs(a=a, b=b, code_a=invocation.code(a), code_b=invocation.code(b))
    if as_json:
        tables = {name: rows_of(found[name]) for name in found if name not in ("a", "b")}
        click.echo(json.dumps({"a": found["a"], "b": found["b"], **tables}))
        return
    for side in ("a", "b"):
        about = found[side]
        after = f" after {duration_text(about['duration_s'])}" if about["duration_s"] else ""
        click.echo(f"{side}: {about['pathspec']} {about['status']}{after}, by {about['user']}")
    found["outcomes"] = _different(found["tasks"], "status_a", "status_b")
    found["code_names"] = {name: found["code"][name] for name in ("name", "change")}
    for name, columns in _DIFF_COLUMNS.items():
        if any(found[name].values()):
            click.echo(f"\n{table(found[name], columns, terminal_width())}")
    for text in found["code"]["diff"]:
        click.echo(f"\n{text}")


def _different(columns: dict[str, list[Any]], one: str, other: str) -> dict[str, list[Any]]:
    """The rows in which two columns differ."""
    rows = [row for row in rows_of(columns) if row[one] != row[other]]
    return {name: [row[name] for row in rows] for name in columns}


_DIFF_COLUMNS = {
    "parameters": {"name": "parameter", "a": "a", "b": "b"},
    "versions": {"name": "version", "a": "a", "b": "b"},
    "steps": {
        "step": "step",
        "tasks_a": "tasks a",
        "tasks_b": "b",
        "duration_a_s": "time a",
        "duration_b_s": "b",
    },
    "outcomes": {"step": "task", "place": "place", "status_a": "status a", "status_b": "b"},
    "artifacts": {
        "step": "step",
        "place": "place",
        "name": "artifact",
        "change": "change",
        "type_a": "type a",
        "type_b": "b",
        "size_a_bytes": "size a",
        "size_b_bytes": "b",
    },
    "code_names": {"name": "code", "change": "change"},
}
