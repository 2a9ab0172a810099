"""The operation behind R's `run()`."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from metaflow_core import __version__, config
from metaflow_core.bridge.operations import Live, operation
from metaflow_core.bridge.spec import flow_from_spec
from metaflow_core.cli.invocation import Invocation
from metaflow_core.cli.main import main
from metaflow_core.compute.fork import ZygoteProcess
from metaflow_core.compute.session import RSession


@operation("command")
def command(  # noqa: PLR0913 -- R names each of them
    *,
    spec: dict[str, Any],
    session: dict[str, Any],
    options: dict[str, Any] | None,
    terminal: dict[str, Any],
    ahead: dict[str, Any] | None = None,
    live: Live,
) -> dict[str, Any]:
    """Do what a command line, or the arguments of `run()`, ask for.

    Args:
        spec: The flow (see `bridge.spec`).
        session: Fields of `RSession`.
        options: Arguments of `run()` by name.
        terminal: ``argv`` (words of the command line), ``script`` (how the user calls it, or
            ""), ``variable`` (what the user calls the flow in R), ``colour`` (whether the console
            shows colours).
        ahead: Arguments of `ZygoteProcess.adopt`; None if R has not started one.
        live: The way back to R.

    Returns:
        ``exit_code``, and for a run ``run`` (see `RunResult.as_data`).
    """
    flow = flow_from_spec(spec)

    def evaluate_default(parameter: str) -> Any:
        context = {
            "flow_name": flow.name,
            "user_name": config.user(),
            "parameter_name": parameter,
        }
        return live.ask_r("default", name=parameter, context=context)

    with _adopted(ahead) as zygote:
        invocation = Invocation(
            flow=flow,
            session=RSession(**session),
            options=options or {},
            emit=live.emit,
            payload=lambda: live.ask_r("payload"),
            evaluate_default=evaluate_default,
            spin=lambda given, **options: live.ask_r("spin", given=given, **options),
            preflight=lambda sends: live.ask_r("preflight", sends=sends),
            serve_inline=live.serve_inline,
            code=lambda run: live.ask_r("code", pathspec=run),
            ahead=zygote,
            **terminal,
        )
        result = main(invocation)
        return {"exit_code": result.exit_code, **result.data}


@contextmanager
def _adopted(ahead: dict[str, Any] | None) -> Iterator[ZygoteProcess | None]:
    """What R has started ahead, ended when the command is done, whether or not there was a run."""
    if ahead is None:
        yield None
        return
    # An empty list of R has no names.
    zygote = ZygoteProcess.adopt(**{**ahead, "environment": ahead["environment"] or {}})
    try:
        yield zygote
    finally:
        zygote.end()


@operation("version")
def version() -> dict[str, str]:
    """Versions of Python and of the core."""
    return {"python": platform.python_version(), "core": __version__}
