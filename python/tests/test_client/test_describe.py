"""Descriptions and tables, as R and the command line get them."""

import json
import os
import shutil

import pytest

from metaflow_core import client, wire
from metaflow_core.bridge import ask
from metaflow_core.client import describe, logs
from metaflow_core.client.state import run_state
from metaflow_core.errors import InvalidPathspec, RunNotFound
from metaflow_core.model.task import Failure


@pytest.fixture
def history(flow):
    """Three runs: one that succeeded, a failed one of a retried task, and one in progress."""
    good = flow.run(tags=["t1"], parameters={"alpha": 0.5})
    good.done("start", x=1)
    good.done("end", x=2)
    bad = flow.run()
    task = bad.task("start")
    for number in range(2):
        failure = Failure("error", f"bad {number}", classes=("error",), condition=wire.dumps("x"))
        with bad.attempt(task, number, ok=False, success=False, failure=failure):
            pass
        bad.log(task, number, "stdout", f"try {number}")
        bad.log(task, number, "stderr", f"oh {number}")
    bad.beat("failed")
    running = flow.run(tags=["t1"])
    running.begin(running.task("start"), 0)
    running.beat("running")
    return good.pathspec, bad.pathspec, running.pathspec


def asked(op, **arguments):
    """What R is answered."""
    question = {"arguments": arguments, "environment": dict(os.environ)}
    return wire.loads(ask(op, wire.dumps(question)))


def ids(*runs):
    return [run.run for run in runs]


def test_runs_are_a_table_newest_first(history):
    good, bad, running = history

    table = describe.runs(flow="Line")

    assert table["run_id"] == ids(running, bad, good)
    assert table["status"] == ["running", "failed", "successful"]
    assert table["tags"] == [["t1"], [], ["t1"]]
    assert table["finished_at"][0] is None


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"tags": ["t1"]}, (2, 0)),
        ({"status": ["successful", "failed"]}, (1, 0)),
        ({"status": ["successful"], "limit": 1}, (0,)),
        ({"limit": 2}, (2, 1)),
        ({"until": 0.0}, ()),
        ({"since": 0.0, "limit": 1}, (2,)),
    ],
)
def test_runs_can_be_chosen(history, asked, expected):
    assert describe.runs(flow="Line", **asked)["run_id"] == ids(*(history[i] for i in expected))


def test_how_a_run_ended_is_remembered(history):
    first = describe.runs(flow="Line")
    kept = client.Flow("Line")._store.provider.outcomes("Line")

    assert set(kept) == set(ids(*history[:2]))
    assert describe.runs(flow="Line") == first


def test_a_search_that_takes_long_says_so(history, monkeypatch, caplog):
    monkeypatch.setattr("metaflow_core.metadata.patience.SILENT_S", -1.0)
    describe.runs(flow="Line")

    assert [record.message.split(";")[0] for record in caplog.records] == [
        "Reading the runs of Line",
        "Looking up how the runs of Line ended",
    ]


def end(run, status):
    """The last word of a run, as the runtime says it."""
    state = {"status": status, "at": 1000.0}
    ending = client.Run(str(run.pathspec)).ending_after(state)
    run.flow.metadata.heartbeat(run.pathspec, {**state, "ending": ending._asdict()})
    return ending


def test_a_run_that_told_how_it_ended_is_listed_without_a_look_at_its_tasks(flow, directory):
    run = flow.run()
    run.done("start")
    run.done("end")
    ending = end(run, "successful")
    for step in ("start", "end", "_parameters"):
        shutil.rmtree(directory / ".metaflow" / str(run.pathspec) / step)

    listed = describe.runs(flow="Line")

    assert (listed["status"], listed["finished_at"]) == (["successful"], [ending.finished_at])
    assert client.Run(str(run.pathspec)).ending == ending


def test_what_another_version_told_of_an_ending_is_found_out_anew(flow):
    run = flow.run()
    run.done("end")
    told = {"status": "failed", "is_over": True, "a field of tomorrow": 1}
    flow.metadata.heartbeat(run.pathspec, {"status": "failed", "ending": told})

    assert describe.runs(flow="Line")["status"] == ["successful"]


def test_a_flow_names_its_latest_runs(history):
    good, bad, running = history

    told = describe.flow(pathspec="Line")

    assert told["latest_run"] == running.run
    assert told["latest_successful_run"] == good.run
    assert told["runs"] == ids(running, bad, good)


def test_the_latest_run_can_stand_for_its_id(history):
    assert describe.run(pathspec="Line/latest_successful_run")["pathspec"] == str(history[0])
    assert describe.step(pathspec="Line/latest_run/start")["tasks"] == ["1"]


def test_a_flow_without_a_successful_run_has_none_to_stand_for(flow):
    flow.run()

    with pytest.raises(RunNotFound, match="no successful run yet"):
        describe.run(pathspec="Line/latest_successful_run")


def test_the_flows_name_is_not_among_the_artifacts_but_a_users_own_name_is():
    class Named:
        def __init__(self, encoding: str) -> None:
            self.own_encoding = encoding

    class Task(dict):
        artifact_names = ("name", "x", "_task_ok")

    assert describe._public_artifacts(Task(name=Named("pickle"))) == ["x"]
    assert describe._public_artifacts(Task(name=Named("native"))) == ["name", "x"]


def test_a_run_tells_its_steps_artifacts_and_failed_tasks(history):
    good, bad, _ = (describe.run(pathspec=str(run)) for run in history)

    assert (good["steps"], good["end_task"]) == (["start", "end"], "2")
    assert good["artifacts"] == ["alpha", "name", "x"]
    assert bad["failed_tasks"] == [f"{bad['pathspec']}/start/1"]
    assert (bad["steps"], bad["artifacts"], bad["end_task"]) == (["start"], [], None)


def test_a_failed_task_tells_why_and_what_was_tried(history):
    told = describe.task(pathspec=f"{history[1]}/start/1")

    assert told["exception"]["message"] == "bad 1"
    assert told["exception"]["condition"] == wire.dumps("x")
    assert told["attempts"]["ok"] == [False, False]
    assert told["attempt"] == 1
    assert "_failure" in told["private_artifacts"]
    first = describe.task(pathspec=f"{history[1]}/start/1", attempt=0)
    assert first["exception"]["message"] == "bad 0"


def test_the_task_of_the_parameters_can_be_described(history):
    told = describe.task(pathspec=f"{history[0]}/_parameters/0")

    assert told["artifacts"] == ["alpha", "name"]
    assert told["parents"] == told["children"] == []


def test_tasks_of_a_run_are_a_table(history):
    table = describe.tasks(pathspec=str(history[1]))

    assert table["step"] == ["start"]
    assert table["message"] == ["bad 1"]
    assert describe.tasks(pathspec=str(history[1]), status=["running"])["step"] == []


def test_a_task_that_is_tried_again_has_not_ended(flow):
    run = flow.run()
    task = run.task("start")
    with run.attempt(task, 0, ok=False, success=False):
        pass
    run.begin(task, 1)
    run.beat("running")

    told, table = describe.task(pathspec=str(task)), describe.tasks(pathspec=str(run.pathspec))

    assert (told["status"], told["finished_at"], told["duration_s"]) == ("running", None, None)
    assert (table["finished_at"], table["duration_s"]) == ([None], [None])


def test_a_flow_has_no_table_of_tasks(history):
    with pytest.raises(InvalidPathspec, match="not a run or a step"):
        describe.tasks(pathspec="Line")


def test_an_artifact_is_described_without_its_value(history):
    told = describe.artifact(pathspec=f"{history[0]}/end/2/x")

    assert (told["name"], told["type"], told["encoding"]) == ("x", "<class 'int'>", "native")
    assert told["size_bytes"] == 5


def test_logs_of_an_attempt_are_in_the_order_of_time(history):
    task = f"{history[1]}/start/1"

    lines = logs.log_lines(pathspec=task)

    assert list(zip(lines["stream"], lines["text"], strict=True)) == [
        ("stdout", "try 1"),
        ("stderr", "oh 1"),
    ]
    assert logs.log(pathspec=task, attempt=0) == "try 0\n"
    assert logs.log(pathspec=task, stream="both") == "try 1\noh 1\n"


def test_tags_are_changed_and_told(history):
    run = str(history[0])

    assert describe.tag(pathspec=run, add=["b", "a"], remove=["t1"]) == ["a", "b"]
    assert describe.replace_tags(pathspec=run, tags=["c"]) == ["c"]


def test_the_state_counts_tasks(history):
    told = run_state(pathspec=str(history[2]))

    assert told["status"] == "running"
    assert told["tasks"] == {"running": 1}
    assert told["at"] > 0


def test_the_tasks_that_a_running_run_counts_itself_are_not_looked_at(history, monkeypatch):
    def look(task):
        raise AssertionError(task)

    run = client.Run(str(history[2]))
    tally = {"step": "start", "expected": 9, "done": 5, "failed": 1, "running": 2}
    state = {**run.state(), "steps": [tally]}
    monkeypatch.setattr(client.Run, "state", lambda self: state)
    monkeypatch.setattr(client.Task, "status", property(look))

    told = run_state(pathspec=run.pathspec)

    assert told["tasks"] == {"failed": 1, "running": 2, "successful": 5}
    assert told["steps"] == {name: [value] for name, value in tally.items()}


@pytest.mark.parametrize(
    ("op", "question"),
    [
        ("list_flows", {}),
        ("get_namespace", {}),
        ("get_metadata", {}),
        ("describe_flow", {"pathspec": "Line"}),
        ("describe_run", {"pathspec": "Line/latest_run"}),
        ("describe_step", {"pathspec": "Line/latest_run/start"}),
        ("describe_task", {"pathspec": "Line/latest_run/start/1"}),
        ("describe_artifact", {"pathspec": "Line/latest_successful_run/start/1/x"}),
        ("artifact", {"pathspec": "Line/latest_successful_run/start/1/x", "spool": "."}),
        ("runs", {"flow": "Line", "tags": [], "status": [], "limit": None}),
        ("tasks", {"pathspec": "Line/latest_run"}),
        ("log", {"pathspec": "Line/latest_run/start/1", "stream": "stdout"}),
        ("log_lines", {"pathspec": "Line/latest_run/start/1", "stream": "both"}),
        ("run_state", {"pathspec": "Line/latest_run"}),
    ],
)
def test_every_answer_is_plain_data(history, op, question):
    answer = asked(op, **question)

    assert "error" not in answer
    json.dumps(answer["value"], default=bytes.hex)


def test_what_is_not_there_is_told_by_its_class(flow):
    answer = asked("describe_run", pathspec="Line/7")

    assert answer["error"]["kind"] == "run_not_found"
