"""How two runs of a flow differ: parameters, code, versions, tasks, artifacts.

Artifacts are compared by the hash of their content, which the store has as their key, so that none
is read. Tasks are the same task if they have the same step and the same place in its foreaches.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from metaflow_core.client.artifact import DataArtifact
from metaflow_core.client.describe import Table, resolved
from metaflow_core.client.lineage import indexes
from metaflow_core.client.robject import RObject
from metaflow_core.client.run import Run
from metaflow_core.client.task import Task
from metaflow_core.datastore.attempts import PICKLE
from metaflow_core.model.flow import PARAMETERS

Code = Mapping[str, Sequence[str]]
"""Name of a function or of another part of the code to its lines."""

_Key = tuple[str, tuple[int, ...]]

_NOT_A_VERSION = ("user", "runtime")


def diff_runs(
    *, a: str, b: str, code_a: Code | None = None, code_b: Code | None = None
) -> dict[str, Any]:
    """What differs between the runs *a* and *b*.

    Args:
        a, b: Pathspecs of the runs.
        code_a, code_b: Their code, which only R can read; None if it is not known.

    Returns:
        ``a b`` (``pathspec status user created_at duration_s`` of each), and tables:
        ``parameters`` and ``versions`` (``name a b``), ``code`` (``name change diff``, a unified
        diff), ``steps`` (``step tasks_a tasks_b duration_a_s duration_b_s``), ``tasks`` (all:
        ``step place pathspec_a pathspec_b status_a status_b duration_a_s duration_b_s``) and
        ``artifacts`` (``step place name change type_a type_b size_a_bytes size_b_bytes pathspec_a
        pathspec_b``), each where it differs first. A ``change`` is ``"changed"``, ``"only a"`` or
        ``"only b"``; a ``place`` such as ``"2"`` or ``"0,2"`` is where in the foreaches, "" is
        outside of one.
    """
    one, other = Run(resolved(a)), Run(resolved(b))
    pairs = _pairs(_tasks(one), _tasks(other))
    parameters = _parameters(one), _parameters(other)
    tasks = [_task_row(key, first, second) for key, first, second in pairs]
    return {
        "a": _about(one),
        "b": _about(other),
        "parameters": _table(_values(*parameters), ("name", "a", "b")),
        "versions": _table(_values(_versions(one), _versions(other)), ("name", "a", "b")),
        "code": _table(_code(one, other, code_a or {}, code_b or {}), ("name", "change", "diff")),
        "steps": _table(_steps(tasks), _STEP_COLUMNS),
        "tasks": _table(tasks, _TASK_COLUMNS),
        "artifacts": _table(_artifacts(pairs, {*parameters[0], *parameters[1]}), _ARTIFACT_COLUMNS),
    }


_STEP_COLUMNS = ("step", "tasks_a", "tasks_b", "duration_a_s", "duration_b_s")
_TASK_COLUMNS = (
    "step", "place", "pathspec_a", "pathspec_b", "status_a", "status_b", "duration_a_s",
    "duration_b_s",
)  # fmt: skip
_ARTIFACT_COLUMNS = (
    "step", "place", "name", "change", "type_a", "type_b", "size_a_bytes", "size_b_bytes",
    "pathspec_a", "pathspec_b",
)  # fmt: skip


def _about(run: Run) -> dict[str, Any]:
    ending = run.ending
    return {
        "pathspec": run.pathspec,
        "status": ending.status,
        "user": run.user,
        "created_at": run.created_at.timestamp(),
        "duration_s": ending.duration_s,
    }


# Values by name


def _values(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[dict[str, Any]]:
    names = dict.fromkeys([*a, *b])
    return [
        {"name": name, "a": a.get(name), "b": b.get(name)}
        for name in names
        if a.get(name) != b.get(name)
    ]


def _type_name(artifact: DataArtifact) -> str:
    """The type without what Python puts around it: ``float``, or ``lm`` of R."""
    return artifact.type.removeprefix("<class '").removesuffix("'>")


def _parameters(run: Run) -> dict[str, str]:
    """The value of each parameter as text, or its hash where only R can read it."""
    task = run[PARAMETERS].task
    if task is None:
        return {}
    values = {name: (sha, task[name].data) for name, sha in _public(task).items()}
    return {
        name: sha if isinstance(value, RObject) else repr(value)
        for name, (sha, value) in values.items()
    }


def _versions(run: Run) -> dict[str, str]:
    pairs = (tag.split(":", 1) for tag in sorted(run.system_tags) if ":" in tag)
    return {name: value for name, value in pairs if name not in _NOT_A_VERSION}


def _code(a: Run, b: Run, code_a: Code, code_b: Code) -> list[dict[str, Any]]:
    rows = []
    for name in dict.fromkeys([*code_a, *code_b]):
        before, after = code_a.get(name), code_b.get(name)
        if before == after:
            continue
        heads = (f"{name} ({a.pathspec})", f"{name} ({b.pathspec})")
        lines = difflib.unified_diff(before or [], after or [], *heads, lineterm="")
        rows.append({"name": name, "change": _change(before, after), "diff": "\n".join(lines)})
    return rows


def _change(a: Any, b: Any) -> str:
    if a is None:
        return "only b"
    return "only a" if b is None else "changed"


# Tasks


def _tasks(run: Run) -> dict[_Key, Task]:
    return {
        (step.id, indexes(task.foreach_path)): task
        for step in run.steps_in_order()
        for task in step.tasks_in_order()
    }


def _pairs(
    a: Mapping[_Key, Task], b: Mapping[_Key, Task]
) -> list[tuple[_Key, Task | None, Task | None]]:
    """The tasks of both, in the order of *a*; a step that only *b* has comes last."""
    steps = {step: place for place, step in enumerate(dict.fromkeys(step for step, _ in [*a, *b]))}
    keys = sorted({*a, *b}, key=lambda key: (steps[key[0]], key[1]))
    return [(key, a.get(key), b.get(key)) for key in keys]


def _task_row(key: _Key, a: Task | None, b: Task | None) -> dict[str, Any]:
    step, index = key
    row: dict[str, Any] = {"step": step, "place": ",".join(map(str, index))}
    for name, task in (("a", a), ("b", b)):
        row[f"pathspec_{name}"] = task.pathspec if task else None
        row[f"status_{name}"] = task.status if task else None
        row[f"duration_{name}_s"] = task.duration_s if task else None
    return row


def _steps(tasks: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    rows = []
    for step in dict.fromkeys(task["step"] for task in tasks):
        own = [task for task in tasks if task["step"] == step]
        row: dict[str, Any] = {"step": step}
        for name in ("a", "b"):
            durations = [task[f"duration_{name}_s"] for task in own]
            known = [duration for duration in durations if duration is not None]
            row[f"tasks_{name}"] = sum(task[f"pathspec_{name}"] is not None for task in own)
            row[f"duration_{name}_s"] = sum(known) if known else None
        rows.append(row)
    return rows


# Artifacts


def _artifacts(
    pairs: Iterable[tuple[_Key, Task | None, Task | None]], besides: Collection[str]
) -> list[dict[str, Any]]:
    """The artifacts that differ, *besides* some; one that a later task inherited is told once."""
    rows: list[dict[str, Any]] = []
    told: set[tuple[str, str | None, str | None]] = set()
    for (step, index), a, b in pairs:
        if a is None or b is None:
            continue  # that the task is not there is told among the tasks
        in_a, in_b = _public(a), _public(b)
        for name in dict.fromkeys([*in_a, *in_b]):
            pair = (name, in_a.get(name), in_b.get(name))
            if pair[1] == pair[2] or pair in told or name in besides:
                continue
            told.add(pair)
            row: dict[str, Any] = {"step": step, "place": ",".join(map(str, index)), "name": name}
            row["change"] = _change(pair[1], pair[2])
            for side, task, sha in (("a", a, pair[1]), ("b", b, pair[2])):
                artifact = task[name] if sha else None
                row[f"type_{side}"] = _type_name(artifact) if artifact else None
                row[f"size_{side}_bytes"] = artifact.size if artifact else None
                row[f"pathspec_{side}"] = artifact.pathspec if artifact else None
            rows.append(row)
    return rows


def _public(task: Task) -> dict[str, str]:
    """Hash of each artifact that the user's code made."""
    hashes = {name: sha for name, sha in sorted(task.hashes.items()) if not name.startswith("_")}
    if "name" in hashes and task["name"].own_encoding == PICKLE:
        del hashes["name"]
    return hashes


def _table(rows: Sequence[Mapping[str, Any]], columns: Iterable[str]) -> Table:
    return {name: [row[name] for row in rows] for name in columns}
