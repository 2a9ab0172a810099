"""However often a run fails and is resumed, it ends with what a run without failures has."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from played_run import Function, Played, RError, Stage
from random_flows import plans

from metaflow_core.model.flow import Flow
from metaflow_core.runtime.start import RunOptions


def _functions(flow: Flow, seed: int, failing: float, luck: Random) -> dict[str, Function]:
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


def _artifacts(played: Played) -> dict[tuple, Any]:
    """The user's artifacts of every task, by its place in the graph."""
    found = {}
    for step, task in played.services.store.tasks(played.run_id):
        reader = played.services.store.reader(played.run_id, step, task)
        frames = reader.load_pickle("_foreach_stack")
        place = (step, *(frame.index for frame in frames))
        assert place not in found
        found[place] = {
            name: key for name, key in reader.objects.items() if not name.startswith("_")
        }
    return found


@contextmanager
def _folder_in_memory() -> Iterator[str]:
    """A folder for thousands of small files, in memory where the system has a place for it."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("METAFLOW_TEMPDIR", folder)
        yield folder


@settings(max_examples=30)
@given(
    plans(),
    st.integers(0, 2**32),
    st.sampled_from([0.1, 0.3]),
    st.sampled_from(["stop", "continue"]),
    st.integers(1, 4),
)
def test_failing_and_resuming_ends_as_a_run_that_never_failed(
    plan, seed, failing, on_error, max_workers
):
    with _folder_in_memory() as folder:
        stage, luck = Stage(Path(folder)), Random(seed)
        options = RunOptions(on_error=on_error, max_workers=max_workers)
        smooth = stage.play(plan.flow, _functions(plan.flow, seed, 0, luck))
        played, done = None, 0

        while played is None or played.result.status != "successful":
            functions = _functions(plan.flow, seed, failing, luck)
            played = stage.play(plan.flow, functions, origin=played, options=options)
            done += len(played.launcher.tasks) - len(played.result.failed)
            done -= len(played.result.stopped)

        assert _artifacts(played) == _artifacts(smooth)
        assert done == len(smooth.launcher.tasks), "no task succeeded twice"
