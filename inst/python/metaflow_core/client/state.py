"""What a run is doing, as plain data: see `describe`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from metaflow_core.client import process
from metaflow_core.client.describe import as_table, resolved, steps_of
from metaflow_core.client.run import Run
from metaflow_core.client.step import Step
from metaflow_core.client.task import Task


def run_state(*, pathspec: str) -> dict[str, Any]:
    """What a run is doing.

    Returns:
        What it said itself when it last did (``at host pid running waiting`` …), with
        ``pathspec``, ``status``, ``tasks`` (number of tasks by status) and ``steps``, a table of
        how many tasks of each step are ``done failed running``, and how many are ``expected``,
        None if that is not known yet. While it runs, its own word counts for the tasks of a
        foreach, of which a caught one is ``successful``. A running attempt has
        ``pid cpu_s memory_bytes`` where the run is on this machine, else None.
    """
    found = Run(resolved(pathspec))
    status = found.status
    told = dict(found.state() or {})
    told.pop("ending", None)
    tallies = {tally["step"]: tally for tally in told.get("steps") or ()}
    # There may be thousands of tasks: they are looked at only where the run does not tell of them.
    counted = tallies if status == "running" else {}
    begun = steps_of(found.pathspec)
    statuses = {step.id: [task.status for task in step] for step in begun if step.id not in counted}
    is_here = process.is_here(told)
    told["running"] = [_running(one, is_here) for one in told.get("running") or ()]
    if status != "running":
        told["running"], told["waiting"] = [], []
    steps = [
        counted.get(step.id) or _tally(step, statuses[step.id], tallies.get(step.id))
        for step in begun
    ]
    return {
        **told,
        "pathspec": found.pathspec,
        "status": status,
        "tasks": _by_status(statuses.values(), [counted[s.id] for s in begun if s.id in counted]),
        "steps": as_table(steps, ("step", "done", "failed", "running", "expected")),
    }


def _by_status(
    statuses: Iterable[Sequence[str]], tallies: Iterable[Mapping[str, Any]]
) -> dict[str, int]:
    counts = Counter(status for of_step in statuses for status in of_step)
    for tally in tallies:
        counts["successful"] += tally["done"]
        counts["failed"] += tally["failed"]
        counts["running"] += tally["running"]
    return {status: count for status, count in sorted(counts.items()) if count}


def _running(attempt: Mapping[str, Any], is_here: bool) -> dict[str, Any]:
    pid = process.pid_of(attempt["worker"])
    used = process.usage(pid) if is_here and pid else None
    return {
        **attempt,
        "pid": pid,
        "cpu_s": used.cpu_s if used else None,
        "memory_bytes": used.memory_bytes if used else None,
    }


def _tally(step: Step, statuses: Sequence[str], told: Mapping[str, Any] | None) -> dict[str, Any]:
    """How far a step has come; *told* is what the run itself said last, if it did."""
    return {
        "step": step.id,
        "done": sum(status in ("successful", "caught") for status in statuses),
        "failed": statuses.count("failed"),
        "running": statuses.count("running"),
        "expected": told["expected"] if told else next(map(_expected, step), None),
    }


def _expected(task: Task) -> int | None:
    """How many tasks the step of *task* has; None where other foreaches stand around its own."""
    stack = task.foreach_stack
    if len(stack) > 1:
        return None
    return stack[0].num_splits if stack else None if task.foreach_path else 1
