"""What random flows need to be played: functions for their steps, and a folder."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import pytest
from played_run import Function, RError

from metaflow_core.model.flow import Flow


def random_functions(flow: Flow, seed: int, failing: float, luck: Random) -> dict[str, Function]:
    """Steps whose results depend on all that went before, and on nothing else.

    Args:
        flow: The flow.
        seed: Decides how often each task fans out, and what it chooses.
        failing: Probability that a task fails.
        luck: Source of the failures.
    """

    def work(step: Any) -> None:
        name, is_join = step.task["step"], step.task["is_join"]
        before = step.inputs("trace") if is_join else getattr(step, "trace", [])
        step.trace = [name, step.task["frames"] and step.index, before]
        decide = Random(f"{seed} {step.trace}")
        if step.task["foreach"] is not None:
            step.items = [f"item {i}" for i in range(decide.randint(1, 3))]
        if step.task["condition"] is not None:
            step.size = decide.choice(sorted(flow.steps[name].cases))
        step.takes(decide.randint(0, 9))
        if luck.random() < failing:
            raise RError("no luck")

    return dict.fromkeys(flow.steps, work)


@contextmanager
def folder_in_memory() -> Iterator[str]:
    """A folder for thousands of small files, in memory where the system has a place for it."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("METAFLOW_TEMPDIR", folder)
        yield folder
