"""Steps of runs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from metaflow_core.client import lineage
from metaflow_core.client.object import MetaflowObject
from metaflow_core.client.task import Task, in_order
from metaflow_core.errors import StepNotFound
from metaflow_core.model.pathspec import Pathspec

if TYPE_CHECKING:
    from metaflow_core.client.run import Run


class Step(MetaflowObject[Task]):
    """A step of a run, with its tasks."""

    _LEVEL, _EXAMPLE = "step", "Flow/12/start"
    _NOT_FOUND = StepNotFound

    @property
    def task(self) -> Task | None:
        """The newest task; the only one of a step outside of a foreach."""
        return next(iter(self), None)

    def tasks(self, *tags: str) -> Iterator[Task]:
        """The tasks, newest first, that have all *tags*."""
        return self._tagged(tags)

    def tasks_in_order(self) -> list[Task]:
        """The tasks in the order of the enclosing foreaches."""
        return in_order(self)

    @property
    def finished_at(self) -> datetime | None:
        """When the last task finished; None while one has not."""
        times = [task.finished_at for task in self]
        known = [at for at in times if at is not None]
        return max(known) if known and len(known) == len(times) else None

    @property
    def environment_info(self) -> dict[str, Any] | None:
        """What the code package says about the environment; None without one."""
        return self.task.environment_info if self.task else None

    @property
    def parent_steps(self) -> Iterator[Step]:
        """The steps that lead to this one."""
        return map(self._other, lineage.steps_before(self._graph_info(), self.id))

    @property
    def child_steps(self) -> Iterator[Step]:
        """The steps that this one leads to, as far as the run has reached them."""
        run = cast("Pathspec", self._spec.parent)
        after = lineage.steps_after(self._graph_info(), self.id)
        return (self._other(name) for name in after if self._store.provider.get(run.child(name)))

    def _graph_info(self) -> lineage.GraphInfo:
        run = cast("Run", self.parent)
        return run.graph_info or {"steps": {}}

    def _other(self, name: str) -> Step:
        run = cast("Pathspec", self._spec.parent)
        return Step(str(run.child(name)), _store=self._store, _namespace_check=False)
