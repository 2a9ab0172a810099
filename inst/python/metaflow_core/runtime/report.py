"""The last lines of a failed run: what failed, where, why, and what to do next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from metaflow_core.model.task import Failure, TaskKey


@dataclass(frozen=True, slots=True)
class FailedTask:
    """A task that failed for good.

    Args:
        pathspec: ``Flow/run/step/task``; without the task if it could not be registered.
        key: Its place in the graph.
        value: The foreach item it worked on, as short text.
        num_splits: Size of the innermost foreach, 0 outside of one.
        failure: Why.
    """

    pathspec: str
    key: TaskKey
    failure: Failure
    value: str = ""
    num_splits: int = 0


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a run ended.

    Args:
        pathspec: ``Flow/run``.
        status: ``"successful"``, ``"failed"`` or ``"interrupted"``.
        failed: Tasks that failed for good.
        stopped: Pathspecs of the tasks that were ended because of it.
        never_ran: Steps that were not reached.
    """

    pathspec: str
    status: str
    failed: Sequence[FailedTask] = field(default_factory=tuple)
    stopped: Sequence[str] = field(default_factory=tuple)
    never_ran: Sequence[str] = field(default_factory=tuple)

    def as_data(self, report: str) -> dict[str, Any]:
        """The result as plain data."""
        return {
            "pathspec": self.pathspec,
            "run_id": self.pathspec.split("/")[1],
            "status": self.status,
            "report": report,
            "failed": [
                {
                    "pathspec": task.pathspec,
                    "kind": task.failure.kind,
                    "message": task.failure.message,
                    "call": task.failure.call,
                    "classes": list(task.failure.classes),
                    "frames": [dict(frame) for frame in task.failure.frames],
                    "condition": task.failure.condition,
                }
                for task in self.failed
            ],
        }


_MOST_FRAMES = 6
_MOST_TASKS = 5


def report(result: RunResult, command: Callable[[str], str]) -> str:
    """The report of a run that did not succeed, about a dozen lines.

    Args:
        result: How the run ended.
        command: Makes what the user types of a subcommand, such as ``"resume"``.
    """
    run_id = result.pathspec.split("/")[1]
    lines: list[str] = []
    for task in result.failed[:_MOST_TASKS]:
        lines += _task_lines(task)
    if len(result.failed) > _MOST_TASKS:
        lines.append(f"... and {len(result.failed) - _MOST_TASKS} more failed tasks.")
    if result.stopped:
        why = "it" if result.failed else "the interrupt"
        lines.append(f"Stopped because of {why}: {_some(result.stopped)}")
    if result.never_ran:
        lines.append(f"Did not run: {_some(result.never_ran)}")
    if result.failed:
        lines.append(f"Log:    {command('logs ' + _short(result.failed[0].pathspec))}")
    lines.append(f"Resume: {command(f'resume --origin-run-id {run_id}')}")
    return "\n".join(lines)


def _task_lines(task: FailedTask) -> list[str]:
    failure = task.failure
    where = f"Step {task.key.step} failed: {_short(task.pathspec)}"
    if task.num_splits:
        where += f", split {task.key.indexes[-1] + 1} of {task.num_splits}"
        where += f": {task.value}" if task.value else ""
    message = failure.message.strip()
    if failure.kind == "error":
        message = f"Error in {failure.call}: {message}" if failure.call else f"Error: {message}"
    lines = [where, *(f"  {line}" for line in message.splitlines()[:_MOST_FRAMES])]
    return lines + [f"  at {_frame(frame)}" for frame in reversed(failure.frames[-_MOST_FRAMES:])]


def _frame(frame: dict[str, Any]) -> str:
    place = f"{frame['file']}:{frame['line']} in " if frame.get("file") else ""
    return f"{place}{frame['call']}"


def _short(pathspec: str) -> str:
    return pathspec.partition("/")[2]


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_MOST_TASKS])
    more = len(names) - _MOST_TASKS
    return f"{shown} and {more} more" if more > 0 else shown
