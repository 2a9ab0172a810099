"""Commands that look at runs: `list-runs list-tasks info state dump`, and the list of all."""

from __future__ import annotations

import json
import time
from typing import Any, get_args

import click

from metaflow_core import client
from metaflow_core.cli.diff_command import diff_command
from metaflow_core.cli.invocation import flow_name
from metaflow_core.cli.logs_command import logs_command
from metaflow_core.cli.looking import (
    JSON,
    looking_command,
    of_run,
    print_columns,
    rows_of,
    tasks_of,
)
from metaflow_core.cli.table import duration_text, size_text, table, terminal_width, text, time_text
from metaflow_core.cli.tag_commands import tag_group
from metaflow_core.client import describe
from metaflow_core.client.standing import RunStatus, TaskStatus
from metaflow_core.client.state import run_state
from metaflow_core.errors import FlowNotFound
from metaflow_core.model.flow import PARAMETERS

_RUN_COLUMNS = {
    "run_id": "run",
    "status": "status",
    "created_at": "started",
    "duration_s": "duration",
    "user": "user",
    "tags": "tags",
    "origin_run_id": "resumed from",
}

_TASK_COLUMNS = {
    "step": "step",
    "task_id": "task",
    "index": "index",
    "status": "status",
    "attempt": "attempt",
    "created_at": "started",
    "duration_s": "duration",
    "cpu_s": "cpu",
    "peak_memory_bytes": "memory",
    "message": "message",
}

_INFO_LINES = (
    "pathspec",
    "status",
    "user",
    "user_tags",
    "created_at",
    "finished_at",
    "duration_s",
    "cpu_s",
    "peak_memory_bytes",
    "exit_signal",
    "origin_run_id",
    "origin_pathspec",
    "parameters",
    "steps",
    "tasks",
    "index",
    "attempt",
    "parents",
    "children",
    "artifacts",
    "failed_tasks",
)

_ALL = click.Option(["--all", "everyone"], is_flag=True, help="Also runs of other users.")


def read_commands() -> list[click.Command]:
    """The commands, for runs of the flow that is invoked."""
    return [
        click.Command(
            "list-runs",
            params=[
                click.Option(["--limit"], type=int, default=20, help="How many.  [default: 20]"),
                click.Option(["--tag"], multiple=True, help="Only with this tag."),
                _status(RunStatus),
                _ALL,
                JSON,
            ],
            callback=_list_runs,
            help="List the flow's runs, newest first.",
        ),
        looking_command(
            "list-tasks",
            "[RUN[/STEP]]",
            [_status(TaskStatus), JSON],
            _list_tasks,
            "List a run's tasks.",
        ),
        looking_command(
            "info", "[RUN[/STEP[/TASK]]]", [JSON], _info, "Tell about a run, a step or a task."
        ),
        looking_command("state", "[RUN]", [JSON], _state, "Tell what a run is doing now."),
        logs_command(),
        looking_command(
            "dump",
            "RUN/STEP[/TASK]",
            [
                click.Option(["--private"], is_flag=True, help="Also Metaflow's own artifacts."),
                click.Option(["--include"], help="Names of artifacts, separated by commas."),
                click.Option(
                    ["--max-value-size"],
                    type=int,
                    default=1000,
                    help="Longest value that is shown, in characters.  [default: 1000]",
                ),
                JSON,
            ],
            _dump,
            "Show the artifacts of tasks.",
        ),
        diff_command(),
        tag_group(),
    ]


def _status(known: Any) -> click.Option:
    return click.Option(
        ["--status"],
        type=click.Choice(get_args(known)),
        multiple=True,
        help="Only with this status; may be repeated.",
    )


@click.pass_context
def _list_runs(ctx: click.Context, /, **options: Any) -> None:
    flow = flow_name(ctx)
    if options["everyone"]:
        client.namespace(None)
    filters = {name: options[name] for name in ("status", "limit")}
    try:
        columns = describe.runs(flow=flow, tags=options["tag"], **filters)
    except FlowNotFound:
        columns = {name: [] for name in _RUN_COLUMNS}  # it has not been run yet
    print_columns(columns, _RUN_COLUMNS, as_json=options["as_json"])


@click.pass_context
def _list_tasks(ctx: click.Context, /, pathspec: str, **options: Any) -> None:
    columns = describe.tasks(pathspec=str(of_run(ctx, pathspec)), status=options["status"])
    print_columns(columns, _TASK_COLUMNS, as_json=options["as_json"])


@click.pass_context
def _info(ctx: click.Context, pathspec: str, as_json: bool) -> None:
    spec = of_run(ctx, pathspec)
    tell = {"run": describe.run, "step": describe.step, "task": describe.task}
    facts = tell[spec.level](pathspec=str(spec))
    if spec.level == "run":
        facts["parameters"] = _parameter_values(facts["pathspec"], facts["parameters"])
    if as_json:
        click.echo(json.dumps(facts, default=_json_text))
        return
    for name in _INFO_LINES:
        if facts.get(name) not in (None, [], {}):
            head = name.removesuffix("_s").removesuffix("_bytes").replace("_", " ")
            click.echo(f"{head + ':':<16}{_fact_text(name, facts[name])}")
    if facts.get("exception"):
        # While a task is tried again, what is known is how it failed before.
        head = "last error:" if facts["status"] == "running" else "error:"
        _print_exception(facts["exception"], head)


def _parameter_values(run: str, names: list[str]) -> dict[str, Any]:
    """The values, where Python has them; for one that only R has, what it is and its size."""
    artifacts = {name: client.DataArtifact(f"{run}/{PARAMETERS}/0/{name}") for name in names}
    return {
        name: _r_object_text(artifact)
        if isinstance(artifact.data, client.RObject)
        else artifact.data
        for name, artifact in artifacts.items()
    }


def _fact_text(name: str, value: Any) -> str:
    if name.endswith("_at"):
        return time_text(value)
    if name.endswith("_bytes"):
        return size_text(value)
    if name == "parameters":
        return ", ".join(f"{parameter} = {given!r}" for parameter, given in value.items())
    return duration_text(value) if name.endswith("_s") else text(value)


def _print_exception(exception: dict[str, Any], head: str) -> None:
    call = f" in {exception['call']}" if exception["call"] else ""
    click.echo(f"{head:<16}{exception['message']}{call}")
    for frame in reversed(exception["frames"]):
        click.echo(f"{'':<16}at {frame['file']}:{frame['line']} in {frame['call']}")


@click.pass_context
def _state(ctx: click.Context, pathspec: str, as_json: bool) -> None:
    told = run_state(pathspec=str(of_run(ctx, pathspec)))
    if as_json:
        told["steps"] = rows_of(told["steps"])
        click.echo(json.dumps({name: told.get(name) for name in _STATE_KEYS}))
        return
    heard = f", pid {told['pid']} on {told['host']}, {_ago(told['at'])}" if "at" in told else ""
    click.echo(f"{told['pathspec']} {told['status']}{heard}")
    steps = told["steps"]
    progress = [_n_of_m(*counts) for counts in zip(steps["done"], steps["expected"], strict=True)]
    click.echo(table({**steps, "progress": progress}, _PROGRESS_COLUMNS, terminal_width()))
    for name, columns in (("running", _RUNNING_COLUMNS), ("waiting", _WAITING_COLUMNS)):
        rows = told.get(name) or []
        if rows:
            cells = {column: [row[column] for row in rows] for column in columns}
            click.echo(f"\n{table(cells, columns, terminal_width())}")


_STATE_KEYS = ("pathspec", "status", "at", "host", "pid", "tasks", "steps", "running", "waiting")

_PROGRESS_COLUMNS = {
    "step": "step",
    "progress": "done",
    "running": "running",
    "failed": "failed",
}

_RUNNING_COLUMNS = {
    "pathspec": "running",
    "attempt": "attempt",
    "pid": "pid",
    "cpu_s": "cpu",
    "memory_bytes": "memory",
    "started_at": "since",
}

_WAITING_COLUMNS = {"task": "waiting", "why": "for"}


def _n_of_m(done: int, expected: int | None) -> str:
    return f"{done} of {'?' if expected is None else expected}"


def _ago(at: float) -> str:
    return f"heard of {duration_text(max(0.0, time.time() - at))} ago"


@click.pass_context
def _dump(ctx: click.Context, /, pathspec: str, **options: Any) -> None:
    wanted = (options["include"] or "").split(",") if options["include"] else None
    dumped = {
        task: _artifacts(task, private=options["private"], wanted=wanted)
        for task in tasks_of(ctx, pathspec)
    }
    if options["as_json"]:
        click.echo(json.dumps(dumped))
        return
    for task, artifacts in dumped.items():
        click.echo(f"Dumping task {task}")
        width = max(map(len, artifacts), default=0)
        for name, shown in artifacts.items():
            click.echo(f"  {name:<{width}}  {shown[: options['max_value_size']]}")


def _artifacts(task: str, *, private: bool, wanted: list[str] | None) -> dict[str, str]:
    facts = describe.task(pathspec=task)
    names = facts["artifacts"] + (facts["private_artifacts"] if private else [])
    chosen = [name for name in names if wanted is None or name in wanted]
    return {name: _artifact_text(f"{task}/{name}") for name in chosen}


def _artifact_text(pathspec: str) -> str:
    """The value, where Python has it; for one that only R has, what it is and its size."""
    artifact = client.DataArtifact(pathspec)
    value = artifact.data
    if isinstance(value, client.RObject):
        return _r_object_text(artifact)
    return repr(value)


def _r_object_text(artifact: client.DataArtifact) -> str:
    return f"<R {artifact.type}, {size_text(artifact.size)}>"


def _json_text(value: Any) -> str:
    """R's own bytes have no place in JSON; the sentences beside them do."""
    return f"<{len(value)} bytes>" if isinstance(value, bytes) else str(value)
