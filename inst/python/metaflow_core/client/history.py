"""How the runs of a flow ended, remembered, so that a long history is listed quickly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from metaflow_core.client.standing import RunStatus
from metaflow_core.metadata.patience import Patience
from metaflow_core.metadata.provider import MetadataProvider, RunFilter

if TYPE_CHECKING:
    from metaflow_core.client.run import Run


class Ending(NamedTuple):
    """How a run ended, or stands.

    Args:
        status: How it stands.
        is_over: Whether it is known to have ended, so that none of this will change any more.
        successful: Whether its last step succeeded.
        finished_at: When its last step finished, in seconds since 1970.
        duration_s: Seconds from its registration to its end, or to its failure.
        origin_run_id: The run that it resumed.
    """

    status: RunStatus
    is_over: bool
    successful: bool
    finished_at: float | None
    duration_s: float | None
    origin_run_id: str | None

    @classmethod
    def kept(cls, told: Mapping[str, Any] | None) -> Self | None:
        """The ending of which *told* was kept; None if it was not, or by another version."""
        return cls(**told) if told is not None and told.keys() == set(cls._fields) else None


class History:
    """What is known of the runs of a flow; what will not change any more is kept.

    To be used in a ``with`` block, whose end keeps it.

    Args:
        provider: Where it is kept.
        flow: Name of the flow.
        which: The runs that will be asked about.
    """

    def __init__(self, provider: MetadataProvider, flow: str, which: RunFilter) -> None:
        self._provider, self._flow = provider, flow
        self._known = provider.outcomes(flow, which)
        self._found: dict[str, Ending] = {}
        self._patience = Patience(
            f"Looking up how the runs of {flow} ended; what is found is kept for the next time."
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._found:
            kept = {run: ending._asdict() for run, ending in self._found.items()}
            self._provider.keep_outcomes(self._flow, kept)

    def ending(self, run: Run) -> Ending:
        """How *run* ended, or stands."""
        known = Ending.kept(self._known.get(run.id))
        if known is not None:
            return known
        ending = run.ending
        self._patience.wear()
        if ending.is_over:
            self._found[run.id] = ending
        return ending
