"""How tasks and runs stand, decided from what is recorded about them. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

RunStatus = Literal["running", "successful", "failed", "lost", "unknown"]
TaskStatus = Literal["running", "successful", "caught", "failed", "unknown"]

SILENT_AFTER_S = 120.0
"""A run that sends heartbeats, and has sent none for so long, is not known to run, unless its
process can be looked at."""

SILENT_WITHOUT_HEARTBEAT_S = 24 * 3600.0
"""The same for a run that sends none, as in stock Metaflow, since its last record."""

_WELL = ("successful", "caught")

_ATTEMPT_TAG = re.compile(r"attempt_id:(\d+)")

Fact = Mapping[str, Any]
"""A recorded fact about a task: ``field_name value tags ts_epoch`` …"""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt of a task.

    Args:
        number: From 0.
        started_at: Seconds since 1970, or None if not recorded.
        finished_at: Seconds since 1970, or None while it runs or if it was lost.
        ok: Whether it ended well or its failure was caught; None if not recorded.
    """

    number: int
    started_at: float | None
    finished_at: float | None
    ok: bool | None


def attempts(facts: Iterable[Fact]) -> list[Attempt]:
    """The attempts that *facts* tell of, first one first."""
    told: dict[int, dict[str, Fact]] = {}
    for fact in sorted(facts, key=_recorded_at):
        number = _attempt_of(fact)
        if number is not None and fact["field_name"] in ("attempt", "attempt-done", "attempt_ok"):
            told.setdefault(number, {})[fact["field_name"]] = fact
    return [_attempt(number, told[number]) for number in sorted(told)]


def facts_of_attempt(facts: Sequence[dict[str, Any]], number: int) -> list[dict[str, Any]]:
    """Those of *facts* that belong to an attempt.

    Where not all are tagged with their attempt, as in old stores, those count that were recorded
    between its start and the next one's.
    """
    if all(_tagged_attempt(fact) is not None for fact in facts):
        return [fact for fact in facts if _tagged_attempt(fact) == number]
    starts = {int(f["value"]): f["ts_epoch"] for f in facts if f["field_name"] == "attempt"}
    if number not in starts:
        return []
    end = starts.get(number + 1, float("inf"))
    return [fact for fact in facts if starts[number] <= fact["ts_epoch"] < end]


def of_task(attempts: Sequence[Attempt], succeeded: Callable[[], bool]) -> TaskStatus:
    """How a task of a run in progress stands.

    Args:
        attempts: Its attempts.
        succeeded: Asked only about a task that ended well: False if its failure was caught.
    """
    last = attempts[-1] if attempts else None
    if last is None or (last.finished_at is None and last.ok is None):
        return "running"
    if last.ok is False:
        return "failed"
    return "successful" if succeeded() else "caught"


def of_step(tasks: Iterable[TaskStatus]) -> TaskStatus:
    """How a step stands whose tasks stand as *tasks* says: as the one that matters most."""
    found = set(tasks)
    order: tuple[TaskStatus, ...] = ("failed", "running", "unknown", "caught", "successful")
    return next((status for status in order if status in found), "running")


def in_run(task: TaskStatus, run: RunStatus) -> TaskStatus:
    """How a task stands when its run does as *run* says: nothing runs in a run that is over."""
    if task != "running" or run == "running":
        return task
    return "unknown" if run in ("lost", "unknown") else "failed"


def of_run(  # noqa: PLR0913 -- one argument a thing that is asked
    *,
    end_task: TaskStatus | None,
    state: Mapping[str, Any] | None,
    is_alive: Callable[[], bool | None],
    has_failed_task: Callable[[], bool],
    last_recorded_at: Callable[[], float],
    now: float,
) -> RunStatus:
    """How a run stands.

    Args:
        end_task: How the last step's task stands; None if the run has not reached it.
        state: The run's last heartbeat, or None if it has sent none.
        is_alive: Asked only about a run that says it runs: whether its process is there, None if
            that is not known. It may be and send nothing: a task in the session has its thread.
        has_failed_task: Asked only without a heartbeat: whether a task failed for good.
        last_recorded_at: Asked only without a heartbeat: when something was last recorded.
        now: The time. All times in seconds since 1970.
    """
    if end_task in _WELL:
        return "successful"
    if state is not None:
        if is_over(end_task, state):
            return "successful" if state["status"] == "successful" else "failed"
        alive = is_alive()
        if alive is False:
            return "lost"
        return "running" if alive or now - state["at"] <= SILENT_AFTER_S else "unknown"
    if has_failed_task():
        return "failed"
    recent = now - last_recorded_at() <= SILENT_WITHOUT_HEARTBEAT_S
    return "running" if recent else "unknown"


def is_over(end_task: TaskStatus | None, state: Mapping[str, Any] | None) -> bool:
    """Whether a run is known to have ended, so that how it stands will not change any more."""
    return end_task in _WELL or (state or {}).get("status", "running") != "running"


def _attempt(number: int, facts: Mapping[str, Fact]) -> Attempt:
    def time_of(name: str) -> float | None:
        return facts[name]["ts_epoch"] / 1000 if name in facts else None

    ok = facts["attempt_ok"]["value"] == "True" if "attempt_ok" in facts else None
    return Attempt(number, time_of("attempt"), time_of("attempt-done"), ok)


def _attempt_of(fact: Fact) -> int | None:
    if fact["field_name"] in ("attempt", "attempt-done"):
        return int(fact["value"])
    return _tagged_attempt(fact)


def _tagged_attempt(fact: Fact) -> int | None:
    matches = (_ATTEMPT_TAG.match(tag) for tag in fact.get("tags") or ())
    return next((int(match[1]) for match in matches if match), None)


def _recorded_at(fact: Fact) -> int:
    return int(fact["ts_epoch"])
