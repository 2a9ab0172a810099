"""The command `logs`."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Any

import click

from metaflow_core import client
from metaflow_core.cli.looking import JSON, looking_command, of_run, tasks_of
from metaflow_core.cli.table import time_text
from metaflow_core.client import describe
from metaflow_core.client.logs import STREAMS, TaskLine, TaskLogReader, check_attempt
from metaflow_core.compute.loop import replace_handler
from metaflow_core.datastore.mflog import LOAD
from metaflow_core.errors import NotFound, StepNotFound, TaskNotFound
from metaflow_core.model.flow import PARAMETERS
from metaflow_core.model.pathspec import Pathspec

_FOLLOW_EVERY_S = 0.3

_LINES_AT_ONCE = 100
"""To hand over each line by itself would cost more than to read it."""


def logs_command() -> click.Command:
    """The command, for runs of the flow that is invoked."""
    options: list[click.Parameter] = [
        click.Option(["--stdout"], is_flag=True, help="Only standard output."),
        click.Option(["--stderr"], is_flag=True, help="Only standard error."),
        click.Option(["--attempt"], type=int, help="Which attempt.  [default: the last]"),
        click.Option(["--timestamps"], is_flag=True, help="With the time of each line."),
        click.Option(["--follow"], is_flag=True, help="Go on until the tasks have ended."),
        click.Option(["--build"], is_flag=True, help="What came before the steps' own code."),
        JSON,
    ]
    return looking_command(
        "logs", "[RUN[/STEP[/TASK]]]", options, _logs, "Show what tasks printed."
    )


@click.pass_context
def _logs(ctx: click.Context, /, pathspec: str, **options: Any) -> None:
    spec = of_run(ctx, pathspec)
    parts = _parts(ctx, spec, options)
    follow, attempt = options["follow"], options["attempt"]
    # An attempt may be waited for, and tasks of one step may have had more than others.
    if attempt is not None and spec.level == "task" and not follow:
        check_attempt(describe.resolved(str(spec)), attempt)
    several = _are_several(spec, parts, options)
    with _ended_by_interrupt():
        while True:
            # Asked first: what was written before the end is among the new lines.
            goes_on = follow and _goes_on(str(spec))
            for part in parts:
                lines = part.new_lines(is_over=not goes_on)
                _print_lines(_line_text(line, options, several=several) for line in lines)
            if not goes_on:
                return
            time.sleep(_FOLLOW_EVERY_S)


@dataclass(frozen=True)
class _Part:
    """Tasks whose logs are shown.

    Args:
        find: Finds them; they may become more while a run goes on.
        reader: Reads their logs.
        sources: Only lines of these sources; with None all.
    """

    find: Callable[[], Iterator[str]]
    reader: TaskLogReader
    sources: Container[str] | None = None

    def new_lines(self, *, is_over: bool) -> Iterator[TaskLine]:
        found = self.reader.new_lines(self.find(), is_over=is_over)
        return (line for line in found if self.sources is None or line.line.source in self.sources)


def _parts(ctx: click.Context, spec: Pathspec, options: dict[str, Any]) -> list[_Part]:
    """What is shown of a run, a step or a task.

    The run's own log is that of the task `_parameters`. It has, among others, what R printed when
    it loaded the flow for all tasks; a task that did so for itself has that in its own log.
    """
    one = "stdout" if options["stdout"] else "stderr"
    streams = (one,) if options["stdout"] != options["stderr"] else STREAMS
    find = partial(_awaited_tasks if options["follow"] else tasks_of, ctx, str(spec))
    reader = TaskLogReader(streams, options["attempt"])
    if not options["build"]:
        return [_Part(find, reader)]
    find_run = partial(tasks_of, ctx, f"{spec.flow}/{spec.run}/{PARAMETERS}")
    own = _Part(find_run, TaskLogReader(streams))
    if spec.level == "run":
        return [own]
    return [replace(own, sources=(LOAD,)), _Part(find, reader, (LOAD,))]


def _are_several(spec: Pathspec, parts: Sequence[_Part], options: dict[str, Any]) -> bool:
    """Whether lines of more than one task may be shown, so that each has to name its task."""
    if options["build"] or spec.level == "task":
        return len(parts) > 1
    # More tasks may come to a step that is followed.
    return options["follow"] or len(list(parts[0].find())) > 1


def _goes_on(pathspec: str) -> bool:
    """Whether there may be more to come from a task, a step or a run."""
    spec = Pathspec.parse(describe.resolved(pathspec))
    if spec.level == "task":
        with suppress(NotFound):
            return client.Task(str(spec)).status == "running"
    return client.Run(str(Pathspec(spec.flow, spec.run))).status == "running"


def _awaited_tasks(ctx: click.Context, given: str) -> Iterator[str]:
    """As `tasks_of`; none of a step or a task that does not exist while its run goes on."""
    try:
        return tasks_of(ctx, given)
    except (StepNotFound, TaskNotFound):
        if not _goes_on(given):
            raise
        return iter(())


def _line_text(found: TaskLine, options: dict[str, Any], *, several: bool) -> str:
    line = found.line
    if options["as_json"]:
        told = {"at": line.at, "source": line.source, "stream": found.stream, "text": line.text}
        return json.dumps({"pathspec": found.pathspec, **told})
    stamp = f"{time_text(line.at)} " if options["timestamps"] else ""
    head = f"[{found.pathspec.partition('/')[2]}] " if several else ""
    return f"{stamp}{head}{line.text}"


def _print_lines(texts: Iterable[str]) -> None:
    rest = iter(texts)
    while some := list(islice(rest, _LINES_AT_ONCE)):
        click.echo("\n".join(some))


@contextmanager
def _ended_by_interrupt() -> Iterator[None]:
    """Ctrl-C ends what waits: R's own handler would wait for Python to come back."""
    restore = replace_handler(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        restore()
