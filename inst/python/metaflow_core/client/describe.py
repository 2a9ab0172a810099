"""Runs and what is in them as plain data: for R, for the command line, for JSON.

Times are seconds since 1970. A table is a dict of columns of one length, each a list; what is not
known is None. Wherever a pathspec names a run, ``latest_run`` and ``latest_successful_run`` stand
for its id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from functools import cache
from itertools import islice
from typing import Any

from metaflow_core.client import standing
from metaflow_core.client.artifact import DataArtifact
from metaflow_core.client.code import MetaflowCode
from metaflow_core.client.flow import Flow
from metaflow_core.client.history import Ending
from metaflow_core.client.metaflow import Metaflow
from metaflow_core.client.object import MetaflowObject
from metaflow_core.client.run import Run
from metaflow_core.client.step import Step
from metaflow_core.client.task import Task
from metaflow_core.datastore.attempts import PICKLE
from metaflow_core.errors import InvalidPathspec, RunNotFound
from metaflow_core.metadata.provider import RunFilter
from metaflow_core.model.pathspec import Pathspec
from metaflow_core.model.task import Failure

Table = dict[str, list[Any]]
Facts = Mapping[str, Callable[[], Any]]

_ATTEMPT_COLUMNS = ("number", "started_at", "finished_at", "ok")


def flow(*, pathspec: str, only: Sequence[str] | None = None) -> dict[str, Any]:
    """A flow and the ids of its runs, newest first; see `_told` for *only*."""
    found = Flow(pathspec)
    facts: Facts = {
        "finished_at": lambda: _seconds(found.latest_run.finished_at) if found.latest_run else None,
        "latest_run": lambda: _id(found.latest_run),
        "latest_successful_run": lambda: _id(found.latest_successful_run),
        "runs": lambda: [run.id for run in found],
    }
    return _told(found, facts, only)


def run(*, pathspec: str, only: Sequence[str] | None = None) -> dict[str, Any]:
    """A run, the steps that it has reached in the order of the graph, and what failed in it.

    See `_told` for *only*.
    """
    found = Run(resolved(pathspec))
    facts: Facts = {
        "status": lambda: found.status,
        "finished": lambda: found.finished,
        "successful": lambda: found.successful,
        "finished_at": lambda: _seconds(found.finished_at),
        "duration_s": lambda: found.duration_s,
        "end_task": lambda: _id(found.end_task),
        "artifacts": lambda: _public_artifacts(found.end_task) if found.end_task else [],
        "steps": lambda: [step.id for step in found.steps_in_order()],
        "failed_tasks": lambda: [task.pathspec for task in found.failed_tasks],
        "parameters": lambda: found.parameters,
        "origin_run_id": lambda: found.origin_run_id,
        "code": lambda: _code(found.code),
    }
    return _told(found, facts, only)


def step(*, pathspec: str, only: Sequence[str] | None = None) -> dict[str, Any]:
    """A step of a run and the ids of its tasks, first one first; see `_told` for *only*."""
    found = Step(resolved(pathspec))
    tasks = cache(found.tasks_in_order)
    statuses = cache(lambda: {task.pathspec: task.status for task in tasks()})
    facts: Facts = {
        "status": lambda: standing.of_step(statuses().values()),
        "finished_at": lambda: _seconds(found.finished_at),
        "tasks": lambda: [task.id for task in tasks()],
        "a_task": lambda: _id(next(iter(tasks()), None)),
        "failed_tasks": lambda: [name for name, how in statuses().items() if how == "failed"],
        "parent_steps": lambda: [other.id for other in found.parent_steps],
        "child_steps": lambda: [other.id for other in found.child_steps],
    }
    return _told(found, facts, only)


def task(
    *, pathspec: str, attempt: int | None = None, only: Sequence[str] | None = None
) -> dict[str, Any]:
    """A task: how it went, its place in the graph, and the names of its artifacts.

    See `_told` for *only*.
    """
    found = Task(resolved(pathspec), attempt)
    names = cache(lambda: _public_artifacts(found))
    facts: Facts = {
        "status": lambda: found.status,
        "finished": lambda: found.finished,
        "successful": lambda: found.successful,
        "finished_at": lambda: _ended(found, found.status)[0],
        "duration_s": lambda: _ended(found, found.status)[1],
        "cpu_s": lambda: found.cpu_s,
        "peak_memory_bytes": lambda: found.peak_memory_bytes,
        "exit_signal": lambda: found.exit_signal,
        "exception": lambda: _exception(found.failure),
        "index": lambda: found.index,
        "foreach_stack": lambda: [_frame(frame) for frame in found.foreach_stack],
        "metadata_dict": lambda: found.metadata_dict,
        "runtime_name": lambda: found.runtime_name,
        "attempt": lambda: found.current_attempt,
        "attempts": lambda: as_table([asdict(one) for one in found.attempts], _ATTEMPT_COLUMNS),
        "origin_pathspec": lambda: found.origin_pathspec,
        "parents": lambda: list(found.parent_task_pathspecs),
        "children": lambda: list(found.child_task_pathspecs),
        "artifacts": names,
        "private_artifacts": lambda: sorted(set(found.artifact_names) - set(names())),
        "code": lambda: _code(found.code),
    }
    return _told(found, facts, only)


def artifact(*, pathspec: str) -> dict[str, Any]:
    """An artifact, without its value."""
    found = DataArtifact(resolved(pathspec))
    return {
        **_common(found),
        "name": found.id,
        "sha": found.sha,
        "size_bytes": found.size,
        "type": found.type,
        "encoding": found.encoding,
    }


# Tables


def runs(  # noqa: PLR0913 -- one argument a filter
    *,
    flow: str,
    tags: Sequence[str] | None = None,
    since: float | None = None,
    until: float | None = None,
    status: Sequence[str] | None = None,
    limit: int | None = None,
) -> Table:
    """The runs of a flow in the current namespace, newest first.

    Args:
        flow: Name of the flow.
        tags: Tags that a run must have, all of them.
        since, until: When it was registered; *until* is excluded.
        status: How it may stand.
        limit: How many at most.
    """
    found = Flow(flow)
    which = RunFilter(tags or (), since, until, limit=None if status else limit)
    with found.history(which) as history:
        rows = (_run_row(run, history.ending(run)) for run in found.select(which))
        wanted = (row for row in rows if not status or row["status"] in status)
        return as_table(list(islice(wanted, limit)), _RUN_COLUMNS)


_RUN_COLUMNS = (
    "run_id",
    "pathspec",
    "user",
    "status",
    "created_at",
    "finished_at",
    "duration_s",
    "tags",
    "origin_run_id",
)


def _run_row(run: Run, ending: Ending) -> dict[str, Any]:
    return {
        "run_id": run.id,
        "pathspec": run.pathspec,
        "user": run.user,
        "status": ending.status,
        "created_at": run.created_at.timestamp(),
        "finished_at": ending.finished_at,
        "duration_s": ending.duration_s,
        "tags": sorted(run.user_tags),
        "origin_run_id": ending.origin_run_id,
    }


def tasks(*, pathspec: str, status: Sequence[str] | None = None) -> Table:
    """The tasks of a run or of a step, in the order of the graph and then of the foreach."""
    rows = [_task_row(task) for step in steps_of(pathspec) for task in step.tasks_in_order()]
    return as_table([row for row in rows if not status or row["status"] in status], _TASK_COLUMNS)


_TASK_COLUMNS = (
    "pathspec",
    "step",
    "task_id",
    "index",
    "status",
    "attempt",
    "created_at",
    "finished_at",
    "duration_s",
    "cpu_s",
    "peak_memory_bytes",
    "exit_signal",
    "tags",
    "message",
)


def steps_of(pathspec: str) -> list[Step]:
    """The steps of a run in the order of the graph, or the step itself."""
    exact = resolved(pathspec)
    match Pathspec.parse(exact).level:
        case "run":
            return Run(exact).steps_in_order()
        case "step":
            return [Step(exact)]
        case _:
            raise InvalidPathspec(f"{pathspec!r} is not a run or a step.", "Write Flow/run[/step].")


def _task_row(task: Task) -> dict[str, Any]:
    status = task.status
    failure = task.failure if status in ("failed", "caught") else None
    finished_at, duration_s = _ended(task, status)
    return {
        "pathspec": task.pathspec,
        "step": task.path_components[2],
        "task_id": task.id,
        "index": task.index,
        "status": status,
        "attempt": task.current_attempt,
        "created_at": task.created_at.timestamp(),
        "finished_at": finished_at,
        "duration_s": duration_s,
        "cpu_s": task.cpu_s,
        "peak_memory_bytes": task.peak_memory_bytes,
        "exit_signal": task.exit_signal,
        "tags": sorted(task.user_tags),
        "message": failure.message if failure else None,
    }


def _ended(task: Task, status: str) -> tuple[float | None, float | None]:
    """When a task ended and after how many seconds; nothing while it is tried again."""
    return (None, None) if status == "running" else (_seconds(task.finished_at), task.duration_s)


def last_failure(*, flow: str | None = None) -> str | None:
    """Pathspec of the newest task that failed and was not caught, of *flow* or of any flow.

    Of each flow, the newest run with a failed task counts; None if none has one.
    """
    flows = [Flow(flow)] if flow is not None else list(Metaflow())
    failed = [task for each in flows for task in _last_failed(each)]
    return max(failed, key=_failed_at).pathspec if failed else None


def _last_failed(flow: Flow) -> list[Task]:
    with flow.history() as history:
        for run in flow:
            if history.ending(run).status != "successful" and (failed := run.failed_tasks):
                return failed
    return []


def _failed_at(task: Task) -> datetime:
    return task.finished_at or task.created_at


# Changes


def tag(
    *, pathspec: str, add: Sequence[str] | None = None, remove: Sequence[str] | None = None
) -> list[str]:
    """Take tags from a run and give it others; the user's tags that it has then."""
    found = Run(resolved(pathspec))
    found.replace_tags(remove or (), add or ())
    return sorted(found.user_tags)


def replace_tags(*, pathspec: str, tags: Sequence[str]) -> list[str]:
    """Give a run the user's tags *tags*, and no others; the tags that it has then."""
    found = Run(resolved(pathspec))
    found.replace_tags(found.user_tags - set(tags), tags)
    return sorted(found.user_tags)


# Helpers


def resolved(pathspec: str) -> str:
    """*pathspec* with the id of the run that ``latest_run`` and the like stand for."""
    spec = Pathspec.parse(pathspec)
    if spec.run not in ("latest_run", "latest_successful_run"):
        return pathspec
    found: Run | None = getattr(Flow(spec.flow), spec.run)
    if found is None:
        kind = "run" if spec.run == "latest_run" else "successful run"
        raise RunNotFound(f"The flow {spec.flow} has no {kind} yet.", "See `list-runs`.")
    return "/".join((spec.flow, found.id, *spec.parts[2:]))


def _told(thing: MetaflowObject[Any], facts: Facts, only: Sequence[str] | None) -> dict[str, Any]:
    """What *thing* is, and those of *facts* that are wanted.

    Some facts are only known once every task of a run, or every run of a flow, has been looked
    at; a caller that wants one fact should not wait for those.

    Args:
        thing: What is described.
        facts: How to find out each fact, by name.
        only: Names of the facts that are wanted; all with None.
    """
    return {
        **_common(thing),
        **{name: find() for name, find in facts.items() if only is None or name in only},
    }


def _id(thing: MetaflowObject[Any] | None) -> str | None:
    return None if thing is None else thing.id


def _common(thing: MetaflowObject[Any]) -> dict[str, Any]:
    return {
        "id": thing.id,
        "pathspec": thing.pathspec,
        "parent": thing.parent.pathspec if thing.parent else None,
        "user": thing.user,
        "tags": sorted(thing.tags),
        "user_tags": sorted(thing.user_tags),
        "system_tags": sorted(thing.system_tags),
        "created_at": thing.created_at.timestamp(),
    }


def _seconds(at: datetime | None) -> float | None:
    return None if at is None else at.timestamp()


def _public_artifacts(task: Task) -> list[str]:
    """Names of what the user's code made; not the flow's name, which every task has."""
    names = [name for name in task.artifact_names if not name.startswith("_")]
    if "name" in names and task["name"].own_encoding == PICKLE:
        names.remove("name")
    return sorted(names)


def _exception(failure: Failure | None) -> dict[str, Any] | None:
    if failure is None:
        return None
    return {
        "kind": failure.kind,
        "message": failure.message,
        "call": failure.call,
        "classes": list(failure.classes),
        "frames": [dict(frame) for frame in failure.frames],
        "condition": failure.condition,
    }


def _frame(frame: Any) -> dict[str, Any]:
    return {name: getattr(frame, name) for name in ("step", "var", "num_splits", "index", "value")}


def _code(code: MetaflowCode | None) -> dict[str, Any] | None:
    return {"path": code.path, "sha": code.sha, "script": code.script_name} if code else None


def as_table(rows: Sequence[Mapping[str, Any]], columns: Iterable[str]) -> Table:
    """Rows as a table, of which *columns* are the columns."""
    return {name: [row[name] for row in rows] for name in columns}
