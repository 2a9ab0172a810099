"""Each task's own random numbers, derived from the run's seed and the task's place."""

from __future__ import annotations

import hashlib
import random
import secrets

from metaflow_core.model.task import TaskKey

_STATE_BYTES = 624 * 4
_SEED_LIMIT = 2**31 - 1
_generator = random.Random()
"""Seeded anew for each stream: to make one takes as long as the stream itself."""


def new_seed() -> int:
    """A seed for a run that was given none; an integer that R's `set.seed()` takes."""
    return secrets.randbelow(_SEED_LIMIT)


def stream(seed: int, task: TaskKey) -> bytes:
    """The state of a Mersenne Twister for *task*: 624 little-endian words.

    Every attempt of a task has the same stream. The whole state is drawn, so that two tasks of a
    run do not meet the way that two short seeds can.
    """
    place = ",".join(map(str, task.indexes))
    digest = hashlib.sha512(f"{seed}/{task.step}/{place}".encode()).digest()
    _generator.seed(digest)
    return _generator.randbytes(_STATE_BYTES)
