"""What looking at a store costs that has seen many runs."""

from __future__ import annotations

import multiprocessing
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from benchmarks.benchmark import FLOWS, SETTINGS, Figure, Limit, Target, Workbench, benchmark
from benchmarks.measure import cost_of
from metaflow_core import __version__
from metaflow_core.datastore.attempts import FlowDatastore
from metaflow_core.datastore.local import FOLDER, LocalStorage
from metaflow_core.metadata.local import LocalMetadata
from metaflow_core.metadata.provider import ArtifactRecord, Identity, MetaDatum
from metaflow_core.model.flow import PARAMETERS
from metaflow_core.model.pathspec import Pathspec

FLOW = "HistoryFlow"
RUNS, STEPS = 10_000, ("start", *(f"step_{number}" for number in range(1, 9)), "end")
FEWER = 100
"""Runs of the store that it is compared with: the aim is a cost that does not grow."""

_ANSWERS = ("latest", "runs", "artifact")


@benchmark(
    "history",
    Target(
        "latest", "latest_run of 10 000 runs, wall", "s", Limit(0.2), Limit(2, "ratio"), "of 100"
    ),
    Target("runs", "list of 10 000 runs, wall", "s", Limit(1), None, "of 100"),
    Target("artifact", "one artifact of it, wall", "s", Limit(0.2), Limit(2, "ratio"), "of 100"),
)
def history(bench: Workbench) -> Mapping[str, Figure]:
    """What R's client takes for each, in a session that has loaded Python."""
    many, few = (_answers(bench, count) for count in (RUNS, FEWER))
    return {name: Figure(many[name], few[name]) for name in _ANSWERS}


def _answers(bench: Workbench, count: int) -> dict[str, float]:
    store = bench.once(f"store of {count} runs", lambda: _kept_store(count))
    told = cost_of(["Rscript", FLOWS / "history.R"], store, SETTINGS).output
    return {name: float(wall) for name, wall in map(str.split, told.splitlines())}


def _kept_store(count: int) -> Path:
    """A store of *count* runs, made at the first time.

    It is kept for later sessions: writing it takes minutes, and where a million files were removed
    the file system makes new ones more slowly, in whatever is measured next.
    """
    directory = Path(tempfile.gettempdir(), f"metaflow-bench-history-{count}-{__version__}")
    finished = directory / "finished"
    if not finished.exists():
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir()
        _write_store(directory, count)
        finished.touch()
    return directory


def _write_store(directory: Path, count: int) -> None:
    """Write *count* runs by the core's own writers, in as many processes as fit."""
    workers = multiprocessing.cpu_count()
    with multiprocessing.Pool(workers) as pool:
        pool.starmap(_write_runs, [(directory, count // workers)] * workers)


def _write_runs(directory: Path, count: int) -> None:
    root = directory / FOLDER
    metadata, store = LocalMetadata(root), FlowDatastore(LocalStorage(root), FLOW)
    identity = Identity("bench", (), ("user:bench", "runtime:dev"))
    for number in range(count):
        run = Pathspec(FLOW, metadata.new_run(FLOW, identity))
        parameters = metadata.register_parameters_task(run, identity)
        _write_task(metadata, store, run.child(PARAMETERS).child(parameters), number)
        for step in STEPS:
            task = run.child(step).child(metadata.new_task(run, step, identity))
            _write_task(metadata, store, task, number)
        metadata.heartbeat(run, {"status": "successful"})


def _write_task(metadata: LocalMetadata, store: FlowDatastore, task: Pathspec, value: int) -> None:
    identity = Identity("bench", (), ())
    run, step, task_id = task.parts[1:]
    writer = store.writer(run, step, task_id, 0)
    writer.begin()
    if step == STEPS[-1]:  # others are as good without, and there are files enough
        writer.save_native("x", value)
    writer.save_native("_task_ok", True)
    writer.commit()
    records = [ArtifactRecord(name, key) for name, key in writer.objects.items()]
    metadata.register_artifacts(task, 0, records, identity)
    facts = {"attempt": "0", "attempt_ok": "True", "attempt-done": "0"}
    data = [MetaDatum(name, told, tags=("attempt_id:0",)) for name, told in facts.items()]
    metadata.register_metadata(task, data, identity.user)


BENCHMARKS = (history,)
