"""What the R client asks of the core.

The descriptions and tables are those of `client.describe`, `client.logs` and `client.state`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from metaflow_core import client
from metaflow_core.bridge.operations import operation
from metaflow_core.client import describe, logs, state
from metaflow_core.client.diff import diff_runs
from metaflow_core.compute.protocol import INLINE_LIMIT_BYTES
from metaflow_core.wire import Vector

operation("describe_flow")(describe.flow)
operation("describe_run")(describe.run)
operation("describe_step")(describe.step)
operation("describe_task")(describe.task)
operation("describe_artifact")(describe.artifact)
operation("last_failure")(describe.last_failure)
operation("log")(logs.log)
operation("log_lines")(logs.log_lines)
operation("run_state")(state.run_state)
operation("diff_runs")(diff_runs)
operation("tag")(describe.tag)
operation("replace_tags")(describe.replace_tags)


@operation("runs")
def runs(**asked: Any) -> dict[str, Any]:
    """The runs of a flow as a table (see `describe.runs`)."""
    return _in_columns(describe.runs(**asked))


@operation("tasks")
def tasks(**asked: Any) -> dict[str, Any]:
    """The tasks of a run or a step as a table (see `describe.tasks`)."""
    return _in_columns(describe.tasks(**asked))


def _in_columns(table: describe.Table) -> dict[str, Any]:
    """A table whose columns cross as R vectors where they can: ten thousand values at once."""
    return {name: _in_one_piece(column) for name, column in table.items()}


def _in_one_piece(column: list[Any]) -> Any:
    kinds = {type(value) for value in column if value is not None}
    return Vector(column) if len(kinds) == 1 and kinds <= {bool, float, str} else column


@operation("artifact")
def artifact(*, pathspec: str, spool: str, allow: Sequence[str] | None = None) -> dict[str, Any]:
    """An artifact's value, encoded as in `compute.protocol`, "How an artifact travels".

    Args:
        pathspec: ``Flow/run/step/task/artifact``.
        spool: Directory for a value that is too large for the answer.
        allow: Python packages whose objects may be unpickled, such as ``"pandas"``.
    """
    found = client.DataArtifact(describe.resolved(pathspec))
    allowed = (allow,) if isinstance(allow, str) else tuple(allow or ())
    return found.for_r(Path(spool), INLINE_LIMIT_BYTES, allowed)


@operation("list_flows")
def list_flows() -> list[str]:
    """Names of the flows that have a run in the current namespace."""
    return sorted(flow.id for flow in client.Metaflow())


@operation("get_namespace")
def get_namespace() -> str | None:
    """The namespace in force; None looks at everything."""
    return client.get_namespace()


@operation("set_namespace")
def set_namespace(*, name: str | None = None) -> str | None:
    """Look only at what has the tag *name*, or at everything with None."""
    return client.namespace(name)


@operation("default_namespace")
def default_namespace() -> str | None:
    """Go back to the current user's namespace."""
    return client.default_namespace()


@operation("get_metadata")
def get_metadata() -> str:
    """The store that is looked at, such as ``"local@/home/ada/flows"``."""
    return client.get_metadata()


@operation("set_metadata")
def set_metadata(*, text: str) -> str:
    """Look at another store: a directory, or ``local@directory``."""
    return client.metadata(text)


@operation("reset_metadata")
def reset_metadata() -> str:
    """Go back to the store that the configuration and the working directory name."""
    return client.default_metadata()
