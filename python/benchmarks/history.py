"""What looking at a store costs that has seen many runs."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from benchmarks.benchmark import FLOWS, SETTINGS, Figure, Limit, Target, Workbench, benchmark
from benchmarks.measure import cost_of
from metaflow_core import __version__
from metaflow_core.client.run import Run
from metaflow_core.client.store import Store
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

    It is kept for later sessions: it has a million files, and where so many were removed the file
    system makes new ones more slowly, in whatever is measured next.
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
    """Write one run by the core's own writers, and copies of it in as many processes as fit."""
    flow = directory / FOLDER / FLOW
    first = _write_run(directory / FOLDER)
    workers = multiprocessing.cpu_count()
    with multiprocessing.Pool(workers) as pool:
        copies = [range(first + 1 + n, first + count, workers) for n in range(workers)]
        pool.starmap(_copy_run, [(flow / str(first), numbers) for numbers in copies])
    (flow / "latest_run").write_text(str(first + count - 1))


def _write_run(root: Path) -> int:
    """Write a run; its id."""
    metadata, store = LocalMetadata(root), FlowDatastore(LocalStorage(root), FLOW)
    identity = Identity("bench", (), ("user:bench", "runtime:dev"))
    run = Pathspec(FLOW, metadata.new_run(FLOW, identity))
    parameters = metadata.register_parameters_task(run, identity)
    _write_task(metadata, store, run.child(PARAMETERS).child(parameters))
    for step in STEPS:
        _write_task(metadata, store, run.child(step).child(metadata.new_task(run, step, identity)))
    last = {"status": "successful", "at": time.time()}
    view = Run(str(run), _store=Store("", metadata, store.storage), _namespace_check=False)
    metadata.heartbeat(run, {**last, "ending": view.ending_after(last)._asdict()})
    return int(run.parts[1])


def _copy_run(origin: Path, numbers: Iterable[int]) -> None:
    """Make runs *numbers* of what *origin* has, a millisecond after each other.

    A file that says nothing about its run is one more name of the same.
    """
    folders = [path.relative_to(origin) for path in sorted(origin.rglob("*")) if path.is_dir()]
    paths = [path for path in origin.rglob("*") if path.is_file()]
    files = [(path, path.relative_to(origin), path.read_bytes()) for path in paths]
    began_ms = json.loads((origin / "_meta/_self.json").read_bytes())["ts_epoch"]
    old_id, old_time = origin.name.encode(), b'"ts_epoch": %d' % began_ms
    for number in numbers:
        to = f"{origin.parent}/{number}"
        os.mkdir(to)
        for folder in folders:
            os.mkdir(f"{to}/{folder}")
        new_time = b'"ts_epoch": %d' % (began_ms + number - int(origin.name))
        for path, name, data in files:
            if old_id in data:
                with open(f"{to}/{name}", "xb", buffering=0) as file:
                    file.write(data.replace(old_id, b"%d" % number).replace(old_time, new_time))
            else:
                os.link(path, f"{to}/{name}")


def _write_task(metadata: LocalMetadata, store: FlowDatastore, task: Pathspec) -> None:
    identity = Identity("bench", (), ())
    run, step, task_id = task.parts[1:]
    writer = store.writer(run, step, task_id, 0)
    writer.begin()
    if step == STEPS[-1]:  # others are as good without, and there are files enough
        writer.save_native("x", 1.5)
    writer.save_native("_task_ok", True)
    writer.commit()
    records = [ArtifactRecord(name, key) for name, key in writer.objects.items()]
    metadata.register_artifacts(task, 0, records, identity)
    # As for every task of a run.
    facts = {
        "attempt": "0",
        "origin-run-id": "None",
        "attempt_ok": "True",
        "attempt-done": "0",
    }
    data = [MetaDatum(name, told, tags=("attempt_id:0",)) for name, told in facts.items()]
    metadata.register_metadata(task, data, identity.user)


BENCHMARKS = (history,)
