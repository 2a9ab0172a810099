"""What becomes of a run when a task fails, in each of the ways in which one can."""

from __future__ import annotations

import shutil
import signal

import pytest
from played_run import Dies, RBytes, RError, breaking_storage

from metaflow_core import wire
from metaflow_core.compute.launcher import Exit
from metaflow_core.errors import InvalidTag, StoreUnavailable
from metaflow_core.model.flow import Decorator, Flow, Step
from metaflow_core.runtime.runtime import LINGER_S
from metaflow_core.runtime.start import RunOptions


def _linear(*decorators: Decorator) -> Flow:
    return Flow.of("F", Step("start", ("end",), decorators=decorators), Step("end"))


def _fail(step):
    raise RError("no luck")


def _retry(times: int, minutes: float = 0) -> Decorator:
    return Decorator("retry", {"times": times, "minutes_between_retries": minutes})


# Errors


def test_an_error_of_r_fails_the_run_with_what_r_told(stage):
    frames = [{"call": "start(self)", "file": "flow.R", "line": 3}]

    def start(step):
        raise RError(
            "no luck", classes=["my_error", "error"], frames=frames, condition=b"X\n", call="f(1)"
        )

    played = stage.play(_linear(), {"start": start})

    (failed,) = played.result.failed
    assert (played.result.status, played.result.never_ran) == ("failed", ("end",))
    assert failed.pathspec == f"F/{played.run_id}/start/1"
    failure = failed.failure
    assert (failure.kind, failure.message, failure.call) == ("error", "no luck", "f(1)")
    assert (failure.classes, list(failure.frames)) == (("my_error", "error"), frames)
    assert failure.condition == b"X\n"


def test_a_failed_task_is_stored_with_what_it_had_made(stage):
    def start(step):
        step.x = 1
        _fail(step)

    played = stage.play(_linear(), {"start": start})

    values = {n: played.value("start", n) for n in ("x", "_task_ok", "_success", "_transition")}
    assert values == {"x": 1, "_task_ok": False, "_success": False, "_transition": None}
    assert played.value("start", "_failure")["message"] == "no luck"
    assert played.metadata("start")["attempt_ok"] == "False"


def test_the_exception_is_stored_as_stock_metaflow_shows_it(stage):
    def start(step):
        raise RError(
            "no luck",
            classes=["my_error", "error"],
            frames=[
                {"call": "outer()", "file": "", "line": 0},
                {"call": "f()", "file": "a.R", "line": 7},
            ],
        )

    played = stage.play(_linear(), {"start": start})

    exception = played.value("start", "_exception")
    assert (exception.type, exception.exception) == ("my_error", "no luck")
    assert str(exception) == "no luck\n  at a.R:7 in f()\n  at outer()"


def test_a_worker_that_dies_is_told_by_how_it_ended(stage):
    def start(step):
        raise Dies(Exit(None, signal.SIGTERM, peak_memory_bytes=100_000_000))

    played = stage.play(_linear(), {"start": start})

    failure = played.result.failed[0].failure
    message = "The task was killed by signal 15 (SIGTERM) at 0.1 GB."
    assert (failure.kind, failure.message) == ("killed", message)
    assert played.value("start", "_failure")["kind"] == "killed"


def test_a_worker_that_cannot_be_started_fails_its_attempt(stage):
    played = stage.play(_linear(_retry(1)), refuses=1)

    assert played.result.status == "successful"
    assert played.launcher.tasks[0]["current"]["retry_count"] == 1


def test_a_task_without_a_worker_is_recorded_as_failed(stage):
    played = stage.play(_linear(), refuses=1)

    failure = played.result.failed[0].failure
    assert failure.kind == "start"
    assert played.value("start", "_failure")["message"] == failure.message
    assert played.log("start", "stderr") == [failure.message, "Task failed."]


@pytest.mark.parametrize(
    "message",
    [
        pytest.param({"type": "get", "from": "self"}, id="a name is missing"),
        pytest.param({"type": "get", "name": "x"}, id="it does not say where from"),
        pytest.param({"type": "get", "from": "input", "index": 7, "name": "x"}, id="no such input"),
        pytest.param({"type": "gather", "index": None, "name": "x"}, id="not a position"),
    ],
)
def test_a_message_that_cannot_be_understood_fails_its_attempt_only(stage, message):
    def start(step):
        if step.task["current"]["retry_count"] == 0:
            step.takes(60)
            step.says(**message)

    played = stage.play(_linear(_retry(1)), {"start": start})

    assert played.result.status == "successful"
    told = played.log("start", "stderr", attempt=0)[0]
    assert told.startswith("A message of the worker cannot be understood: g")


# Retries and timeouts


def test_a_failed_task_is_tried_again_after_the_wait(stage):
    def start(step):
        step.attempt = step.task["current"]["retry_count"]
        if step.attempt < 2:
            _fail(step)

    played = stage.play(_linear(_retry(2, minutes=2)), {"start": start})

    assert played.result.status == "successful"
    assert played.value("end", "attempt") == 2
    assert played.loop.now_s == 240


def test_each_attempt_is_kept(stage):
    def start(step):
        step.prints(f"attempt {step.task['current']['retry_count']}\n")
        if step.task["current"]["retry_count"] == 0:
            _fail(step)

    played = stage.play(_linear(_retry(1)), {"start": start})

    oks = [
        played.services.store.reader(played.run_id, "start", "1", attempt).load("_task_ok").value()
        for attempt in (0, 1)
    ]
    assert oks == [False, True]
    assert [played.log("start", "stdout", attempt=a) for a in (0, 1)] == [
        ["attempt 0"],
        ["attempt 1"],
    ]


def test_every_attempt_has_the_same_random_numbers(stage):
    played = stage.play(_linear(_retry(2)), {"start": _fail})

    assert len({task["seed"] for task in played.launcher.tasks}) == 1


def test_an_attempt_that_takes_too_long_is_ended(stage):
    timeout = Decorator("timeout", {"seconds": 30})
    played = stage.play(_linear(timeout), {"start": lambda step: step.takes(31)})

    failure = played.result.failed[0].failure
    assert failure.kind == "timeout"
    assert failure.message == "The task took longer than its timeout of 30 seconds."
    assert played.loop.now_s == 30


def test_an_attempt_that_took_too_long_tells_where_it_was(stage):
    frames = [{"call": "start(self)", "file": "flow.R", "line": 3}]

    def start(step):
        step.before = 1
        step.takes(31)
        step.tells_at_an_interrupt(frames)

    played = stage.play(
        _linear(Decorator("timeout", {"seconds": 30})),
        {"start": start},
        kept={"kind": "native", "value": "the variables"},
    )

    failure = played.result.failed[0].failure
    assert failure.kind == "timeout"
    assert failure.message == "The task took longer than its timeout of 30 seconds."
    assert list(failure.frames) == frames
    assert played.value("start", "before") == 1
    assert played.value("start", "_frames") == "the variables"


def test_an_attempt_that_is_quicker_than_its_timeout_succeeds(stage):
    timeout = Decorator("timeout", {"seconds": 30})
    played = stage.play(_linear(timeout), {"start": lambda step: step.takes(29)})

    assert played.result.status == "successful"


def test_a_timeout_is_tried_again_like_any_failure(stage):
    def start(step):
        step.takes(0 if step.task["current"]["retry_count"] else 100)

    played = stage.play(_linear(Decorator("timeout", {"seconds": 30}), _retry(1)), {"start": start})

    assert played.result.status == "successful"


# Caught failures


def test_a_caught_failure_lets_the_run_go_on(stage):
    def start(step):
        step.before = 1
        _fail(step)

    played = stage.play(_linear(Decorator("catch")), {"start": start})

    assert played.result.status == "successful"
    values = [played.value("start", name) for name in ("_task_ok", "_success", "_transition")]
    assert values == [True, False, (["end"], None)]
    assert "before" not in played.reader("end").objects


def test_a_caught_failure_is_recorded_as_an_attempt_of_its_own(stage):
    played = stage.play(_linear(_retry(1), Decorator("catch")), {"start": _fail})

    begun, done = played.services.store.attempts(played.run_id, "start", "1")
    assert begun == done == {0, 1, 2}
    assert played.metadata("start")["attempt-done"] == "2"


@pytest.mark.parametrize("is_printed", [True, False])
def test_the_log_of_a_caught_failure_tells_it(stage, is_printed):
    catch = Decorator("catch", {"var": "problem", "print_exception": is_printed})
    played = stage.play(_linear(catch), {"start": _fail})

    lines = played.log("start", "stderr", attempt=1)

    assert lines[-1] == "The failure was caught as `problem`: the flow goes on."
    assert [line for line in lines if "no luck" in line] == [
        "Error in f(self): no luck"
    ] * is_printed


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        pytest.param(
            wire.dumps(wire.Classed({"message": "told by R"}, ("my_error",))),
            "told by R",
            id="the condition of R",
        ),
        pytest.param(b"", "no luck", id="one that is made where R has left none"),
    ],
)
def test_the_caught_condition_is_an_artifact(stage, condition, message):
    def start(step):
        raise RError("no luck", condition=condition)

    def end(step):
        assert wire.loads(step.problem.data)["message"] == message

    catch = Decorator("catch", {"var": "problem"})
    played = stage.play(_linear(catch), {"start": start, "end": end})

    assert played.result.status == "successful"


def test_what_did_not_fail_has_nothing_in_the_catch_variable(stage):
    def end(step):
        assert step.names == ["problem"]
        assert step.problem is None

    catch = Decorator("catch", {"var": "problem"})
    played = stage.play(_linear(catch), {"end": end})

    assert played.result.status == "successful"


FOREACH = Flow.of(
    "F",
    Step("start", ("body",), foreach="items"),
    Step("body", ("join",)),
    Step("join", ("end",), is_join=True),
    Step("end"),
)


def _items(step):
    step.items = [0, 1, 2]


def test_a_join_tells_the_splits_that_failed(stage):
    def body(step):
        if step.index == 1:
            _fail(step)

    def join(step):
        step.failed = [problem is not None for problem in step.inputs("problem")]

    steps = dict(FOREACH.steps)
    steps["body"] = Step("body", ("join",), decorators=(Decorator("catch", {"var": "problem"}),))
    played = stage.play(Flow("F", steps), {"start": _items, "body": body, "join": join})

    assert played.value("end", "failed") == [False, True, False]


# What a failure means for the others


def test_what_else_runs_may_finish_for_a_moment_and_is_stopped_then(stage):
    def body(step):
        if step.index == 0:
            _fail(step)
        step.takes(LINGER_S - 1 if step.index == 1 else 1000)

    played = stage.play(FOREACH, {"start": _items, "body": body})

    assert [played.value("body", "_task_ok", number) for number in (0, 1, 2)] == [
        False,
        True,
        False,
    ]
    assert [task.failure.message for task in played.result.failed] == ["no luck"]
    assert played.result.stopped == [f"{played.run_id}/body/4"]
    assert played.result.never_ran == ("join", "end")
    assert played.loop.now_s == LINGER_S


def test_what_has_ended_already_cannot_be_stopped(stage):
    """The failure of one task and the end of another can be noticed in one breath."""

    def body(step):
        if step.index == 0:
            _fail(step)

    played = stage.play(FOREACH, {"start": _items, "body": body})

    assert played.result.stopped == []
    assert [played.value("body", "_task_ok", number) for number in (1, 2)] == [True, True]


def test_a_stopped_task_is_recorded_as_stopped(stage):
    def body(step):
        if step.index == 0:
            _fail(step)
        step.takes(1000)

    played = stage.play(FOREACH, {"start": _items, "body": body})

    assert played.value("body", "_failure", 1)["kind"] == "stopped"
    assert played.log("body", "stderr", 1) == [
        f"Stopped because task {played.run_id}/body/2 failed.",
        "Task was stopped.",
    ]


def test_independent_tasks_go_on_if_asked(stage):
    def body(step):
        if step.index == 0:
            _fail(step)
        step.takes(1000)

    played = stage.play(
        FOREACH, {"start": _items, "body": body}, options=RunOptions(on_error="continue")
    )

    assert played.result.status == "failed"
    assert [played.value("body", "_task_ok", number) for number in (1, 2)] == [True, True]
    assert played.result.stopped == []
    assert played.result.never_ran == ("join", "end")


def test_an_interrupt_stops_at_once_and_keeps_what_finished(stage):
    def prepare(services, loop):
        loop.call_later(10, loop.interrupt)
        return services

    functions = {
        "start": _items,
        "body": lambda step: step.takes(5 if step.index == 0 else 1000),
    }
    played = stage.play(FOREACH, functions, prepare=prepare)

    assert (played.result.status, list(played.result.failed)) == ("interrupted", [])
    assert played.loop.now_s == 10
    assert [played.value("body", "_task_ok", number) for number in (0, 1, 2)] == [
        True,
        False,
        False,
    ]
    assert len(played.result.stopped) == 2


def test_an_interrupt_ends_the_moment_that_others_have_to_finish(stage):
    def prepare(services, loop):
        loop.call_later(LINGER_S / 2, loop.interrupt)
        return services

    def body(step):
        if step.index == 0:
            _fail(step)
        step.takes(1000)

    played = stage.play(FOREACH, {"start": _items, "body": body}, prepare=prepare)

    assert played.result.status == "failed"
    assert played.loop.now_s == LINGER_S / 2


def test_an_interrupt_while_a_retry_is_waited_for_ends_the_run(stage):
    def prepare(services, loop):
        loop.call_later(10, loop.interrupt)
        return services

    played = stage.play(_linear(_retry(1, minutes=5)), {"start": _fail}, prepare=prepare)

    assert played.result.status == "interrupted"
    assert played.loop.now_s == 10


# A store that fails


def _full(path: str = "") -> StoreUnavailable:
    return StoreUnavailable(f"Cannot write {path}: no space left on device.")


def test_a_result_that_cannot_be_stored_fails_its_task(stage):
    def prepare(services, loop):
        def when(name, key="", *rest):
            return (
                _full(key)
                if name == "save" and key.endswith("/0.data.json") and "/end/" in key
                else None
            )

        return breaking_storage(services, when)

    played = stage.play(_linear(), prepare=prepare)

    failure = played.result.failed[0].failure
    assert failure.kind == "save"
    assert "no space left on device" in failure.message
    assert played.value("start", "_task_ok") is True
    assert "The failed attempt could not be recorded" in played.printed


def test_a_result_that_cannot_be_stored_once_is_stored_by_the_retry(stage):
    times = []

    def prepare(services, loop):
        def when(name, key="", *rest):
            if name == "save" and key.endswith("/start/1/0.data.json"):
                times.append(key)
                return _full(key)
            return None

        return breaking_storage(services, when)

    played = stage.play(_linear(_retry(1)), prepare=prepare)

    assert played.result.status == "successful"
    assert times


def test_a_file_of_the_worker_that_is_gone_fails_its_task(stage):
    def start(step):
        step.model = RBytes(b"x" * 100_000)
        step.takes(1)
        step._worker._loop.call_soon(lambda: shutil.rmtree(step.task["spool"]))

    played = stage.play(_linear(), {"start": start})

    assert played.result.failed[0].failure.kind == "save"


def test_a_log_that_cannot_be_stored_is_told_once_and_the_task_goes_on(stage):
    def prepare(services, loop):
        return breaking_storage(services, lambda name, *rest: _full() if name == "append" else None)

    def start(step):
        step.prints("a\n")
        step.prints("b\n")

    played = stage.play(_linear(), {"start": start}, prepare=prepare)

    assert played.result.status == "successful"
    assert played.printed.count("The log cannot be stored") == 1
    assert "] a\n" in played.printed
    assert "] b\n" in played.printed


def test_a_task_that_cannot_be_registered_fails_the_run_by_its_step(stage):
    def prepare(services, loop):
        real = services.metadata.new_task

        def new_task(run, step, identity, follows):
            if step == "end":
                raise _full(step)
            return real(run, step, identity, follows)

        services.metadata.new_task = new_task
        return services

    played = stage.play(_linear(), prepare=prepare)

    (failed,) = played.result.failed
    assert failed.pathspec == f"F/{played.run_id}/end"
    assert failed.failure.kind == "save"


def test_a_caught_failure_that_cannot_be_stored_ends_the_run_with_the_reason(stage):
    def prepare(services, loop):
        def when(name, key="", *rest):
            return _full(key) if name == "save" and key.endswith("/1.data.json") else None

        return breaking_storage(services, when)

    with pytest.raises(StoreUnavailable, match="no space left"):
        stage.play(_linear(Decorator("catch")), {"start": _fail}, prepare=prepare)


def test_an_input_that_cannot_be_read_is_an_error_of_the_task_that_asks(stage):
    def prepare(services, loop):
        def when(name, key="", *rest):
            return _full(key) if name in ("load", "open") and "/data/" in key else None

        return breaking_storage(services, when)

    def end(step):
        return step.x

    functions = {"start": lambda step: setattr(step, "x", "some text"), "end": end}
    played = stage.play(_linear(), functions, prepare=prepare)

    failure = played.result.failed[0].failure
    assert failure.kind == "error"
    assert f"Artifact F/{played.run_id}/end/2/x: Cannot write" in failure.message


def test_an_error_that_nobody_expected_leaves_no_worker_behind(stage):
    class Unexpected(Exception):
        pass

    def prepare(services, loop):
        loop.call_later(5, lambda: (_ for _ in ()).throw(Unexpected))
        return services

    with pytest.raises(Unexpected):
        stage.play(_linear(), {"start": lambda step: step.takes(10)}, prepare=prepare)

    services = stage.services(_linear())
    (run,) = services.store.runs()
    failure = services.store.reader(run, "start", "1").load("_failure").value()
    assert (failure["kind"], failure["message"]) == ("stopped", "The run ended before its time.")


@pytest.mark.parametrize("tag", ["", "x" * 501])
def test_a_tag_that_is_not_valid_is_refused_before_there_is_a_run(stage, tag):
    with pytest.raises(InvalidTag):
        stage.play(_linear(), options=RunOptions(tags=(tag,)))

    assert list(stage.services(_linear()).store.runs()) == []


def test_a_folder_for_temporary_files_that_is_not_there_is_told(stage, monkeypatch):
    monkeypatch.setenv("METAFLOW_TEMPDIR", "/nowhere")

    with pytest.raises(StoreUnavailable, match="Cannot make a folder in /nowhere: no such file"):
        stage.play(_linear())


def test_a_run_id_file_that_cannot_be_written_is_told(stage, tmp_path):
    with pytest.raises(StoreUnavailable, match=r"Cannot write .*/absent/id"):
        stage.play(_linear(), options=RunOptions(run_id_file=str(tmp_path / "absent" / "id")))
