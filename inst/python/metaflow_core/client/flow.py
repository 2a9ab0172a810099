"""Flows, with their runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from metaflow_core.client.history import History
from metaflow_core.client.object import MetaflowObject
from metaflow_core.client.run import Run
from metaflow_core.errors import FlowNotFound
from metaflow_core.metadata.provider import RunFilter

_ALL_RUNS = RunFilter()


class Flow(MetaflowObject[Run]):
    """All runs of a flow."""

    _LEVEL, _EXAMPLE = "flow", "Flow"
    _NOT_FOUND = FlowNotFound

    def _is_in(self, namespace: str) -> bool:
        which = RunFilter(tags=(namespace,), limit=1)
        return bool(self._store.provider.runs(self.id, which))

    def __iter__(self) -> Iterator[Run]:
        """The runs, newest first, that are in this object's namespace."""
        return self.select()

    @property
    def latest_run(self) -> Run | None:
        """The newest run, however it goes or went."""
        return next(self.select(RunFilter(limit=1)), None)

    @property
    def latest_successful_run(self) -> Run | None:
        """The newest run that succeeded."""
        with self.history() as history:
            return next((run for run in self if history.ending(run).successful), None)

    def runs(self, *tags: str) -> Iterator[Run]:
        """The runs, newest first, that have all *tags*."""
        return self.select(RunFilter(tags))

    def history(self, which: RunFilter = _ALL_RUNS) -> History:
        """How runs ended; quick for those that *which* admits and that were asked about before."""
        return History(self._store.provider, self.id, self._within(which))

    def select(self, which: RunFilter = _ALL_RUNS) -> Iterator[Run]:
        """The runs that *which* admits, newest first."""
        return map(self._child, self._store.provider.runs(self.id, self._within(which)))

    def _within(self, which: RunFilter) -> RunFilter:
        """The same, of this object's namespace only."""
        own = () if self._namespace is None else (self._namespace,)
        return replace(which, tags=(*which.tags, *own))
