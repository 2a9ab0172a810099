"""Commands that take care of the store: `fsck gc`."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from metaflow_core.cli.invocation import flow_name
from metaflow_core.cli.looking import JSON
from metaflow_core.cli.table import size_text
from metaflow_core.client.scope import current_store
from metaflow_core.datastore import fsck, gc
from metaflow_core.datastore.attempts import FlowDatastore


def care_commands() -> list[click.Command]:
    """The commands, for the store of the flow that is invoked."""
    return [
        click.Command(
            "fsck",
            params=[
                click.Argument(["run"], required=False),
                click.Option(["--remove"], is_flag=True, help="Remove blobs that are damaged."),
                JSON,
            ],
            callback=_fsck,
            help="Read all that is stored, of RUN or of all runs, and tell what is damaged.",
        ),
        click.Command(
            "gc",
            params=[
                click.Option(["--remove"], is_flag=True, help="Remove them."),
                JSON,
            ],
            callback=_gc,
            help="List what no run refers to any more.",
        ),
    ]


@click.pass_context
def _fsck(ctx: click.Context, run: str | None, remove: bool, as_json: bool) -> None:
    store = _store(ctx)
    damages = fsck.verify(store, run)
    n_removed = fsck.remove(store, damages) if remove else 0
    if as_json:
        click.echo(json.dumps([asdict(damage) for damage in damages]))
    else:
        for damage in damages:
            click.echo(f"{damage.message}\n  affects: {', '.join(damage.affected)}")
        click.echo(f"{len(damages)} damaged objects.")
    if remove and not as_json:
        click.echo(f"Removed {n_removed} blobs; running the flow again makes them anew.")
    ctx.exit(1 if damages else 0)


@click.pass_context
def _gc(ctx: click.Context, remove: bool, as_json: bool) -> None:
    store = _store(ctx)
    keys = gc.unreferenced(store)
    freed_bytes = gc.remove(store, keys) if remove else 0
    if as_json:
        click.echo(json.dumps({"unreferenced": keys, "freed_bytes": freed_bytes}))
    elif remove:
        click.echo(f"Removed {len(keys)} blobs, {size_text(freed_bytes)}.")
    else:
        click.echo(f"{len(keys)} blobs that no run refers to. `gc --remove` removes them.")


def _store(ctx: click.Context) -> FlowDatastore:
    return FlowDatastore(current_store().storage, flow_name(ctx))
