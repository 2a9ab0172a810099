"""A step that a user's session tried, kept as a run of its own where stock Metaflow keeps them.

What the session tells is what a worker would have told, so an `Attempt` that listens to it writes
what any attempt writes. The artifacts of the task that it began with are copied: such a store can
be read, moved and thrown away by itself.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from metaflow_core import __version__, config
from metaflow_core.client.store import Store
from metaflow_core.compute.launcher import Exit, Listener
from metaflow_core.compute.loop import Loop
from metaflow_core.datastore.attempts import FlowDatastore
from metaflow_core.datastore.local import SPIN_FOLDER, SpinStorage
from metaflow_core.errors import StoreError
from metaflow_core.files import telling
from metaflow_core.metadata.local import LocalMetadata
from metaflow_core.metadata.provider import Identity
from metaflow_core.model.pathspec import Pathspec
from metaflow_core.model.task import Failure
from metaflow_core.runtime.attempt import Attempt
from metaflow_core.runtime.scene import Scene, scene_of
from metaflow_core.runtime.tasks import RUN_ARTIFACTS, FinishedTask


@dataclass(frozen=True)
class _Told:
    """A launcher, and its one worker, that has said all that it has to say.

    Args:
        output: What it printed: ``stream`` and ``bytes``, in order.
        result: Its message `result`.
    """

    output: Sequence[Mapping[str, Any]]
    result: dict[str, Any]

    def start(self, listener: Listener, isolation: str | None = None) -> _Told:
        listener.on_start("spin")
        return self

    def tell(self, listener: Listener) -> None:
        """All of it; then the worker ends."""
        for piece in self.output:
            listener.on_output(piece["stream"], bytes(piece["bytes"]), is_shown=True)
        listener.on_message(self.result)
        listener.on_exit(Exit(0 if self.result["ok"] else 1, None))

    def prepare(self) -> None: ...

    def on_load(self, hear: Callable[[bytes], object]) -> None: ...

    def expect(self, count: int) -> None: ...

    def send(self, message: Mapping[str, Any]) -> None: ...

    def interrupt(self) -> None: ...

    def stop(self, grace_s: float) -> None: ...

    def close(self) -> None: ...


def spin_root(store: Store) -> Path:
    """The directory of the steps that were tried with tasks of *store*: beside it.

    `METAFLOW_DATASTORE_SYSROOT_SPIN` names another place.
    """
    configured = config.get("METAFLOW_DATASTORE_SYSROOT_SPIN")
    beside = Path(store.storage.root).parent
    return (Path(configured).expanduser().absolute() if configured else beside) / SPIN_FOLDER


def keep(
    scene: Scene,
    root: Path,
    result: dict[str, Any],
    output: Sequence[Mapping[str, Any]],
) -> Pathspec:
    """Keep what a session made of a task; the task that it is kept as.

    Args:
        scene: The task, as the session entered it.
        root: The directory to keep it in; made if it is not there.
        result: As a worker tells it, see `compute.protocol`.
        output: What the step printed: ``stream`` and ``bytes``, in order.

    Raises:
        StoreError: If it cannot be stored.
    """
    began = scene.run
    store = FlowDatastore(SpinStorage(root), began.flow.name)
    metadata = LocalMetadata(root, ds_type=SpinStorage.type)
    user = config.user()
    tags = ("runtime:dev", f"user:{user}", f"metaflow_version:{__version__}")
    identity = Identity(user, (), tags)
    run = Pathspec(began.flow.name, metadata.new_run(began.flow.name, identity))
    task_id = metadata.new_task(run, scene.place.step.name, identity)
    context = replace(began, pathspec=run, store=store, metadata=metadata, identity=identity)
    _copy_blobs(began.store, store, _needed(scene, result), began.spool_root)

    ended: list[FinishedTask | Failure] = []
    attempt = Attempt(
        context,
        replace(scene.place, task_id=task_id),
        0,
        on_end=lambda attempt, how: ended.append(how),
    )
    told = _Told(output, result)
    with contextlib.closing(Loop()) as loop:
        attempt.start(told, loop)
    if not ended:
        told.tell(attempt)
    how = ended[0]
    if isinstance(how, Failure) and result["ok"]:
        raise StoreError(f"What was spun could not be kept: {how.message}")
    status = "failed" if isinstance(how, Failure) else "successful"
    metadata.heartbeat(run, {"status": status, "ended_at": time.time()})
    return run.child(scene.place.step.name).child(task_id)


def _needed(scene: Scene, result: Mapping[str, Any]) -> Iterator[str]:
    """The blobs that the results refer to and that are not among them."""
    shared = scene.run.parameters.stored.objects
    yield from scene.start.objects.values()
    yield from (shared[name] for name in RUN_ARTIFACTS if name in shared)
    for artifact in result.get("artifacts") or ():
        if artifact["kind"] == "reference":
            yield scene.place.parents[artifact["index"]].stored.objects[artifact["name"]]


def _copy_blobs(
    origin: FlowDatastore, store: FlowDatastore, keys: Iterator[str], spool: Path
) -> None:
    spool.mkdir(parents=True, exist_ok=True)
    for key in set(keys):
        if not store.blobs.exists(key):
            path = spool / key
            origin.blobs.copy_to(key, path)
            store.blobs.save_file(path)
            path.unlink(missing_ok=True)


# What R asks


def keep_spin(  # noqa: PLR0913 -- what is kept of whom, and where
    *,
    store: str,
    pathspec: str,
    attempt: int,
    spool: str,
    result: dict[str, Any],
    output: list[dict[str, Any]],
    run_id_file: str | None = None,
) -> dict[str, str]:
    """Keep what a session made of a task.

    Args:
        store, pathspec, attempt, spool: As `runtime.scene.scene_answer` is told.
        result, output: See `keep`.
        run_id_file: File that gets the id of the run that it is kept as.

    Returns:
        ``pathspec``, and the ``directory`` that holds the store.
    """
    root = spin_root(Store.at(store))
    task = keep(scene_of(store, pathspec, attempt, spool), root, result, output)
    if run_id_file:
        with telling("write", run_id_file):
            Path(run_id_file).write_text(task.run or "", encoding="utf-8")
    return {"pathspec": str(task), "directory": str(root.parent)}
