"""Says what takes so long, to those who wait for it."""

from __future__ import annotations

import logging
import time

SILENT_S = 2.0
"""What takes longer is told."""

_LOG = logging.getLogger(__name__)


class Patience:
    """Begins when it is made; to be asked again and again while something is done.

    Args:
        what: What is done, in a sentence.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._began_s = time.monotonic()
        self._is_told = False

    def wear(self) -> None:
        """Say what is done, once and not before it has taken long."""
        if not self._is_told and time.monotonic() - self._began_s > SILENT_S:
            self._is_told = True
            _LOG.warning("%s", self._what)
