"""However often a run fails and is resumed, it ends with what a run without failures has."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from played_run import Played, Stage
from random_flows import plans
from random_runs import folder_in_memory, random_functions

from metaflow_core.runtime.start import RunOptions


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
    with folder_in_memory() as folder:
        stage, luck = Stage(Path(folder)), Random(seed)
        options = RunOptions(on_error=on_error, max_workers=max_workers)
        smooth = stage.play(plan.flow, random_functions(plan.flow, seed, 0, luck))
        played, done = None, 0

        while played is None or played.result.status != "successful":
            functions = random_functions(plan.flow, seed, failing, luck)
            played = stage.play(plan.flow, functions, origin=played, options=options)
            done += len(played.launcher.tasks) - len(played.result.failed)
            done -= len(played.result.stopped)

        assert _artifacts(played) == _artifacts(smooth)
        assert done == len(smooth.launcher.tasks), "no task succeeded twice"
