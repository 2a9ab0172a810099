"""Runs: executions of a flow."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from itertools import chain
from operator import attrgetter
from typing import Any

from metaflow_core.client import lineage, process, standing
from metaflow_core.client.artifact import MetaflowData
from metaflow_core.client.code import MetaflowCode
from metaflow_core.client.history import Ending
from metaflow_core.client.object import MetaflowObject
from metaflow_core.client.standing import RunStatus
from metaflow_core.client.step import Step
from metaflow_core.client.task import Task
from metaflow_core.errors import RunNotFound
from metaflow_core.model.flow import END, PARAMETERS


class Run(MetaflowObject[Step]):
    """One execution of a flow."""

    _LEVEL, _EXAMPLE = "run", "Flow/12"
    _NOT_FOUND = RunNotFound

    def _is_listed(self, name: str) -> bool:
        return not name.startswith("_")

    def steps(self, *tags: str) -> Iterator[Step]:
        """The steps that the run has reached, newest first, that have all *tags*."""
        return self._tagged(tags)

    def steps_in_order(self) -> list[Step]:
        """The steps that the run has reached, in the order of the graph."""
        order = lineage.steps_in_order(self.graph_info or {"steps": {}})
        position = {name: place for place, name in enumerate(order)}
        reached = sorted(self, key=lambda step: step.created_at)
        return sorted(reached, key=lambda step: position.get(step.id, len(order)))

    @property
    def graph_info(self) -> lineage.GraphInfo | None:
        """The flow's graph as it was recorded when the run started."""
        parameters = self._parameters_task()
        return None if parameters is None else parameters._value("_graph_info", None)

    @property
    def parameters(self) -> list[str]:
        """Names of the flow's parameters; the values are artifacts of `start`."""
        return [item["name"] for item in (self.graph_info or {}).get("parameters", [])]

    @property
    def end_task(self) -> Task | None:
        """The task of the last step, once the run has reached it."""
        record = self._child_record(self._end_step())
        return None if record is None else self._child(record).task

    @property
    def data(self) -> MetaflowData | None:
        """The artifacts of the last step's task, once there is one."""
        return self.end_task.data if self.end_task else None

    @property
    def successful(self) -> bool:
        """Whether the last step succeeded."""
        return self.end_task.successful if self.end_task else False

    @property
    def finished(self) -> bool:
        """Whether the last step finished."""
        return self.end_task.finished if self.end_task else False

    @property
    def finished_at(self) -> datetime | None:
        """When the last step finished."""
        return self.end_task.finished_at if self.end_task else None

    @property
    def code(self) -> MetaflowCode | None:
        """The code package of the run; None for one that ran locally."""
        codes = (step.task.code for step in self if step.task)
        return next((code for code in codes if code), None)

    @property
    def origin_run_id(self) -> str | None:
        """Id of the run that this one resumed, or None."""
        end = self.end_task
        return self._origin_run_id(end._facts() if end else [])

    def _origin_run_id(self, end_facts: Iterable[standing.Fact]) -> str | None:
        # The same for all tasks of a run, of which the first is soon found.
        for fact in chain(end_facts, self._facts_from_the_first_on()):
            if fact["field_name"] == "origin-run-id":
                # The text "None" is what none is stored as.
                return None if fact["value"] == "None" else str(fact["value"])
        return None

    def _facts_from_the_first_on(self) -> Iterator[standing.Fact]:
        for step in sorted(self, key=attrgetter("created_at")):
            yield from step.task._facts() if step.task else ()

    @property
    def origin_pathspec(self) -> str | None:
        """The run that this one resumed, or None."""
        origin = self.origin_run_id
        return f"{self._spec.flow}/{origin}" if origin else None

    @property
    def ending(self) -> Ending:
        """How it ended or stands, all at once."""
        state = self.state()
        # A run of ours says at its end how it ended, so that its tasks need not be looked at.
        return Ending.kept((state or {}).get("ending")) or self.ending_after(state)

    def ending_after(self, state: Mapping[str, Any] | None) -> Ending:
        """How it ended or stands by the records of its tasks and its last heartbeat *state*."""
        end = self.end_task
        facts = end._facts() if end else []
        end_status = end._status_by(facts) if end else None
        is_over = standing.is_over(end_status, state)
        finished_at = _timestamp(end.finished_at) if end else None
        ended_at = state["at"] if state and is_over and finished_at is None else finished_at
        return Ending(
            status=standing.of_run(
                end_task=end_status,
                state=state,
                is_alive=lambda: process.is_alive(state) if state else None,
                has_failed_task=lambda: any(True for _ in self._failed_tasks()),
                last_recorded_at=self._last_recorded_at,
                now=time.time(),
            ),
            is_over=is_over,
            successful=end_status == "successful",
            finished_at=finished_at,
            duration_s=None if ended_at is None else ended_at - self._record.created_at,
            origin_run_id=self._origin_run_id(facts),
        )

    @property
    def status(self) -> RunStatus:
        """How it stands: "running", "successful", "failed", "lost" (it died), or "unknown"."""
        return self.ending.status

    @property
    def duration_s(self) -> float | None:
        """Seconds from its registration to its end, or to its failure; None while it runs."""
        return self.ending.duration_s

    def state(self) -> Mapping[str, Any] | None:
        """What the run last said that it is doing, with ``"at"``; None if it says nothing."""
        return self._store.provider.run_state(self._spec)

    @property
    def failed_tasks(self) -> list[Task]:
        """The tasks that failed and were not caught, in the order of the graph."""
        return list(self._failed_tasks())

    def _failed_tasks(self) -> Iterator[Task]:
        return (task for task in self._all_tasks() if task._own_status() == "failed")

    def _all_tasks(self) -> Iterator[Task]:
        return (task for step in self.steps_in_order() for task in step.tasks_in_order())

    def _last_recorded_at(self) -> float:
        times = (fact["ts_epoch"] / 1000 for task in self._all_tasks() for fact in task._facts())
        return max(times, default=self._record.created_at)

    def add_tag(self, tag: str | Iterable[str]) -> None:
        """Give the run a tag. Raises InvalidTag if it is not valid."""
        self.replace_tags([], _as_list(tag))

    def add_tags(self, tags: Iterable[str]) -> None:
        """Give the run tags. Raises InvalidTag if one is not valid."""
        self.replace_tags([], tags)

    def remove_tag(self, tag: str | Iterable[str]) -> None:
        """Take a tag from the run. Raises InvalidTag for a system tag."""
        self.replace_tags(_as_list(tag), [])

    def remove_tags(self, tags: Iterable[str]) -> None:
        """Take tags from the run. Raises InvalidTag for a system tag."""
        self.replace_tags(tags, [])

    def replace_tag(
        self, tag_to_remove: str | Iterable[str], tag_to_add: str | Iterable[str]
    ) -> None:
        """Take one tag and give another, in one change."""
        self.replace_tags(_as_list(tag_to_remove), _as_list(tag_to_add))

    def replace_tags(self, tags_to_remove: Iterable[str], tags_to_add: Iterable[str]) -> None:
        """Take tags and give others, in one change; what is in both is given."""
        self._store.provider.mutate_tags(self._spec, tags_to_add, tags_to_remove)
        self._record = self._find()

    def _parameters_task(self) -> Task | None:
        record = self._child_record(PARAMETERS)
        return None if record is None else self._child(record).task

    def _end_step(self) -> str:
        task = self._parameters_task()
        facts = task._facts() if task else []
        return next((f["value"] for f in facts if f["field_name"] == "end_step"), END)


def _timestamp(at: datetime | None) -> float | None:
    return None if at is None else at.timestamp()


def _as_list(tag: str | Iterable[str]) -> list[str]:
    return [tag] if isinstance(tag, str) else list(tag)
