"""How the runs of a flow ended, remembered, so that a long history is listed quickly."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, NamedTuple, Self

from metaflow_core.client.standing import RunStatus
from metaflow_core.metadata.provider import MetadataProvider

if TYPE_CHECKING:
    from metaflow_core.client.objects import Run

_LOG = logging.getLogger(__name__)

_SILENT_S = 2.0
"""A search that takes longer says what takes so long."""


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


class History:
    """What is known of the runs of a flow; what will not change any more is kept.

    To be used in a ``with`` block, whose end keeps it.

    Args:
        provider: Where it is kept.
        flow: Name of the flow.
    """

    def __init__(self, provider: MetadataProvider, flow: str) -> None:
        self._provider, self._flow = provider, flow
        self._known = provider.outcomes(flow)
        self._found: dict[str, Ending] = {}
        self._began_s = time.monotonic()
        self._is_told = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._found:
            kept = {run: ending._asdict() for run, ending in self._found.items()}
            self._provider.keep_outcomes(self._flow, kept)

    def ending(self, run: Run) -> Ending:
        """How *run* ended, or stands."""
        known = self._known.get(run.id)
        # Another version may have kept other fields.
        if known is not None and known.keys() == set(Ending._fields):
            return Ending(**known)
        ending = run.ending
        self._say_what_takes_long()
        if ending.is_over:
            self._found[run.id] = ending
        return ending

    def _say_what_takes_long(self) -> None:
        if not self._is_told and time.monotonic() - self._began_s > _SILENT_S:
            self._is_told = True
            _LOG.warning(
                "Looking up how the runs of %s ended; what is found is kept for the next time.",
                self._flow,
            )
