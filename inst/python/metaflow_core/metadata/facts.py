"""The facts about a task that readers look for, and nothing else.

Stock Metaflow registers some fifteen facts a task, most of which repeat the run's system tags.
Each fact is a file in the local store, so these are those that its client asks for.
"""

from __future__ import annotations

from collections.abc import Sequence

from metaflow_core.metadata.provider import MetaDatum
from metaflow_core.model.task import ForeachFrame


def at_start(
    attempt: int, ds_type: str, ds_root: str, frames: Sequence[ForeachFrame] = ()
) -> list[MetaDatum]:
    """What is known when an attempt begins.

    Args:
        attempt: Counted from 0.
        ds_type, ds_root: Type and root of the storage that holds its artifacts and logs.
        frames: Where the task is in its foreachs, outermost first.
    """
    facts = {"attempt": str(attempt), "ds-type": ds_type, "ds-root": ds_root}
    if frames:
        # Stock Metaflow's client finds the parents and children of a task by this.
        facts["foreach-execution-path"] = ",".join(f"{f.step}:{f.index}" for f in frames)
    return [_fact(field, value, attempt) for field, value in facts.items()]


def at_end(attempt: int, ok: bool) -> list[MetaDatum]:
    """What is known when an attempt has ended; stock Metaflow's client now reads its artifacts.

    Args:
        attempt: Counted from 0.
        ok: Whether it did what it should.
    """
    return [
        _fact("attempt_ok", str(ok), attempt, "internal_attempt_status"),
        _fact("attempt-done", str(attempt), attempt),
    ]


def of_clone(origin_run: str, origin_task: str) -> list[MetaDatum]:
    """Where a cloned task comes from; readers take its logs from there."""
    return [
        _fact("origin-run-id", origin_run, 0),
        _fact("origin-task-id", origin_task, 0),
    ]


def of_resumed_run(origin_run: str, attempt: int) -> list[MetaDatum]:
    """Which run an executed task's run resumes."""
    return [_fact("origin-run-id", origin_run, attempt)]


def of_graph(start_step: str, end_step: str) -> list[MetaDatum]:
    """Where the run begins and ends; belongs to the task of the parameters."""
    ends = {"start_step": start_step, "end_step": end_step}
    return [MetaDatum(field, value, "graph_structure") for field, value in ends.items()]


def _fact(field: str, value: str, attempt: int, kind: str = "") -> MetaDatum:
    return MetaDatum(field, value, kind, (f"attempt_id:{attempt}",))
