"""A run that goes on where another one failed: what is cloned, and what a clone is."""

from __future__ import annotations

import shutil

import pytest
from played_run import NESTED, Dies, RError, breaking_storage

from metaflow_core.compute.launcher import Exit
from metaflow_core.errors import InvalidResume, OriginRunNotFound, StoreUnavailable
from metaflow_core.model.flow import Decorator, Flow, Parameter, Step
from metaflow_core.model.pathspec import Pathspec
from metaflow_core.runtime.resume import OriginRun
from metaflow_core.runtime.start import RunOptions

LINEAR = Flow.of("F", Step("start", ("middle",)), Step("middle", ("end",)), Step("end"))

FOREACH = Flow.of(
    "F",
    Step("start", ("body",), foreach="items"),
    Step("body", ("join",)),
    Step("join", ("end",), is_join=True),
    Step("end"),
)


def _set_x(step):
    step.x = 1


def _fail(step):
    raise RError("no luck")


def _failed(stage, **options):
    """A linear run that failed in its second step."""
    return stage.play(LINEAR, {"start": _set_x, "middle": _fail}, **options)


def test_what_finished_is_cloned_and_what_failed_runs_again(stage):
    origin = _failed(stage)
    resumed = stage.play(LINEAR, {"end": lambda step: setattr(step, "y", step.x)}, origin=origin)

    assert resumed.result.status == "successful"
    assert resumed.started == ["end", "middle"]
    assert resumed.value("end", "y") == 1


def test_a_clone_refers_to_the_same_blobs(stage):
    origin = _failed(stage)
    resumed = stage.play(LINEAR, origin=origin)

    clone, original = resumed.reader("start"), origin.reader("start")
    assert dict(clone.objects) == dict(original.objects)
    assert dict(clone.info) == dict(original.info)


def test_a_clone_has_a_record_and_nothing_else(stage):
    origin = _failed(stage)
    resumed = stage.play(LINEAR, origin=origin)

    files = {path.name for path in stage.root.joinpath(*resumed.task("start").parts).iterdir()}
    assert files == {"_meta", "0.attempt.json", "0.data.json", "0.DONE.lock"}


def test_cloning_neither_reads_nor_writes_data(stage):
    origin = _failed(stage)
    used: list[str] = []

    def prepare(services, loop):
        def note(name, key="", *rest):
            if "/data/" in key:
                used.append(f"{name} {key.rpartition('/')[2]}")

        return breaking_storage(services, note)

    stage.play(LINEAR, {"middle": _fail}, origin=origin, prepare=prepare)

    assert not [use for use in used if use.endswith(origin.reader("start").objects["x"])]


def test_a_clone_tells_where_it_comes_from(stage):
    origin = _failed(stage)
    resumed = stage.play(LINEAR, origin=origin)

    assert resumed.metadata("start") == {
        "origin-task-id": "1",
        "origin-run-id": origin.run_id,
        "attempt": "0",
        "attempt_ok": "True",
        "attempt-done": "0",
    }
    assert resumed.metadata("middle")["origin-run-id"] == origin.run_id
    assert "origin-task-id" not in resumed.metadata("middle")


def test_cloning_is_told_in_metaflows_words(stage):
    origin = _failed(stage)
    resumed = stage.play(LINEAR, origin=origin)

    line = (
        f"[{resumed.run_id}/start/1] Cloning results of a previously run task "
        f"{origin.run_id}/start/1\n"
    )
    assert line in resumed.printed


def test_tasks_know_the_run_that_is_resumed(stage):
    origin = _failed(stage)
    resumed = stage.play(LINEAR, origin=origin)

    assert {t["current"]["origin_run_id"] for t in resumed.launcher.tasks} == {origin.run_id}


def test_only_the_splits_that_failed_run_again(stage):
    def body(step):
        step.seen = step.input
        if step.index == 1:
            _fail(step)

    def start(step):
        step.items = ["a", "b", "c"]

    origin = stage.play(
        FOREACH, {"start": start, "body": body}, options=RunOptions(on_error="continue")
    )
    functions = {
        "body": lambda step: setattr(step, "seen", step.input),
        "join": lambda step: setattr(step, "all", step.inputs("seen")),
    }
    resumed = stage.play(FOREACH, functions, origin=origin)

    assert resumed.started == ["body[1]", "end", "join"]
    assert resumed.value("end", "all") == ["a", "b", "c"]


def test_a_split_that_died_without_a_word_runs_again(stage):
    def body(step):
        if step.index == 1:
            raise Dies(Exit(None, 9))

    origin = stage.play(
        FOREACH, {"start": lambda step: setattr(step, "items", [1, 2]), "body": body}
    )
    resumed = stage.play(FOREACH, origin=origin)

    assert resumed.started == ["body[1]", "end", "join"]


def test_tasks_whose_end_was_never_recorded_run_again(stage):
    """The machine went down while two splits of a nested foreach ran."""

    class PowerCut(Exception):
        pass

    played = []

    def prepare(services, loop):
        played.append(services)
        return services

    def inner(step):
        if (step.task["frames"][0]["index"], step.index) == (1, 0):
            raise PowerCut

    functions = {
        "start": lambda step: setattr(step, "rows", [1, 2]),
        "outer": lambda step: setattr(step, "columns", [1, 2]),
        "inner": inner,
    }
    with pytest.raises(PowerCut):
        stage.play(NESTED, functions, prepare=prepare, options=RunOptions(max_workers=1))
    # What the dying process could still write is taken away.
    (run,) = played[0].store.runs()
    for done in sorted(stage.root.joinpath("F", run, "inner").glob("*/0.DONE.lock"))[-1:]:
        done.unlink()
    origin = OriginRun(Pathspec("F", run), played[0].store, played[0].metadata)

    tasks = origin.tasks(NESTED, None)

    assert {str(key): how for key, how in tasks.unfinished.items()} == {
        "inner[1,0]": "did not finish"
    }
    assert "inner[0,1]" in {str(key) for key in tasks.tasks}


def test_resuming_from_a_step_runs_it_and_what_follows(stage):
    origin = stage.play(LINEAR, {"start": _set_x})
    resumed = stage.play(LINEAR, origin=origin, from_step="middle")

    assert resumed.started == ["end", "middle"]


def test_resuming_from_a_step_after_the_failed_one_begins_at_the_failed_one(stage):
    resumed = stage.play(LINEAR, origin=_failed(stage), from_step="end")

    assert resumed.started == ["end", "middle"]


def test_resuming_from_the_first_step_clones_nothing(stage):
    resumed = stage.play(LINEAR, origin=_failed(stage), from_step="start")

    assert resumed.started == ["end", "middle", "start"]


def test_a_step_that_is_not_there_cannot_be_resumed_from(stage):
    with pytest.raises(
        InvalidResume, match=r"has no step 'midle' to resume from. Its steps: start"
    ):
        stage.play(LINEAR, origin=_failed(stage), from_step="midle")


def test_a_resumed_run_can_be_resumed(stage):
    origin = _failed(stage)
    second = stage.play(LINEAR, {"middle": lambda step: None, "end": _fail}, origin=origin)
    third = stage.play(LINEAR, origin=second)

    assert third.started == ["end"]
    assert third.reader("start").objects["x"] == origin.reader("start").objects["x"]
    assert third.metadata("start")["origin-run-id"] == second.run_id
    assert third.metadata("middle")["origin-run-id"] == second.run_id


def test_a_run_that_was_interrupted_can_be_resumed(stage):
    def prepare(services, loop):
        loop.call_later(1, loop.interrupt)
        return services

    origin = stage.play(LINEAR, {"middle": lambda step: step.takes(100)}, prepare=prepare)
    resumed = stage.play(LINEAR, origin=origin)

    assert resumed.started == ["end", "middle"]


def test_a_successful_run_that_is_resumed_runs_nothing(stage):
    resumed = stage.play(LINEAR, origin=stage.play(LINEAR))

    assert (resumed.result.status, resumed.started) == ("successful", [])


def test_parameters_are_those_of_the_origin(stage):
    flow = Flow("F", LINEAR.steps, {"alpha": Parameter("alpha", default=0.1)})
    origin = stage.play(flow, {"middle": _fail}, parameters={"alpha": 0.5})

    def end(step):
        assert step.alpha == 0.5

    resumed = stage.play(flow, {"end": end}, origin=origin, parameters={"alpha": 0.7})

    assert resumed.result.status == "successful"
    assert resumed.value("_parameters", "alpha") == 0.5


def test_a_parameter_that_is_new_has_the_value_that_is_given(stage):
    origin = _failed(stage)
    flow = Flow("F", LINEAR.steps, {"alpha": Parameter("alpha", default=0.1)})

    def middle(step):
        assert step.names == ["alpha", "x"]
        assert step.alpha == 0.1

    resumed = stage.play(flow, {"middle": middle}, origin=origin, parameters={"alpha": 0.1})

    assert resumed.result.status == "successful"


def test_the_random_numbers_are_those_of_the_origin(stage):
    origin = _failed(stage, options=RunOptions(seed=7))
    resumed = stage.play(LINEAR, origin=origin)

    seeds = {t["step"]: t["seed"] for t in resumed.launcher.tasks}
    assert seeds["middle"] == origin.launcher.tasks[-1]["seed"]


def test_a_seed_that_is_given_wins(stage):
    origin = _failed(stage, options=RunOptions(seed=7))
    resumed = stage.play(LINEAR, origin=origin, options=RunOptions(seed=8))

    seeds = {t["step"]: t["seed"] for t in resumed.launcher.tasks}
    assert seeds["middle"] != origin.launcher.tasks[-1]["seed"]


def test_a_caught_failure_is_cloned_as_one(stage):
    flow = Flow.of(
        "F",
        Step("start", ("middle",), decorators=(Decorator("catch", {"var": "problem"}),)),
        Step("middle", ("end",)),
        Step("end"),
    )
    origin = stage.play(flow, {"start": _fail, "middle": _fail})

    def middle(step):
        assert step.problem is not None

    resumed = stage.play(flow, {"middle": middle}, origin=origin)

    assert resumed.result.status == "successful"
    assert resumed.value("start", "_success") is False


def test_a_retried_task_is_cloned_from_the_attempt_that_succeeded(stage):
    retry = Decorator("retry", {"times": 1, "minutes_between_retries": 0})
    flow = Flow.of(
        "F",
        Step("start", ("middle",), decorators=(retry,)),
        Step("middle", ("end",)),
        Step("end"),
    )

    def start(step):
        step.x = step.task["current"]["retry_count"]
        if step.x == 0:
            _fail(step)

    origin = stage.play(flow, {"start": start, "middle": _fail})
    resumed = stage.play(flow, origin=origin)

    assert resumed.value("start", "x") == 1


def test_a_step_that_is_new_runs_with_all_that_follows(stage):
    origin = stage.play(LINEAR, {"start": _set_x})
    flow = Flow.of(
        "F",
        Step("start", ("fresh",)),
        Step("fresh", ("middle",)),
        Step("middle", ("end",)),
        Step("end"),
    )
    resumed = stage.play(flow, origin=origin)

    assert resumed.started == ["end", "fresh", "middle"]


def test_a_switch_is_cloned_with_its_choice(stage):
    flow = Flow.of(
        "F",
        Step("start", ("a", "b"), condition="size", cases={"x": "a", "y": "b"}),
        Step("a", ("end",)),
        Step("b", ("end",)),
        Step("end"),
    )
    origin = stage.play(flow, {"start": lambda step: setattr(step, "size", "y"), "b": _fail})
    resumed = stage.play(flow, origin=origin)

    assert resumed.started == ["b", "end"]


def test_there_is_no_resuming_of_what_is_not_there(stage):
    services = stage.services(LINEAR)

    with pytest.raises(OriginRunNotFound, match="There is no run F/7 to resume from"):
        OriginRun(Pathspec("F", "7"), services.store, services.metadata)


def test_a_run_without_parameters_cannot_be_resumed(stage):
    """It failed before it began, with a full disk for instance."""

    def prepare(services, loop):
        services.metadata.register_parameters_task = _no_space
        return services

    with pytest.raises(StoreUnavailable):
        stage.play(LINEAR, prepare=prepare)
    services = stage.services(LINEAR)
    (record,) = services.metadata.children(Pathspec("F"))

    with pytest.raises(OriginRunNotFound, match="never stored its parameters"):
        OriginRun(record.pathspec, services.store, services.metadata).parameters()


def _no_space(*_):
    raise StoreUnavailable("no space")


def _killed_while_cloning(stage, played, steps):
    """As if *played* had been killed before it came to these steps."""
    for step in steps:
        shutil.rmtree(stage.root.joinpath(*played.run.child(step).parts))
    played.services.metadata.heartbeat(played.run, {"status": "running"})


LONG = Flow.of(
    "F", Step("start", ("one",)), Step("one", ("two",)), Step("two", ("end",)), Step("end")
)


def test_what_a_killed_resume_did_not_come_to_clone_is_cloned_from_its_origin(stage):
    origin = stage.play(LONG, {"start": _set_x, "end": _fail})
    first = stage.play(LONG, {"end": _fail}, origin=origin)
    _killed_while_cloning(stage, first, ["two", "end"])
    second = stage.play(LONG, {"end": _fail}, origin=first)
    _killed_while_cloning(stage, second, ["one", "two", "end"])
    last = stage.play(LONG, origin=second)

    assert last.started == ["end"]
    assert last.metadata("one")["origin-run-id"] == first.run_id
    assert last.metadata("two")["origin-run-id"] == origin.run_id
    assert last.value("end", "x") == 1


def test_what_a_killed_resume_was_asked_to_run_again_is_not_taken_from_its_origin(stage):
    origin = stage.play(LONG, {"start": _set_x})
    first = stage.play(LONG, origin=origin, from_step="two")
    _killed_while_cloning(stage, first, ["one", "two", "end"])
    last = stage.play(LONG, origin=first)

    assert last.started == ["end", "two"]


def test_what_a_resume_that_ended_does_not_have_is_not_looked_for(stage):
    origin = stage.play(LONG, {"start": _set_x})
    first = stage.play(LONG, {"one": _fail}, origin=origin, from_step="one")
    last = stage.play(LONG, origin=first)

    assert last.started == ["end", "one", "two"]
