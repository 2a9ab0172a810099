"""The last lines of a failed run: what failed, where, why, and what to do next."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from metaflow_core.model.task import FAILURE_KINDS, Failure, TaskKey
from metaflow_core.runtime.failure import place


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


_MOST_LINES = 6
"""Lines of a message that are shown."""

_MOST_CHARS = 300
"""Characters of such a line that are shown."""

_INNERMOST_FRAMES = 3
"""Frames that are shown beside the outermost one, which is the step's function."""

_MOST_REASONS = 3
"""Reasons for which tasks failed that are shown, the first one at length."""

_MOST_MESSAGES = 2
"""Further messages that are shown of tasks that failed at the same place."""

_MOST_TASKS = 5
"""Tasks and steps that are shown where there are many."""

_PARTS_OF_TASK = 4
"""Parts of the pathspec ``Flow/run/step/task``."""


def report(result: RunResult, command: Callable[[str], str], elsewhere: str | None = None) -> str:
    """The report of a run that did not succeed, about a dozen lines.

    Args:
        result: How the run ended.
        command: Makes what the user types of a subcommand, such as ``"resume"``.
        elsewhere: The datastore's root, where a session would not look there by itself.
    """
    run_id = result.pathspec.split("/")[1]
    reasons = _reasons(result.failed)
    lines: list[str] = []
    for tasks in reasons[:_MOST_REASONS]:
        lines += _reason_lines(tasks, at_length=not lines)
    rest = sum(len(tasks) for tasks in reasons[_MOST_REASONS:])
    if rest:
        lines.append(f"... and {rest} more failed {_tasks(rest)}.")
    if result.stopped:
        why = "it" if result.failed else "the interrupt"
        lines.append(f"Stopped because of {why}: {_some(result.stopped)}")
    if result.never_ran:
        lines.append(f"Did not run: {_some(result.never_ran)}")
    if result.failed:
        lines += _looking(result.failed[0].pathspec, command, elsewhere)
    lines.append(f"Resume: {command(f'resume --origin-run-id {run_id}')}")
    return "\n".join(lines)


def _reasons(failed: Sequence[FailedTask]) -> list[list[FailedTask]]:
    """The failed tasks, those together that failed for the same reason, first failure first."""
    found: dict[Hashable, list[FailedTask]] = {}
    for task in failed:
        found.setdefault(_reason(task), []).append(task)
    return list(found.values())


def _reason(task: FailedTask) -> Hashable:
    """The place in the code where R knows it; the message may tell of the item, too."""
    failure = task.failure
    places = tuple((f["file"], f["line"]) for f in failure.frames if f.get("file"))
    return task.key.step, failure.kind, places or failure.message


def _reason_lines(tasks: Sequence[FailedTask], *, at_length: bool) -> list[str]:
    first, *others = tasks
    failure = first.failure
    lines = [_headline(first)]
    if at_length:
        lines += [f"  {line}" for line in _message(failure)[:_MOST_LINES]]
        lines += [f"  {line}" for line in _frame_lines(failure.frames)]
    else:
        lines += [f"  {line}" for line in _message(failure)[:1]]
        lines += [f"  at {place(frame)}" for frame in failure.frames[-1:]]
    same = [task for task in others if task.failure.message == failure.message]
    other = [task for task in others if task.failure.message != failure.message]
    for task in other[:_MOST_MESSAGES]:
        lines += [f"  and {_where(task)}: {line}" for line in _message(task.failure)[:1]]
    lines += _more(same, "for the same reason") + _more(other[_MOST_MESSAGES:], "at the same place")
    return lines


def _more(tasks: Sequence[FailedTask], how: str) -> list[str]:
    paths = _some([_short(task.pathspec) for task in tasks])
    return [f"  and {len(tasks)} more {_tasks(len(tasks))} {how}: {paths}"] if tasks else []


def _headline(task: FailedTask) -> str:
    befell = FAILURE_KINDS.get(task.failure.kind, "failed")
    return f"Step {task.key.step} {befell}: {_where(task)}"


def _where(task: FailedTask) -> str:
    line = _short(task.pathspec)
    if task.num_splits:
        line += f", split {task.key.indexes[-1] + 1} of {task.num_splits}"
        line += f": {task.value}" if task.value else ""
    return line


def _message(failure: Failure) -> list[str]:
    text = failure.message.strip()
    # What R raised has a call, or at least a class; other failures are sentences of their own.
    if failure.call:
        text = f"Error in {failure.call}: {text}"
    elif failure.kind == "error":
        text = f"Error: {text}"
    return [
        line if len(line) <= _MOST_CHARS else f"{line[:_MOST_CHARS]}..."
        for line in text.splitlines()
    ]


def _frame_lines(frames: Sequence[Mapping[str, Any]]) -> list[str]:
    """The innermost frames and the outermost one, that of the step."""
    lines = [f"at {place(frame)}" for frame in reversed(frames)]
    if len(lines) <= _INNERMOST_FRAMES + 1:
        return lines
    left_out = len(lines) - _INNERMOST_FRAMES - 1
    return [*lines[:_INNERMOST_FRAMES], f"... {left_out} more", lines[-1]]


def quoted(text: str) -> str:
    """*text* as R's users write it."""
    return json.dumps(text, ensure_ascii=False)


def _looking(pathspec: str, command: Callable[[str], str], elsewhere: str | None) -> list[str]:
    lines = [f"Log:    {command('logs ' + _short(pathspec))}"]
    # A task that could not be registered cannot be entered.
    is_task = pathspec.count("/") == _PARTS_OF_TASK - 1
    there = f"set_metadata({quoted(elsewhere)}); " if elsewhere else ""
    return [f'Debug:  {there}debug_task("{pathspec}")', *lines] if is_task else lines


def _tasks(count: int) -> str:
    return "task" if count == 1 else "tasks"


def _short(pathspec: str) -> str:
    return pathspec.partition("/")[2]


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_MOST_TASKS])
    more = len(names) - _MOST_TASKS
    return f"{shown} and {more} more" if more > 0 else shown
