"""Tasks of a foreach get their item, and not the artifact that holds all of them."""

from __future__ import annotations

from typing import Any

import pytest
from played_run import RBytes

from metaflow_core import wire
from metaflow_core.compute.protocol import INLINE_LIMIT_BYTES
from metaflow_core.datastore.attempts import Encoded
from metaflow_core.datastore.blobs import BlobStore
from metaflow_core.model.flow import Flow, Step
from metaflow_core.model.task import TaskKey
from metaflow_core.runtime.briefing import _input_columns
from metaflow_core.runtime.items import ForeachItems, SerializedItems
from metaflow_core.runtime.tasks import FOREACH_ITEMS, FinishedTask, Stored

FOREACH = Flow.of(
    "F",
    Step("start", ("body",), foreach="items"),
    Step("body", ("join",)),
    Step("join", ("end",), is_join=True),
    Step("end"),
)
WHOLE = RBytes(wire.dumps(["all", "of", "them"]))
ITEMS = [wire.dumps(item) for item in ("one", "x" * INLINE_LIMIT_BYTES, "three")]


def _split(step) -> None:
    step.items = WHOLE
    step.hand_over(ITEMS)


def _seen(step) -> None:
    answer = step.get_item()
    step.seen = [answer.get("is_item"), wire.loads(step.input.data)]


def _gather(step) -> None:
    step.all = step.inputs("seen")


FUNCTIONS: dict[str, Any] = {"start": _split, "body": _seen, "join": _gather}
SEEN = [[True, "one"], [True, "x" * INLINE_LIMIT_BYTES], [True, "three"]]


def test_the_items_that_the_split_handed_over_are_what_its_tasks_get(stage):
    played = stage.play(FOREACH, FUNCTIONS)

    assert played.value("end", "all") == SEEN
    assert FOREACH_ITEMS in played.reader("start").objects
    assert FOREACH_ITEMS not in played.reader("body").objects


def test_a_resumed_run_has_the_items_of_its_origin(stage):
    origin = stage.play(FOREACH, FUNCTIONS)
    resumed = stage.play(FOREACH, FUNCTIONS, origin=origin, from_step="body")

    assert "start" not in resumed.started
    assert resumed.value("end", "all") == SEEN


def test_without_items_a_task_gets_the_whole_artifact(stage):
    functions = {"start": lambda step: setattr(step, "items", WHOLE)}
    functions["body"] = lambda step: setattr(step, "seen", "is_item" in step.get_item())
    played = stage.play(FOREACH, functions)

    assert played.value("body", "seen") is False


def test_a_small_item_comes_with_the_task_and_is_what_it_would_be_told(stage):
    functions = {**FUNCTIONS, "body": lambda step: setattr(step, "seen", _comes_along(step))}
    played = stage.play(FOREACH, functions)

    # The second is too large for a message.
    assert played.value("end", "all") == [True, False, True]


def _comes_along(step) -> bool:
    item, asked = step.task["item"], step.get_item()
    assert item is None or {**item, "type": "artifact"} == asked
    return item is not None


def test_of_large_splits_no_item_comes_along_and_nothing_is_read_unasked(stage, loaded):
    def split(step) -> None:
        step.items = WHOLE
        step.hand_over([*ITEMS, wire.dumps(bytes(1 << 20))])

    functions = {"start": split, "body": lambda step: setattr(step, "seen", step.task["item"])}
    played = stage.play(FOREACH, functions)

    assert played.value("body", "seen") is None
    assert not [what for what in loaded if what.endswith("items")]


def test_the_items_of_a_split_are_read_once(stage, loaded):
    functions = {
        "start": lambda step: setattr(step, "items", list(range(50))),
        "body": lambda step: setattr(step, "seen", step.input),
    }
    stage.play(FOREACH, functions)
    assert len([what for what in loaded if what.endswith("/items")]) == 1


@pytest.fixture
def loaded(monkeypatch) -> list[str]:
    """What is read from the store, as the messages about it would say."""
    names: list[str] = []
    load = BlobStore.load
    monkeypatch.setattr(
        BlobStore, "load", lambda self, *args: names.append(args[-1]) or load(self, *args)
    )
    return names


@pytest.mark.parametrize("kept_bytes", [0, 1 << 20])
def test_items_of_several_splits_are_told_apart_whatever_is_kept(stage, kept_bytes):
    store = stage.services(FOREACH).store
    sources = []
    for number in range(3):
        writer = store.writer("1", "start", str(number), 0)
        cut = SerializedItems([1, 2], bytes([number, number, 9]))
        writer.save_pickle(FOREACH_ITEMS, cut.dumps(), "<class 'tuple'>")
        sources.append(Stored(dict(writer.objects), dict(writer.info)))
    items = ForeachItems(store, kept_bytes)

    for _ in range(2):
        found = [bytes(items.item(source, "x", 1, "F/1/body/1")) for source in sources]
        assert found == [bytes([number, 9]) for number in range(3)]


def test_gather_answers_with_what_fits_into_a_message(stage):
    large = RBytes(wire.dumps(bytes(700_000)))
    counts: list[int] = []

    def join(step):
        waiting = list(range(5))
        while waiting:
            found = step.gather("large", waiting)
            counts.append(len(found))
            waiting = waiting[len(found) :]

    functions = {
        "start": lambda step: setattr(step, "items", list(range(5))),
        "body": lambda step: setattr(step, "large", large),
        "join": join,
    }
    played = stage.play(FOREACH, functions)

    assert played.result.status == "successful"
    assert counts == [2, 2, 1]


def test_an_artifact_that_is_passed_on_is_never_read(stage, monkeypatch):
    asked: list[str] = []
    get = Encoded.r_file
    monkeypatch.setattr(
        Encoded, "r_file", lambda self, *args: asked.append(self.name) or get(self, *args)
    )
    line = Flow.of("F", Step("start", ("middle",)), Step("middle", ("end",)), Step("end"))
    large = RBytes(wire.dumps(bytes(700_000)))
    played = stage.play(line, {"start": lambda step: setattr(step, "large", large)})

    assert bytes(played.reader("end").load("large").r_bytes()) == large.data
    assert asked == []


def test_a_join_is_told_of_ten_thousand_inputs_in_a_few_bytes_each():
    keys = [TaskKey("body", (index,)) for index in range(10_000)]
    parents = [FinishedTask(key, str(n), (), Stored()) for n, key in enumerate(keys, 2)]

    told = wire.dumps(_input_columns(parents))

    assert len(told) < 40 * len(parents)
    assert wire.loads(told)["task_id"][-1] == "10001"
