"""Runs that go well: every kind of graph, and what each task sees of those before it."""

from __future__ import annotations

import os

import pytest
from played_run import NESTED, RBytes, RError

from metaflow_core.client.history import Ending
from metaflow_core.client.run import Run
from metaflow_core.client.store import Store
from metaflow_core.compute.protocol import INLINE_LIMIT_BYTES
from metaflow_core.model.flow import Decorator, Flow, Parameter, Step
from metaflow_core.model.pathspec import Pathspec
from metaflow_core.runtime.start import RunOptions


def test_a_task_sees_what_the_one_before_it_left(stage):
    def start(step):
        step.x, step.gone = 1, "soon"

    def middle(step):
        assert (step.x, step.gone) == (1, "soon")
        step.x += 1
        del step.gone

    def end(step):
        assert step.names == ["x"]
        step.y = step.x * 10

    flow = Flow.of("F", Step("start", ("middle",)), Step("middle", ("end",)), Step("end"))
    played = stage.play(flow, {"start": start, "middle": middle, "end": end})

    assert played.result.status == "successful"
    assert played.started == ["end", "middle", "start"]
    assert (played.value("end", "x"), played.value("end", "y")) == (2, 20)


def test_a_step_without_a_function_passes_everything_on(stage):
    flow = Flow.of("F", Step("start", ("middle",)), Step("middle", ("end",)), Step("end"))
    played = stage.play(flow, {"start": lambda step: setattr(step, "x", 1)})

    assert played.reader("end").objects["x"] == played.reader("start").objects["x"]


BRANCH = Flow.of(
    "F",
    Step("start", ("a", "b")),
    Step("a", ("join",)),
    Step("b", ("join",)),
    Step("join", ("end",), is_join=True),
    Step("end"),
)


def test_a_join_gets_its_inputs_in_the_order_of_the_branches(stage):
    def slow(step):
        step.takes(10)
        step.x = "a"

    def join(step):
        inputs = step.task["inputs"]
        assert inputs == {"step": ["a", "b"], "index": [None, None], "task_id": ["2", "3"]}
        step.both = step.inputs("x")

    functions = {"a": slow, "b": lambda step: setattr(step, "x", "b"), "join": join}
    played = stage.play(BRANCH, functions)

    assert played.value("end", "both") == ["a", "b"]


def test_a_join_starts_with_the_parameters_only(stage):
    flow = Flow(BRANCH.name, BRANCH.steps, {"alpha": Parameter("alpha")})

    def join(step):
        assert step.names == ["alpha"]
        assert step.inputs("x") == [1, 1]

    functions = {"start": lambda step: setattr(step, "x", 1), "join": join}
    played = stage.play(flow, functions, parameters={"alpha": 0.5})

    assert played.result.status == "successful"
    assert "x" not in played.reader("join").objects
    assert played.value("end", "alpha") == 0.5


def test_a_join_passes_on_artifacts_by_reference(stage):
    data = os.urandom(INLINE_LIMIT_BYTES + 1)

    def join(step):
        names = [step.objects(index).keys() for index in (0, 1)]
        assert [sorted(n) for n in names] == [["model"], []]
        step.refer("model", 0)

    functions = {"a": lambda step: setattr(step, "model", RBytes(data)), "join": join}
    played = stage.play(BRANCH, functions)

    made, passed_on = played.reader("a"), played.reader("end")
    assert passed_on.objects["model"] == made.objects["model"]
    assert passed_on.info["model"] == made.info["model"]
    assert bytes(passed_on.load("model").r_bytes()) == data


FOREACH = Flow.of(
    "F",
    Step("start", ("body",), foreach="items"),
    Step("body", ("join",)),
    Step("join", ("end",), is_join=True),
    Step("end"),
)


@pytest.mark.parametrize("items", [["one", "two", "three"], "only one", list(range(40))])
def test_a_foreach_makes_a_task_of_each_item(stage, items):
    def body(step):
        step.seen = [step.index, step.input]

    def join(step):
        step.all = step.inputs("seen")

    functions = {"start": lambda step: setattr(step, "items", items), "body": body, "join": join}
    played = stage.play(FOREACH, functions)

    expected = items if isinstance(items, list) else [items]
    assert played.value("end", "all") == [[i, item] for i, item in enumerate(expected)]


def _columns(step):
    step.columns = [f"{step.input}{i}" for i in range(step.index + 1)]


def test_nested_foreachs_join_level_by_level(stage):
    functions = {
        "start": lambda step: setattr(step, "rows", ["a", "b"]),
        "outer": _columns,
        "inner": lambda step: setattr(step, "cell", [step.input_at(0), step.input_at(1)]),
        "inner_join": lambda step: setattr(step, "row", step.inputs("cell")),
        "outer_join": lambda step: setattr(step, "table", step.inputs("row")),
    }
    played = stage.play(NESTED, functions)

    assert played.value("end", "table") == [[["a", "a0"]], [["b", "b0"], ["b", "b1"]]]
    assert [f"inner[{i},{j}]" for i in range(2) for j in range(i + 1)] == [
        label for label in played.started if label.startswith("inner[")
    ]


SWITCH = Flow.of(
    "F",
    Step("start", ("big", "small"), condition="size", cases={"large": "big", "little": "small"}),
    Step("big", ("end",)),
    Step("small", ("end",)),
    Step("end"),
)


@pytest.mark.parametrize(("size", "chosen"), [("large", "big"), ("little", "small")])
def test_a_switch_runs_the_step_that_was_chosen(stage, size, chosen):
    played = stage.play(SWITCH, {"start": lambda step: setattr(step, "size", size)})

    assert played.result.status == "successful"
    assert played.started == sorted(["start", chosen, "end"])
    assert played.value("start", "_transition") == ([chosen], None)


@pytest.mark.parametrize("size_bytes", [10, INLINE_LIMIT_BYTES, INLINE_LIMIT_BYTES + 1])
def test_r_objects_of_any_size_come_back_byte_by_byte(stage, size_bytes):
    data = os.urandom(size_bytes)

    def end(step):
        assert step.model.data == data

    flow = Flow.of("F", Step("start", ("end",)), Step("end"))
    functions = {"start": lambda step: setattr(step, "model", RBytes(data, "lm")), "end": end}
    played = stage.play(flow, functions)

    assert played.result.status == "successful"
    assert played.reader("end").load("model").type == "lm"


LINEAR = Flow.of("F", Step("start", ("end",)), Step("end"))


def test_a_step_may_have_an_artifact_called_name(stage):
    """Stock Metaflow keeps the flow's name in every task as an artifact of this name."""

    def start(step):
        assert step.names == []
        step.name = "F"

    def end(step):
        step.seen = step.name

    played = stage.play(LINEAR, {"start": start, "end": end})

    assert played.value("end", "seen") == "F"


def test_every_task_is_told_who_it_is(stage):
    flow = Flow(
        "F", LINEAR.steps, {"alpha": Parameter("alpha")}, (Decorator("project", {"name": "p"}),)
    )
    played = stage.play(flow, parameters={"alpha": 1}, options=RunOptions(tags=("t", "u")))

    (_, end) = played.launcher.tasks
    assert end["parameters"] == ["alpha"]
    assert end["current"] == {
        "flow_name": "F",
        "run_id": played.run_id,
        "origin_run_id": None,
        "namespace": "user:ada",
        "username": "ada",
        "tags": ["t", "u"],
        "parameter_names": ["alpha"],
        "project_name": "p",
        "branch_name": "user.ada",
        "is_production": False,
        "step_name": "end",
        "task_id": "2",
        "pathspec": f"F/{played.run_id}/end/2",
        "retry_count": 0,
    }


def test_environment_variables_reach_their_task_only(stage):
    decorator = Decorator("environment", {"vars": {"OMP_NUM_THREADS": 1}})
    flow = Flow.of("F", Step("start", ("end",), decorators=(decorator,)), Step("end"))
    played = stage.play(flow)

    assert [task["environment"] for task in played.launcher.tasks] == [{"OMP_NUM_THREADS": "1"}, {}]


@pytest.mark.parametrize("max_workers", [1, 3])
def test_no_more_workers_run_at_once_than_are_allowed(stage, max_workers):
    functions = {
        "start": lambda step: setattr(step, "items", list(range(7))),
        "body": lambda step: step.takes(60),
    }
    played = stage.play(FOREACH, functions, options=RunOptions(max_workers=max_workers))

    assert played.launcher.most_running == max_workers


def test_a_foreach_beyond_the_limit_fails_with_the_option_to_give(stage):
    functions = {"start": lambda step: setattr(step, "items", [1, 2, 3])}
    played = stage.play(FOREACH, functions, options=RunOptions(max_num_splits=2))

    assert played.result.status == "failed"
    assert "--max-num-splits 3" in played.result.failed[0].failure.message


def test_the_payload_is_there_while_tasks_run_and_gone_after(stage):
    paths = []

    def start(step):
        with open(step.task["payload"], "rb") as file:
            assert file.read() == b"payload"
        paths.extend([step.task["payload"], step.task["spool"]])

    stage.play(LINEAR, {"start": start})

    assert [os.path.exists(path) for path in paths] == [False, False]


def test_the_id_of_the_run_is_written_to_a_file_on_request(stage, tmp_path):
    file = tmp_path / "run_id"
    played = stage.play(LINEAR, options=RunOptions(run_id_file=str(file)))

    assert file.read_text() == played.run_id


def test_a_run_tells_how_it_stands_while_it_runs_and_when_it_ended(stage):
    seen = []

    def start(step):
        services = stage.services(LINEAR)
        run = services.metadata.children(services.metadata.children(None)[0].pathspec)[0]
        seen.append(services.metadata.run_state(run.pathspec))

    played = stage.play(LINEAR, {"start": start})

    assert seen[0]["status"] == "running"
    last = played.services.metadata.run_state(played.run)
    assert (last["status"], last["finished"], last["running"]) == ("successful", 2, [])
    assert last["pid"] == os.getpid()


@pytest.mark.parametrize("fails", [False, True])
def test_the_last_heartbeat_tells_how_the_run_ended_as_its_tasks_do(stage, fails):
    def end(step):
        if fails:
            raise RError("no")

    played = stage.play(LINEAR, {"end": end})

    state = played.services.metadata.run_state(played.run)
    store = Store("", played.services.metadata, played.services.store.storage)
    run = Run(str(played.run), _store=store, _namespace_check=False)
    told = Ending.kept(state.pop("ending"))
    assert told == run.ending_after(state)
    assert (told.is_over, told.successful) == (True, not fails)


def test_a_task_is_told_before_the_loop_stands_still_for_it(stage):
    told = []

    def prepare(services, loop):
        def start(step):
            for callback in loop.before_standstill:
                callback()
            run = Pathspec("F", step.task["current"]["run_id"])
            told.extend(services.metadata.run_state(run)["running"])

        functions["start"] = start
        return services

    functions = {}
    played = stage.play(
        Flow.of("F", Step("start", ("end",)), Step("end")), functions, prepare=prepare
    )

    assert [one["pathspec"] for one in told] == [str(played.task("start"))]


def test_the_heartbeat_goes_on_while_a_task_takes_long(stage):
    beats = []

    def prepare(services, loop):
        heartbeat = services.metadata.heartbeat
        services.metadata.heartbeat = lambda run, state: (
            beats.append((loop.now_s, state["running"])),
            heartbeat(run, state),
        )
        return services

    stage.play(LINEAR, {"start": lambda step: step.takes(35)}, prepare=prepare)

    times = [at for at, _ in beats]
    # At 2, that the task runs.
    assert times == [0, 2, 12, 22, 32, 35]
    assert beats[1][1][0]["pathspec"].endswith("/start/1")
    assert beats[1][1][0]["worker"] == "pid 100"
