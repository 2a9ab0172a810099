"""The commands `tag add`, `tag remove`, `tag replace` and `tag list`."""

from __future__ import annotations

import json
from typing import Any

import click

from metaflow_core.cli.looking import JSON, of_run
from metaflow_core.client import describe


def tag_group() -> click.Group:
    """The commands, for runs of the flow that is invoked."""
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
                JSON,
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
    run = str(of_run(ctx, run_id or "latest_run"))
    tags = describe.tag(pathspec=run, add=add, remove=remove)
    click.echo(f"Tags of {run}: {', '.join(tags) or '(none)'}")


@click.pass_context
def _tag_list(
    ctx: click.Context, run_id: str | None, hide_system_tags: bool, as_json: bool
) -> None:
    facts = describe.run(pathspec=str(of_run(ctx, run_id or "latest_run")))
    tags = facts["user_tags" if hide_system_tags else "tags"]
    click.echo(json.dumps(tags) if as_json else "\n".join(tags) or "(none)")
