"""Who enters a task of the past is told what its worker was told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from played_run import Breaking, Played, RBytes, RError, Stage
from random_flows import plans
from random_runs import folder_in_memory, random_functions

from metaflow_core import client, wire
from metaflow_core.client.store import Store
from metaflow_core.datastore.local import LocalStorage
from metaflow_core.errors import StoreUnavailable, TaskNotFound, UsageError
from metaflow_core.metadata.local import LocalMetadata
from metaflow_core.metadata.provider import Identity
from metaflow_core.model.flow import Decorator, Flow, Parameter, Step
from metaflow_core.model.pathspec import Pathspec
from metaflow_core.runtime import scene
from metaflow_core.runtime.scene import Scene, enter

_NOT_TOLD = ("payload", "spool", "wrote", "removed", "print_error")


def _enter(stage: Stage, task: Pathspec, attempt: int = 0) -> Scene:
    store = Store("here", LocalMetadata(stage.root), LocalStorage(stage.root))
    return enter(store, task, attempt, stage.root / "spool")


def _told(message: dict[str, Any]) -> dict[str, Any]:
    """A message as R has it, without what has to differ; the order of artifacts says nothing."""
    known = {name: value for name, value in message.items() if name not in _NOT_TOLD}
    known = wire.loads(wire.dumps(known))
    return {**known, "artifacts": sorted(known["artifacts"] or [])}


def _pathspec(message: dict[str, Any]) -> Pathspec:
    return Pathspec.parse(message["current"]["pathspec"])


@settings(max_examples=10)
@given(plans(), st.integers(0, 2**32), st.sampled_from([0.0, 0.2]))
def test_every_task_of_every_run_is_entered_as_it_began(plan, seed, failing):
    with folder_in_memory() as folder:
        stage, luck = Stage(Path(folder)), Random(seed)
        played: Played | None = None
        while played is None or played.result.status != "successful":
            functions = random_functions(plan.flow, seed, failing, luck)
            played = stage.play(plan.flow, functions, origin=played)
            for message in played.launcher.tasks:
                entered = _enter(stage, _pathspec(message))
                assert _told(entered.message()) == _told(message)


@pytest.fixture
def opened(monkeypatch):
    """The files that are opened from now on."""
    paths, open_file = [], open

    def noted(path, *arguments, **named):
        paths.append(path)
        return open_file(path, *arguments, **named)

    monkeypatch.setattr("builtins.open", noted)
    return paths


FOREACH = Flow.of(
    "F",
    Step("start", ("fit",), foreach="items"),
    Step("fit", ("join",), decorators=(Decorator("environment", {"vars": {"MODE": "quick"}}),)),
    Step("join", ("end",), is_join=True),
    Step("end"),
    parameters={"alpha": Parameter("alpha")},
)


CHAIN = Flow.of(
    "F",
    Step("start", ("fit",), foreach="items"),
    Step("fit", ("check",)),
    Step("check", ("join",)),
    Step("join", ("end",), is_join=True),
    Step("end"),
)


def test_a_task_is_entered_without_a_look_at_its_siblings(stage, opened):
    def n_opened(splits):
        def start(step):
            step.items = list(range(splits))

        task = stage.play(CHAIN, {"start": start}).task("check", 1)
        opened.clear()
        _enter(stage, task).message()
        return len(opened)

    assert n_opened(20) == n_opened(4)


def _start(step):
    step.items = ["a", "b", "c"]


def _fit(step):
    step.model = f"model of {step.input}"
    if step.input == "b":
        raise RError("no model")


@pytest.fixture
def failed(stage):
    """A run in which the second task of `fit` failed."""
    return stage.play(FOREACH, {"start": _start, "fit": _fit}, parameters={"alpha": 2})


def test_what_a_task_began_with_is_told_from_what_it_left(stage, failed):
    entered = _enter(stage, failed.task("fit", 1))
    message = entered.message()

    assert sorted(message["artifacts"]) == ["alpha", "items"]
    assert message["wrote"] == ["model"]
    assert message["environment"] == {"MODE": "quick"}
    assert message["parameters"] == ["alpha"]
    wrote = entered.answer({"type": "get", "from": "wrote", "index": None, "name": "model"})
    assert wrote["value"] == "model of b"
    began = entered.answer({"type": "get", "from": "self", "index": None, "name": "model"})
    assert began["found"] is False


def test_the_item_of_the_foreach_is_that_of_the_task(stage, failed):
    question = {"type": "get", "from": "foreach", "index": 0, "name": "items"}

    assert _enter(stage, failed.task("fit", 1)).answer(question)["value"] == "b"


def test_the_payload_comes_as_an_artifact(stage, failed):
    payload = _enter(stage, failed.task("fit", 1)).message()["payload"]

    assert (payload["kind"], payload["bytes"]) == ("r", b"payload")


def test_each_attempt_is_entered_as_itself(stage):
    def start(step):
        step.x = f"attempt {step.task['current']['retry_count']}"
        raise RError("no luck")

    retry = Decorator("retry", {"times": 1, "minutes_between_retries": 0})
    flow = Flow.of("F", Step("start", ("end",), decorators=(retry,)), Step("end"))
    played = stage.play(flow, {"start": start})
    question = {"type": "get", "from": "wrote", "index": None, "name": "x"}

    for number in (0, 1):
        entered = _enter(stage, played.task("start"), number)
        assert entered.message()["current"]["retry_count"] == number
        assert entered.answer(question)["value"] == f"attempt {number}"


def test_a_task_that_was_killed_has_left_nothing_and_is_entered_all_the_same(stage):
    def start(step):
        step.x = RBytes(b"X\n\0\0\0\3 never stored")
        raise RError("gone", kind="killed")

    played = stage.play(Flow.of("F", Step("start", ("end",)), Step("end")), {"start": start})

    assert _enter(stage, played.task("start"), attempt=5).message()["wrote"] == []


def test_a_task_behind_a_failed_one_is_refused_with_the_one_to_enter(stage, failed):
    store = LocalMetadata(stage.root)
    join = failed.run.child("join").child(
        store.new_task(failed.run, "join", Identity("ada", (), ("user:ada",)))
    )

    with pytest.raises(TaskNotFound, match=r"fit/3 has failed.*debug_task"):
        _enter(stage, join)


@pytest.fixture
def asked(stage, failed, monkeypatch):
    """What R asks with, looking at the stage's store."""
    monkeypatch.setenv("METAFLOW_DATASTORE_SYSROOT_LOCAL", str(stage.root.parent))
    spool = str(stage.root / "spool")
    yield lambda pathspec: scene.scene(pathspec=pathspec, spool=spool)
    client.default_metadata()


def test_a_step_stands_for_the_task_of_it_that_failed(asked, failed):
    told = asked("F/latest_run/fit")

    assert told["pathspec"] == str(failed.task("fit", 1))
    assert told["status"] == "failed"
    assert told["exception"]["message"] == "no model"


def test_a_run_stands_for_the_first_task_of_it_that_failed(asked, failed):
    assert asked("F/latest_run")["pathspec"] == asked("F/latest_run/fit")["pathspec"]


def test_a_step_of_several_tasks_names_them(stage, asked):
    stage.play(FOREACH, {"start": _start})

    with pytest.raises(UsageError, match=r"has 3 tasks, 0 of them failed.*fit/2"):
        asked("F/latest_run/fit")


def test_a_question_is_answered_though_the_session_looks_elsewhere(asked, failed, tmp_path):
    told = asked("F/latest_run/fit")
    (tmp_path / "elsewhere" / ".metaflow").mkdir(parents=True)
    client.metadata(str(tmp_path / "elsewhere"))

    answer = scene.scene_answer(
        store=told["store"],
        pathspec=told["pathspec"],
        attempt=told["attempt"],
        spool=str(tmp_path),
        question={"type": "get", "from": "self", "index": None, "name": "alpha"},
    )

    assert answer["value"] == 2


def test_the_frames_of_a_failure_are_the_attempts_own(stage):
    def start(step):
        assert step.task["keep_frames"] is True
        step.x = 1
        raise RError("no")

    retry = Decorator("retry", {"times": 1, "minutes_between_retries": 0})
    flow = Flow.of("F", Step("start", ("end",), decorators=(retry,)), Step("end"))
    kept = {"kind": "r", "bytes": b"X\n\0\0\0\3 frames", "r_type": "list"}
    played = stage.play(flow, {"start": start}, kept=kept)
    question = {"type": "get", "from": "wrote", "index": None, "name": "_frames"}
    entered = _enter(stage, played.task("start"), 1)

    assert entered.answer(question)["bytes"] == kept["bytes"]
    assert entered.message()["wrote"] == ["x"]


def test_frames_are_not_kept_where_the_configuration_says_so(stage, monkeypatch):
    monkeypatch.setenv("METAFLOW_KEEP_FRAMES", "0")
    played = stage.play(Flow.of("F", Step("start", ("end",)), Step("end")))

    assert played.launcher.tasks[0]["keep_frames"] is False


def test_a_step_that_never_began_is_entered_with_what_leads_to_it(stage, asked):
    def refused(services, loop):
        def when(name, *arguments):
            if name == "new_task" and arguments[1] == "fit":
                return StoreUnavailable("The disk is full.")
            return None

        return replace(services, metadata=Breaking(services.metadata, when))

    stage.play(FOREACH, {"start": _start}, parameters={"alpha": 3}, prepare=refused)
    never = asked("F/latest_run/fit")

    assert (never["status"], never["wrote"], never["exception"]) == ("not started", [], None)
    assert [frame["index"] for frame in never["frames"]] == [0]
    assert sorted(never["artifacts"]) == ["alpha", "items"]


@pytest.mark.parametrize(
    ("given", "found"),
    [
        pytest.param("fit", "fit/3", id="a step: the task of it that failed"),
        pytest.param("start", "start/1", id="a step that went well: its first task"),
        pytest.param("latest_run/fit/2", "latest_run/fit/2", id="a task without its flow"),
        pytest.param("F/latest_run/fit/2", "latest_run/fit/2", id="a whole pathspec"),
        pytest.param("join", "latest_run/join", id="a step that no run has come to"),
    ],
)
def test_what_is_spun(asked, failed, given, found):
    assert scene.spin_pathspec(flow="F", given=given).endswith(found)
