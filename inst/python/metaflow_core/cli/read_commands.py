"""Commands that look at runs: `list-runs list-tasks info logs dump tag`."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import click

from metaflow_core import client
from metaflow_core.cli.invocation import flow_name
from metaflow_core.cli.table import duration_text, size_text, table, terminal_width, text, time_text
from metaflow_core.client import describe
from metaflow_core.client.diff import diff_runs
from metaflow_core.compute.loop import replace_handler
from metaflow_core.errors import FlowNotFound, InvalidPathspec, NotFound, StepNotFound, TaskNotFound
from metaflow_core.model.flow import PARAMETERS
from metaflow_core.model.pathspec import Pathspec

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

_JSON = click.Option(["--json", "as_json"], is_flag=True, help="Print JSON.")
_ALL = click.Option(["--all", "everyone"], is_flag=True, help="Also runs of other users.")
_STATUS = click.Option(["--status"], multiple=True, help="Only with this status; may be repeated.")


def read_commands() -> list[click.Command]:
    """The commands, for runs of the flow that is invoked."""
    return [
        click.Command(
            "list-runs",
            params=[
                click.Option(["--limit"], type=int, default=20, help="How many.  [default: 20]"),
                click.Option(["--tag"], multiple=True, help="Only with this tag."),
                _STATUS,
                _ALL,
                _JSON,
            ],
            callback=_list_runs,
            help="List the flow's runs, newest first.",
        ),
        _command("list-tasks", "RUN[/STEP]", [_STATUS, _JSON], _list_tasks, "List a run's tasks."),
        _command(
            "info", "RUN[/STEP[/TASK]]", [_JSON], _info, "Tell about a run, a step or a task."
        ),
        _command(
            "state", "[RUN]", [_JSON], _state, "Tell what a run is doing now.  [default: the last]"
        ),
        _command(
            "logs",
            "RUN[/STEP[/TASK]]",
            [
                click.Option(["--stdout"], is_flag=True, help="Only standard output."),
                click.Option(["--stderr"], is_flag=True, help="Only standard error."),
                click.Option(["--attempt"], type=int, help="Which attempt.  [default: the last]"),
                click.Option(["--timestamps"], is_flag=True, help="With the time of each line."),
                click.Option(["--follow"], is_flag=True, help="Go on until the tasks have ended."),
                click.Option(
                    ["--build"], is_flag=True, help="What happened around the user's code."
                ),
                _JSON,
            ],
            _logs,
            "Show what tasks printed.",
        ),
        _command(
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
                _JSON,
            ],
            _dump,
            "Show the artifacts of tasks.",
        ),
        click.Command(
            "diff",
            params=[
                click.Argument(["run_a"]),
                click.Argument(["run_b"], required=False, default="latest_run"),
                _JSON,
            ],
            callback=_diff,
            help="Tell how two runs differ.  [default of RUN_B: the last]",
        ),
        _tag_group(),
    ]


def _command(
    name: str, metavar: str, options: list[click.Parameter], callback: Any, about: str
) -> click.Command:
    default = "latest_run" if metavar.startswith("[") else None
    argument = click.Argument(
        ["pathspec"], metavar=metavar, required=default is None, default=default
    )
    return click.Command(name, params=[argument, *options], callback=callback, help=about)


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
    _print(columns, _RUN_COLUMNS, as_json=options["as_json"])


@click.pass_context
def _list_tasks(ctx: click.Context, /, pathspec: str, **options: Any) -> None:
    columns = describe.tasks(pathspec=str(_of_run(ctx, pathspec)), status=options["status"])
    _print(columns, _TASK_COLUMNS, as_json=options["as_json"])


@click.pass_context
def _info(ctx: click.Context, pathspec: str, as_json: bool) -> None:
    spec = _of_run(ctx, pathspec)
    tell = {"run": describe.run, "step": describe.step, "task": describe.task}
    facts = tell[spec.level](pathspec=str(spec))
    if as_json:
        click.echo(json.dumps(facts, default=_json_text))
        return
    for name in _INFO_LINES:
        if facts.get(name) not in (None, []):
            head = name.removesuffix("_s").removesuffix("_bytes").replace("_", " ")
            click.echo(f"{head + ':':<16}{_fact_text(name, facts[name])}")
    if facts.get("exception"):
        _print_exception(facts["exception"])


def _fact_text(name: str, value: Any) -> str:
    if name.endswith("_at"):
        return time_text(value)
    if name.endswith("_bytes"):
        return size_text(value)
    return duration_text(value) if name.endswith("_s") else text(value)


def _print_exception(exception: dict[str, Any]) -> None:
    call = f" in {exception['call']}" if exception["call"] else ""
    click.echo(f"{'error:':<16}{exception['message']}{call}")
    for frame in reversed(exception["frames"]):
        click.echo(f"{'':<16}at {frame['file']}:{frame['line']} in {frame['call']}")


@click.pass_context
def _state(ctx: click.Context, pathspec: str, as_json: bool) -> None:
    told = describe.run_state(pathspec=str(_of_run(ctx, pathspec)))
    if as_json:
        told["steps"] = _rows(told["steps"])
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
def _logs(ctx: click.Context, /, pathspec: str, **options: Any) -> None:
    spec = _of_run(ctx, pathspec)
    one = "stdout" if options["stdout"] else "stderr"
    streams = (one,) if options["stdout"] != options["stderr"] else describe.STREAMS
    shown = _Shown(streams, options["attempt"])
    if options["build"]:
        run = describe.resolved(str(Pathspec(spec.flow, spec.run)))
        shown.tasks = lambda: describe.tasks(pathspec=f"{run}/{PARAMETERS}")["pathspec"]
    else:
        tasks = _awaited_tasks if options["follow"] else _tasks
        shown.tasks = lambda: list(tasks(ctx, str(spec)))
    # More tasks may come to a step that is followed.
    is_one = options["build"] or spec.level == "task"
    several = not is_one and (options["follow"] or len(shown.tasks()) > 1)
    with _ended_by_interrupt():
        while True:
            # Asked first: what was written before the end is among the new lines.
            goes_on = options["follow"] and _goes_on(str(spec))
            for line in shown.new_lines():
                _print_line(line, options, several=several)
            if not goes_on:
                return
            time.sleep(_FOLLOW_EVERY_S)


_FOLLOW_EVERY_S = 0.3


@dataclass
class _Shown:
    """Which lines have been shown.

    Args:
        streams: The streams to show.
        attempt: The attempt to show; None for the last.
        tasks: Finds the tasks, which become more while a run goes on.
        counts: How many lines of each task, attempt and stream have been shown.
    """

    streams: Sequence[str]
    attempt: int | None
    tasks: Callable[[], list[str]] = list
    counts: dict[tuple[str, int, str], int] = field(default_factory=dict)

    def new_lines(self) -> Iterator[dict[str, Any]]:
        """The lines that have come since the last time: ``pathspec at source stream text``."""
        for task in self.tasks():
            attempt = client.Task(task).current_attempt if self.attempt is None else self.attempt
            lines: list[tuple[float, dict[str, Any]]] = []
            for stream in self.streams:
                found = _rows(describe.log_lines(pathspec=task, stream=stream, attempt=attempt))
                seen = self.counts.get((task, attempt, stream), 0)
                self.counts[task, attempt, stream] = len(found)
                at = 0.0
                for line in found[seen:]:
                    # One without a time stays behind the line that it follows.
                    at = line["at"] or at
                    lines.append((at, {"pathspec": task, **line}))
            yield from (line for _, line in sorted(lines, key=lambda pair: pair[0]))


def _goes_on(pathspec: str) -> bool:
    """Whether there may be more to come from a task, a step or a run."""
    spec = Pathspec.parse(describe.resolved(pathspec))
    if spec.level == "task":
        with suppress(NotFound):
            return client.Task(str(spec)).status == "running"
    return client.Run(str(Pathspec(spec.flow, spec.run))).status == "running"


def _awaited_tasks(ctx: click.Context, given: str) -> Iterator[str]:
    """As `_tasks`; none of a step or a task that does not exist while its run goes on."""
    try:
        return _tasks(ctx, given)
    except (StepNotFound, TaskNotFound):
        if not _goes_on(given):
            raise
        return iter(())


def _print_line(line: dict[str, Any], options: dict[str, Any], *, several: bool) -> None:
    if options["as_json"]:
        click.echo(json.dumps(line))
        return
    stamp = f"{time_text(line['at'])} " if options["timestamps"] else ""
    head = f"[{line['pathspec'].partition('/')[2]}] " if several else ""
    click.echo(f"{stamp}{head}{line['text']}")


@contextmanager
def _ended_by_interrupt() -> Iterator[None]:
    """Ctrl-C ends what waits: R's own handler would wait for Python to come back."""
    restore = replace_handler(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        restore()


@click.pass_context
def _dump(ctx: click.Context, /, pathspec: str, **options: Any) -> None:
    wanted = (options["include"] or "").split(",") if options["include"] else None
    dumped = {
        task: _artifacts(task, private=options["private"], wanted=wanted)
        for task in _tasks(ctx, pathspec)
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
        return f"<R {artifact.type}, {size_text(artifact.size)}>"
    return repr(value)


@click.pass_context
def _diff(ctx: click.Context, run_a: str, run_b: str, as_json: bool) -> None:
    invocation, _ = ctx.obj
    a, b = (describe.resolved(str(_of_run(ctx, run))) for run in (run_a, run_b))
    found = diff_runs(a=a, b=b, code_a=invocation.code(a), code_b=invocation.code(b))
    if as_json:
        tables = {name: _rows(found[name]) for name in found if name not in ("a", "b")}
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
    for text_ in found["code"]["diff"]:
        click.echo(f"\n{text_}")


def _different(columns: dict[str, list[Any]], one: str, other: str) -> dict[str, list[Any]]:
    """The rows in which two columns differ."""
    rows = [row for row in _rows(columns) if row[one] != row[other]]
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


# Tags


def _tag_group() -> click.Group:
    tags = click.Argument(["tags"], nargs=-1, required=True)
    group = click.Group("tag", help="Look at a run's tags, or change them.")
    commands: list[tuple[str, list[click.Parameter], Any, str]] = [
        ("add", [tags, _run_id()], _tag_add, "Give a run tags."),
        ("remove", [tags, _run_id()], _tag_remove, "Take tags from a run."),
        (
            "replace",
            [click.Argument(["old"]), click.Argument(["new"]), _run_id()],
            _tag_replace,
            "Take a tag from a run and give it another.",
        ),
        (
            "list",
            [
                _run_id(),
                click.Option(["--hide-system-tags"], is_flag=True, help="Only users' tags."),
                _JSON,
            ],
            _tag_list,
            "List a run's tags.",
        ),
    ]
    for name, params, callback, about in commands:
        group.add_command(click.Command(name, params=params, callback=callback, help=about))
    return group


def _run_id() -> click.Option:
    return click.Option(["--run-id"], help="Which run.  [default: the last one here]")


@click.pass_context
def _tag_add(ctx: click.Context, tags: tuple[str, ...], run_id: str | None) -> None:
    _change_tags(ctx, run_id, add=tags)


@click.pass_context
def _tag_remove(ctx: click.Context, tags: tuple[str, ...], run_id: str | None) -> None:
    _change_tags(ctx, run_id, remove=tags)


@click.pass_context
def _tag_replace(ctx: click.Context, old: str, new: str, run_id: str | None) -> None:
    _change_tags(ctx, run_id, add=(new,), remove=(old,))


def _change_tags(
    ctx: click.Context,
    run_id: str | None,
    add: tuple[str, ...] = (),
    remove: tuple[str, ...] = (),
) -> None:
    run = str(_of_run(ctx, run_id or "latest_run"))
    tags = describe.tag(pathspec=run, add=add, remove=remove)
    click.echo(f"Tags of {run}: {', '.join(tags) or '(none)'}")


@click.pass_context
def _tag_list(
    ctx: click.Context, run_id: str | None, hide_system_tags: bool, as_json: bool
) -> None:
    facts = describe.run(pathspec=str(_of_run(ctx, run_id or "latest_run")))
    tags = facts["user_tags" if hide_system_tags else "tags"]
    click.echo(json.dumps(tags) if as_json else "\n".join(tags) or "(none)")


# Helpers


def _of_run(ctx: click.Context, given: str) -> Pathspec:
    """A pathspec of this flow, with or without the flow's name; whoever made the run."""
    client.namespace(None)
    flow = flow_name(ctx)
    spec = Pathspec.parse(given if given.split("/", maxsplit=1)[0] == flow else f"{flow}/{given}")
    if spec.level not in ("run", "step", "task"):
        raise InvalidPathspec(
            f"{given!r} is not a run, a step or a task.", "Write RUN, RUN/STEP or RUN/STEP/TASK."
        )
    return spec


def _tasks(ctx: click.Context, given: str) -> Iterator[str]:
    spec = _of_run(ctx, given)
    if spec.level == "task":
        # With the run's id in place of a word such as `latest_run`.
        return iter([describe.task(pathspec=str(spec))["pathspec"]])
    return iter(describe.tasks(pathspec=str(spec))["pathspec"])


def _print(columns: dict[str, list[Any]], shown: dict[str, str], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(_rows(columns)))
    else:
        click.echo(table(columns, shown, terminal_width()))


def _rows(columns: dict[str, list[Any]]) -> list[dict[str, Any]]:
    names = list(columns)
    return [dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _json_text(value: Any) -> str:
    """R's own bytes have no place in JSON; the sentences beside them do."""
    return f"<{len(value)} bytes>" if isinstance(value, bytes) else str(value)
