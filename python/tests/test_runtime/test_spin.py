"""A step that a session tried is kept as a task that any client reads."""

from __future__ import annotations

import pytest
from played_run import RError

from metaflow_core.client.store import Store
from metaflow_core.datastore.local import SPIN_FOLDER, LocalStorage
from metaflow_core.errors import StoreUnavailable
from metaflow_core.metadata.local import LocalMetadata
from metaflow_core.model.flow import Flow, Step
from metaflow_core.runtime.scene import enter
from metaflow_core.runtime.spin import keep

FLOW = Flow.of(
    "F",
    Step("start", ("fit",), foreach="items"),
    Step("fit", ("join",)),
    Step("join", ("end",), is_join=True),
    Step("end"),
)


def _start(step):
    step.items = ["a", "b"]
    step.common = "for all"


def _fit(step):
    step.model = f"model of {step.input}"


@pytest.fixture
def keep_task(stage):
    """Keeps what is told of a task of a run; its pathspec, and the store that it is in."""
    played = stage.play(FLOW, {"start": _start, "fit": _fit})

    def keep_task(step, index, **result):
        store = Store("here", LocalMetadata(stage.root), LocalStorage(stage.root))
        scene = enter(store, played.task(step, index), 0, stage.root / "spool")
        told = {"type": "result", "ok": True, "artifacts": [], "removed": [], **result}
        root = stage.root.parent / SPIN_FOLDER
        task = keep(scene, root, told, [{"stream": "stdout", "bytes": b"fitting\n"}])
        return task, Store.at(f"spin@{root.parent}")

    return keep_task


def test_a_kept_task_has_what_it_wrote_what_it_began_with_and_its_log(keep_task):
    model = {"name": "model", "kind": "native", "value": "another"}
    task, store = keep_task("fit", 1, artifacts=[model])
    reader = store.reader(task)

    assert reader.load("model").value() == "another"
    assert reader.load("common").value() == "for all"
    assert reader.load("_task_ok").value() is True
    assert any(b"fitting" in log.read() for log in store.log_files(task, 0, "stdout"))


def test_a_kept_join_has_what_it_passes_on_of_its_inputs(keep_task):
    passed = {"name": "model", "kind": "reference", "index": 1}
    task, store = keep_task("join", 0, artifacts=[passed])

    assert store.reader(task).load("model").value() == "model of b"


def test_a_step_that_failed_is_kept_as_failed(keep_task):
    failure = RError("no model").failure
    task, store = keep_task("fit", 0, ok=False, failure=failure)

    assert store.reader(task).load("_task_ok").value() is False
    assert store.provider.run_state(task.parent.parent)["status"] == "failed"


def test_a_directory_where_nothing_was_kept_is_refused(tmp_path):
    with pytest.raises(StoreUnavailable, match=r"\.metaflow_spin"):
        Store.at(f"spin@{tmp_path}")
