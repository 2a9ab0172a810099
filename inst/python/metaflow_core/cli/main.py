"""The command line of a flow: one click group, made for the flow it belongs to."""

from __future__ import annotations

import contextlib
import difflib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from metaflow_core.cli.care_commands import care_commands
from metaflow_core.cli.invocation import CommandResult, Invocation
from metaflow_core.cli.looking import what_there_is
from metaflow_core.cli.options import command_line
from metaflow_core.cli.read_commands import read_commands
from metaflow_core.cli.run_commands import run_commands
from metaflow_core.client import scope
from metaflow_core.datastore.local import FOLDER
from metaflow_core.errors import FlowNotFound, RunNotFound, StepNotFound, TaskNotFound


class FlowGroup(click.Group):
    """A group that helps who asks for a command, or for a run, that is not there."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the first word names."""
        name = args[0]
        if name not in self.commands:
            near = difflib.get_close_matches(name, list(self.commands), n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            ctx.fail(f"No such command {name!r}.{hint}")
        return name, self.commands[name], args[1:]

    def invoke(self, ctx: click.Context) -> Any:
        """Do the command; what is not there is told with the command that tells what is."""
        try:
            return super().invoke(ctx)
        except (FlowNotFound, RunNotFound, StepNotFound, TaskNotFound) as absent:
            if absent.hint:
                raise
            raise type(absent)(absent.message, what_there_is(ctx, absent)) from None

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order they are worth knowing."""
        return list(self.commands)


def main(invocation: Invocation) -> CommandResult:
    """Do what the command line and the arguments of `run()` ask for.

    Raises:
        MetaflowError: If it cannot be done; nothing of it has been printed yet.
    """
    result = CommandResult()
    group = flow_group(invocation)
    with _printing(invocation), scope.temporary():
        try:
            words, defaults = command_line(group, invocation.argv, invocation.options)
            exit_code = group.main(
                words,
                prog_name=invocation.script or "run()",
                standalone_mode=False,
                obj=(invocation, result),
                default_map=defaults,
            )
            # What click has shown itself, such as the help, ends with an exit code.
            result.exit_code = exit_code or result.exit_code
        except click.ClickException as problem:
            if invocation.script:
                # In a session, the message is that of the R error.
                problem.show()
            result.exit_code = problem.exit_code
            result.data = {"message": problem.format_message()}
        except click.Abort:
            result.exit_code = 130
    return result


def flow_group(invocation: Invocation) -> click.Group:
    """The flow's commands."""
    group = FlowGroup(
        "flow",
        params=_group_options(),
        callback=_look_at_root,
        help=f"Run {invocation.flow.name}, resume it, and look at its runs.",
        context_settings={"help_option_names": ["--help"], "show_default": False},
    )
    for command in [*run_commands(invocation.flow), *read_commands(), *care_commands()]:
        group.add_command(command)
    return group


def _look_at_root(datastore_root: str | None, **options: Any) -> None:
    """Commands that read look where the others write."""
    if datastore_root is not None and Path(datastore_root, FOLDER).is_dir():
        scope.metadata(datastore_root)


def _group_options() -> list[click.Parameter]:
    return [
        click.Option(["--quiet/--not-quiet"], default=False, help="Print only what tasks print."),
        click.Option(["--datastore"], help="Where artifacts go: local.", metavar="TYPE"),
        click.Option(["--datastore-root"], help="Its root.", metavar="DIR"),
        click.Option(["--metadata"], help="Where runs are registered: local.", metavar="TYPE"),
        click.Option(["--package-suffixes"], help="Files that a code package takes."),
        click.Option(
            ["--with", "with_"], multiple=True, metavar="SPEC", help="Decorator for every step."
        ),
        click.Option(["--pylint/--no-pylint"], default=True, hidden=True),
    ]


class _Emitter(io.TextIOBase):
    """A text file that hands over what is written to it."""

    def __init__(self, emit: Any, stream: str) -> None:
        self._emit, self._stream = emit, stream

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            # How click finds out whether a file takes text or bytes.
            raise TypeError(f"text is written here, not {type(text).__name__}")
        if text:
            self._emit(text, self._stream)
        return len(text)


@contextlib.contextmanager
def _printing(invocation: Invocation) -> Iterator[None]:
    """What click prints goes where the rest goes."""
    out, err = _Emitter(invocation.emit, "stdout"), _Emitter(invocation.emit, "stderr")
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        yield
