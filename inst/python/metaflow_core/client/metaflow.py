"""The flows of a store."""

from __future__ import annotations

from collections.abc import Iterator

from metaflow_core.client.flow import Flow
from metaflow_core.client.scope import current_store
from metaflow_core.errors import NotInNamespace


class Metaflow:
    """All flows of the store."""

    def __init__(self) -> None:
        self._store = current_store()

    @property
    def flows(self) -> list[Flow]:
        """The flows that have a run in the current namespace."""
        return list(self)

    def __iter__(self) -> Iterator[Flow]:
        """The flows that have a run in the current namespace."""
        for record in self._store.provider.children(None):
            try:
                yield Flow(str(record.pathspec), _record=record, _store=self._store)
            except NotInNamespace:
                continue

    def __getitem__(self, name: str) -> Flow:
        """The flow of this name. Raises FlowNotFound or NotInNamespace."""
        return Flow(name, _store=self._store)

    def _ipython_key_completions_(self) -> list[str]:
        return [flow.id for flow in self]

    def __repr__(self) -> str:
        return "Metaflow()"
