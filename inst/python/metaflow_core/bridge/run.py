"""The operation behind R's `run()`."""

from __future__ import annotations

import platform
from contextlib import closing, nullcontext
from typing import Any

from metaflow_core import __version__, config
from metaflow_core.bridge.operations import Live, operation
from metaflow_core.cli.ahead import will_fork
from metaflow_core.compute.ahead import start_ahead
from metaflow_core.compute.session import RSession


@operation("command")
def command(
    *,
    spec: dict[str, Any],
    session: dict[str, Any],
    options: dict[str, Any] | None,
    terminal: dict[str, Any],
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
        live: The way back to R.

    Returns:
        ``exit_code``, and for a run ``run`` (see `RunResult.as_data`).
    """
    asker, given = RSession(**session), options or {}
    ahead = start_ahead(asker) if will_fork(terminal["argv"], given) else None
    with closing(ahead) if ahead else nullcontext():
        # Imported here because the command line takes a tenth of a second to load: R starts in it.
        from metaflow_core.bridge.spec import flow_from_spec
        from metaflow_core.cli.invocation import Invocation
        from metaflow_core.cli.main import main

        flow = flow_from_spec(spec)

        def evaluate_default(parameter: str) -> Any:
            context = {
                "flow_name": flow.name,
                "user_name": config.user(),
                "parameter_name": parameter,
            }
            return live.ask_r("default", name=parameter, context=context)

        invocation = Invocation(
            flow=flow,
            session=asker,
            options=given,
            emit=live.emit,
            payload=lambda: live.ask_r("payload"),
            evaluate_default=evaluate_default,
            spin=lambda given, **options: live.ask_r("spin", given=given, **options),
            preflight=lambda sends: live.ask_r("preflight", sends=sends),
            serve_inline=live.serve_inline,
            code=lambda run: live.ask_r("code", pathspec=run),
            ahead=ahead,
            **terminal,
        )
        result = main(invocation)
        return {"exit_code": result.exit_code, **result.data}


@operation("version")
def version() -> dict[str, str]:
    """Versions of Python and of the core."""
    return {"python": platform.python_version(), "core": __version__}
