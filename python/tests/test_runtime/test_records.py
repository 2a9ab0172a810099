"""What a run leaves in the store is what stock Metaflow leaves there (spec: the datastore)."""

from __future__ import annotations

import json
import signal

import pytest
from played_run import NESTED, Dies, RError

from metaflow_core import __version__
from metaflow_core.compute.launcher import Exit
from metaflow_core.model.flow import Decorator, Flow, Parameter, Step
from metaflow_core.model.task import ForeachFrame
from metaflow_core.runtime.start import RunOptions

FRAMEWORK = {
    *("name", "_transition", "_task_ok", "_success", "_graph_info", "_foreach_stack"),
    *("_configs_processed", "_iteration_stack", "_foreach_var", "_foreach_num_splits"),
    *("_exception", "_current_step"),
}
"""Artifacts that stock Metaflow 2.19 has in every task."""

LINEAR = Flow.of("F", Step("start", ("end",)), Step("end"))

NESTED_FUNCTIONS = {
    "start": lambda step: setattr(step, "rows", ["a", "b"]),
    "outer": lambda step: setattr(step, "columns", [1, 2, 3]),
}


def _files(stage, played, *parts: str) -> set[str]:
    folder = stage.root.joinpath("F", played.run_id, *parts)
    return {path.name for path in folder.iterdir() if path.is_file()}


def _record(stage, played, *parts: str):
    return json.loads(stage.root.joinpath("F", played.run_id, *parts).read_text())


def test_a_task_has_the_artifacts_that_stock_metaflow_writes(stage):
    played = stage.play(LINEAR, {"start": lambda step: setattr(step, "x", 1.5)})

    assert set(played.reader("start").objects) == {*FRAMEWORK, "x"}
    values = {n: played.value("start", n) for n in FRAMEWORK - {"_graph_info"}}
    assert values == {
        "name": "F",
        "_transition": (["end"], None),
        "_task_ok": True,
        "_success": True,
        "_foreach_stack": [],
        "_configs_processed": True,
        "_iteration_stack": [],
        "_foreach_var": None,
        "_foreach_num_splits": None,
        "_exception": None,
        "_current_step": "start",
    }
    assert played.value("end", "_transition") is None


def test_tasks_of_one_step_that_end_differently_have_each_its_own_transition(stage):
    flow = Flow.of(
        "F",
        Step("start", ("pick",), foreach="sides"),
        Step("pick", ("left", "right"), condition="side", cases={"l": "left", "r": "right"}),
        Step("left", ("meet",)),
        Step("right", ("meet",)),
        Step("meet", ("join",)),
        Step("join", ("end",), is_join=True),
        Step("end"),
    )
    functions = {
        "start": lambda step: setattr(step, "sides", ["l", "r", "l"]),
        "pick": lambda step: setattr(step, "side", step.input),
    }
    played = stage.play(flow, functions)

    found = [played.value("pick", "_transition", n) for n in range(3)]
    assert found == [(["left"], None), (["right"], None), (["left"], None)]


def test_the_index_of_an_attempt_tells_what_each_artifact_is(stage):
    played = stage.play(LINEAR, {"start": lambda step: setattr(step, "x", 1.5)})

    record = _record(stage, played, "start", "1", "0.data.json")
    assert (record["datastore"], record["version"], record["attempt"]) == ("local", "1.0", 0)
    assert record["info"]["x"]["size"] == 21
    assert record["info"]["x"]["type"] == "<class 'float'>"
    assert record["info"]["x"]["encoding"] == "pickle-v4"


def test_the_files_of_a_task(stage):
    played = stage.play(LINEAR, {"start": lambda step: step.prints("hello\n")})

    assert _files(stage, played, "start", "1") == {
        "0.attempt.json",
        "0.data.json",
        "0.DONE.lock",
        "0.runtime",
        "0.runtime_stdout.log",
    }
    assert _record(stage, played, "start", "1", "0.DONE.lock") == ""


def test_how_the_process_ended_and_what_it_used_is_recorded(stage):
    def start(step):
        raise Dies(Exit(None, signal.SIGKILL, cpu_s=0.25, peak_memory_bytes=3_000))

    played = stage.play(LINEAR, {"start": start})

    found = _record(stage, played, "start", "1", "0.runtime")
    assert found.pop("duration_s") >= 0
    assert found == {
        "return_code": -9,
        "killed": True,
        "success": False,
        "cpu_s": 0.25,
        "peak_memory_bytes": 3_000,
    }


def test_what_is_not_known_of_the_process_is_none(stage):
    played = stage.play(LINEAR, {})

    found = _record(stage, played, "start", "1", "0.runtime")
    assert (found["return_code"], found["killed"], found["success"]) == (0, False, True)
    assert found["peak_memory_bytes"] is None


@pytest.mark.parametrize(
    ("step", "number", "frames"),
    [
        ("start", 0, []),
        ("outer", 1, [ForeachFrame("outer", "rows", 2, 1, "b")]),
        (
            "inner",
            5,
            [ForeachFrame("outer", "rows", 2, 1, "b"), ForeachFrame("inner", "columns", 3, 2, "3")],
        ),
        ("inner_join", 1, [ForeachFrame("outer", "rows", 2, 1, "b")]),
        ("outer_join", 0, []),
    ],
)
def test_the_foreach_stack_of_a_task(stage, step, number, frames):
    played = stage.play(NESTED, NESTED_FUNCTIONS)

    assert played.value(step, "_foreach_stack", number) == frames


def test_a_step_that_fans_out_tells_over_what(stage):
    played = stage.play(NESTED, NESTED_FUNCTIONS)

    names = ("_transition", "_foreach_var", "_foreach_num_splits", "_foreach_values")
    assert [played.value("outer", name) for name in names] == [
        (["inner"], "columns"),
        "columns",
        3,
        ["1", "2", "3"],
    ]
    assert "_foreach_values" not in played.reader("inner").objects


def test_a_branch_leads_to_each_of_its_steps(stage):
    flow = Flow.of(
        "F",
        Step("start", ("a", "b")),
        Step("a", ("join",)),
        Step("b", ("join",)),
        Step("join", ("end",), is_join=True),
        Step("end"),
    )
    played = stage.play(flow)

    assert played.value("start", "_transition") == (["a", "b"], None)


def test_the_facts_about_a_task(stage):
    played = stage.play(LINEAR)

    assert played.metadata("end") == {
        "attempt": "0",
        "origin-run-id": "None",
        "ds-type": "local",
        "ds-root": str(stage.root),
        "attempt_ok": "True",
        "attempt-done": "0",
    }


def test_the_facts_about_a_task_of_a_foreach(stage):
    played = stage.play(NESTED, NESTED_FUNCTIONS)

    facts = played.metadata("inner", 4)
    assert facts["foreach-execution-path"] == "outer:1,inner:1"
    assert facts["foreach-stack"] == ["rows=b", "columns=2"]


def test_every_fact_says_of_which_attempt_it_is(stage):
    def start(step):
        if step.task["current"]["retry_count"] == 0:
            raise RError("no luck")

    retry = Decorator("retry", {"times": 1, "minutes_between_retries": 0})
    flow = Flow.of("F", Step("start", ("end",), decorators=(retry,)), Step("end"))
    played = stage.play(flow, {"start": start})

    data = played.services.metadata.task_metadata(played.task("start"))
    told = [
        (d["field_name"], d["value"], d["tags"]) for d in data if d["field_name"] == "attempt_ok"
    ]
    assert told == [
        ("attempt_ok", "False", ["attempt_id:0"]),
        ("attempt_ok", "True", ["attempt_id:1"]),
    ]


def test_the_parameters_are_a_task_of_their_own(stage):
    flow = Flow("F", LINEAR.steps, {"alpha": Parameter("alpha"), "names": Parameter("names")})
    played = stage.play(flow, parameters={"alpha": 0.5, "names": ["a", "b"]})

    reader = played.reader("_parameters")
    values = {
        n: reader.load(n).value() for n in reader.objects if n not in ("_graph_info", "_r_flow")
    }
    assert isinstance(values.pop("_r_seed"), int)
    assert values == {
        "alpha": 0.5,
        "names": ["a", "b"],
        "name": "F",
        "_configs_processed": True,
        "_transition": None,
        "_task_ok": True,
        "_success": True,
        "_foreach_stack": [],
    }
    assert played.ids("_parameters") == ["0"]
    assert played.metadata("_parameters")["start_step"] == "start"
    assert played.metadata("_parameters")["end_step"] == "end"


def test_the_flow_that_ran_is_kept_with_the_parameters_only(stage):
    played = stage.play(LINEAR)

    assert bytes(played.reader("_parameters").load("_r_flow").r_bytes()) == b"payload"
    assert "_r_flow" not in played.reader("start").objects


def test_the_graph_is_described_in_every_task(stage):
    played = stage.play(LINEAR)

    graph = played.value("end", "_graph_info")
    assert list(graph["steps"]) == ["start", "end"]
    assert graph["steps"]["start"]["next"] == ["end"]


def test_a_run_has_the_tags_of_its_user_and_of_the_system(stage):
    project = Decorator("project", {"name": "p"})
    flow = Flow("F", LINEAR.steps, decorators=(project,))
    played = stage.play(flow, options=RunOptions(tags=("mine", "yours", "mine")))

    record = played.services.metadata.get(played.run)
    assert record.user == "ada"
    assert record.tags == ("mine", "yours")
    assert {
        "runtime:dev",
        "user:ada",
        f"metaflow_version:{__version__}",
        "metaflow_r_version:0.1.0",
        "r_version:4.2.2",
        "project:p",
        "project_branch:user.ada",
    } < set(record.system_tags)


def test_the_latest_run_of_the_flow_is_noted(stage):
    stage.play(LINEAR)
    played = stage.play(LINEAR)

    assert (stage.root / "F" / "latest_run").read_text() == played.run_id


def test_task_ids_count_over_all_steps(stage):
    played = stage.play(NESTED, NESTED_FUNCTIONS)

    steps = ("start", "outer", "inner", "inner_join", "outer_join", "end")
    ids = [int(task) for step in steps for task in played.ids(step)]
    assert sorted(ids) == list(range(1, 14))
    assert played.ids("start") == ["1"]


def test_a_step_that_was_not_reached_has_left_nothing(stage):
    def start(step):
        raise RError("no luck")

    played = stage.play(LINEAR, {"start": start})

    assert not (stage.root / "F" / played.run_id / "end").exists()


def test_what_a_task_prints_is_kept_by_stream_in_order(stage):
    def start(step):
        step.prints("one\ntw")
        step.prints("oops\n", "stderr")
        step.prints("o\nno line end")

    played = stage.play(LINEAR, {"start": start})

    assert played.log("start", "stdout") == ["one", "two", "no line end"]
    assert played.log("start", "stderr") == ["oops"]


def test_a_failed_task_says_so_in_its_log(stage):
    def start(step):
        raise RError("no luck")

    played = stage.play(LINEAR, {"start": start})

    assert played.log("start", "stderr") == ["Task failed."]
    found = _record(stage, played, "start", "1", "0.runtime")
    assert (found["return_code"], found["killed"], found["success"]) == (1, False, False)
