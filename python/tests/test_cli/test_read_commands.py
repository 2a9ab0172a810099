"""The commands that look at runs, on runs that were just made."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from played_run import RBytes, RError

from metaflow_core.cli.table import table
from metaflow_core.errors import FlowNotFound, InvalidPathspec, NotFound
from metaflow_core.model.flow import Flow, Parameter, Step

FLOW = Flow.of(
    "F",
    Step("start", ("body",), foreach="items"),
    Step("body", ("join",)),
    Step("join", ("end",), is_join=True),
    Step("end"),
)


def _start(step):
    step.items, step.model = ["one", "two"], RBytes(b"X\n", "lm")
    step.prints("to stdout\n")
    step.prints("to stderr\n", "stderr")


def _body(step):
    step.prints(f"item {step.input}\n")
    if step.index == 1:
        raise RError("no luck")


@pytest.fixture
def look(terminal):
    """A terminal in which a run has failed, without and with another one after it."""
    terminal.functions = {"start": _start, "body": _body}
    run_id = terminal(FLOW, "run", "--tag", "first").result.data["run_id"]
    return terminal, run_id


def test_runs_are_listed(look):
    terminal, run_id = look
    terminal.functions = {"start": _start}
    latest = terminal(FLOW, "run").result.data["run_id"]

    out = terminal(FLOW, "list-runs").out
    rows = json.loads(terminal(FLOW, "list-runs", "--json").out)

    assert out.split()[0] == "run"
    assert [line.split()[0] for line in out.splitlines()[1:]] == [latest, run_id]
    assert [row["status"] for row in rows] == ["successful", "failed"]


def test_runs_are_listed_by_tag(look):
    terminal, run_id = look
    terminal(FLOW, "run")

    rows = json.loads(terminal(FLOW, "list-runs", "--tag", "first", "--json").out)

    assert [row["run_id"] for row in rows] == [run_id]


def test_tasks_of_a_run_are_listed(look):
    terminal, run_id = look
    rows = json.loads(terminal(FLOW, "list-tasks", run_id, "--json").out)

    assert [(r["step"], r["status"]) for r in rows if r["step"] == "body"] == [
        ("body", "successful"),
        ("body", "failed"),
    ]


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        ([], ["to stderr", "to stdout"]),
        (["--stdout"], ["to stdout"]),
        (["--stderr"], ["to stderr"]),
        (["--stdout", "--stderr"], ["to stderr", "to stdout"]),
    ],
)
def test_logs_are_shown_by_stream(look, words, lines):
    terminal, run_id = look

    assert sorted(terminal(FLOW, "logs", f"{run_id}/start/1", *words).out.splitlines()) == lines


def test_an_attempt_that_there_never_was_has_no_log(look):
    terminal, run_id = look

    with pytest.raises(NotFound, match=f"{run_id}/start/1 has no attempt 3: its last one is 0"):
        terminal(FLOW, "logs", f"{run_id}/start/1", "--attempt", "3")


@pytest.mark.parametrize("form", ["{run}/body", "F/{run}/body"])
def test_logs_of_a_step_name_the_task_of_each_line(look, form):
    terminal, run_id = look
    out = terminal(FLOW, "logs", form.format(run=run_id), "--stdout").out

    assert set(out.splitlines()) == {f"[{run_id}/body/2] item one", f"[{run_id}/body/3] item two"}


def test_an_argument_of_run_shows_logs(look):
    terminal, run_id = look

    assert terminal(FLOW, logs=f"{run_id}/body/2").out == "item one\n"


def test_artifacts_are_dumped(look):
    terminal, run_id = look
    out = terminal(FLOW, "dump", f"{run_id}/start/1").out

    assert out.splitlines()[0] == f"Dumping task F/{run_id}/start/1"
    assert "  items  ['one', 'two']" in out.splitlines()
    assert re.search(r"^  model  <R lm, \d+ B>$", out, re.MULTILINE)


def test_a_failure_is_told_with_its_message(look):
    terminal, run_id = look
    out = terminal(FLOW, "info", f"{run_id}/body/3").out

    assert "status:         failed" in out
    assert "error:          no luck in f(self)" in out


def test_tags_are_changed(look):
    terminal, run_id = look
    terminal(FLOW, "tag", "add", "second", "a b", "--run-id", run_id)
    terminal(FLOW, "tag", "remove", "first")
    terminal(FLOW, "tag", "replace", "second", "third")
    tags = json.loads(terminal(FLOW, "tag", "list", "--hide-system-tags", "--json").out)

    assert tags == ["a b", "third"]


@pytest.mark.parametrize("command", ["info", "logs", "list-tasks"])
def test_without_a_run_it_is_the_last_one(look, command):
    terminal, run_id = look

    assert terminal(FLOW, command).out == terminal(FLOW, command, run_id).out


@pytest.mark.parametrize("command", ["list-runs", "list-tasks"])
def test_a_status_that_there_is_not_is_a_usage_error(look, command):
    answer = look[0](FLOW, command, "--status", "faild")

    assert answer.exit_code == 2
    assert "'faild' is not one of 'running', 'successful'" in answer.err


def test_info_tells_the_values_of_parameters(terminal):
    terminal.functions = {"start": _start}
    flow = replace(FLOW, parameters={"alpha": Parameter("alpha", default=0.5)})
    terminal(flow, "run")

    assert "parameters:     alpha = 0.5\n" in terminal(flow, "info").out
    assert json.loads(terminal(flow, "info", "--json").out)["parameters"] == {"alpha": 0.5}


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["info", "7"], "See `{script}list-runs` for the runs there are."),
        (["diff", "{run}", "7"], "See `{script}list-runs` for the runs there are."),
        (["logs", "7/start"], "See `{script}list-runs` for the runs there are."),
        (
            ["logs", "{run}/stat"],
            "See `{script}info {run}` for the steps that the run has come to.",
        ),
        (
            ["info", "{run}/body/9"],
            "See `{script}list-tasks {run}/body` for the tasks of the step.",
        ),
    ],
)
def test_what_is_not_there_is_told_with_the_next_command(look, words, hint):
    terminal, run_id = look
    with pytest.raises(NotFound) as caught:
        terminal(FLOW, *[word.format(run=run_id) for word in words])

    assert caught.value.hint == hint.format(run=run_id, script="Rscript flow.R ")


def test_a_flow_that_has_not_run_yet_is_told_as_such(terminal):
    with pytest.raises(FlowNotFound, match="It has no runs here yet"):
        terminal(FLOW, "logs")


@pytest.mark.parametrize("command", ["info", "logs", "list-tasks", "dump"])
def test_what_is_not_there_is_told(look, command):
    with pytest.raises(NotFound):
        look[0](FLOW, command, "7/start")


def test_a_pathspec_with_too_many_parts_is_a_usage_error(look):
    with pytest.raises(InvalidPathspec) as caught:
        look[0](FLOW, "logs", "1/2/3/4/5/6")

    assert caught.value.exit_code == 2


def test_the_state_of_a_run_is_told(look):
    terminal, run_id = look
    answer = terminal(FLOW, "state", run_id)
    lines = answer.out.splitlines()

    assert lines[0].startswith(f"F/{run_id} failed, pid ")
    assert [line.split()[:4] for line in lines[2:]] == [
        ["start", "1", "of", "1"],
        ["body", "1", "of", "2"],
    ]
    told = json.loads(terminal(FLOW, "state", "--json").out)
    assert list(told) == [
        "pathspec", "status", "at", "host", "pid", "tasks", "steps", "running", "waiting",
    ]  # fmt: skip
    assert told["steps"][1] == {
        "step": "body", "done": 1, "failed": 1, "running": 0, "expected": 2,
    }  # fmt: skip
    assert told["running"] == told["waiting"] == []


def test_a_table_is_cut_to_the_width_of_the_terminal_the_widest_column_first():
    columns = {"id": ["1", "2"], "message": ["a" * 50, "short"]}
    shown = {"id": "task", "message": "message"}

    assert max(map(len, table(columns, shown, 30).splitlines())) == 30
    assert table(columns, shown, 30).splitlines()[1] == f"1     {'a' * 23}…"
    assert "a" * 50 in table(columns, shown)


def test_two_runs_are_compared(look):
    terminal, failed = look
    terminal.functions = {"start": _start}
    latest = terminal(FLOW, "run").result.data["run_id"]

    lines = terminal(FLOW, "diff", failed).out.splitlines()
    told = json.loads(terminal(FLOW, "diff", failed, latest, "--json").out)

    assert lines[0].startswith(f"a: F/{failed} failed")
    assert lines[1].startswith(f"b: F/{latest} successful")
    assert any(line.split() == ["body", "1", "failed", "successful"] for line in lines)
    assert [task["status_a"] for task in told["tasks"]] == ["successful"] * 2 + ["failed"] + [
        None,
        None,
    ]
    assert told["parameters"] == told["code"] == []


def test_following_a_task_that_has_ended_shows_it_once(look):
    terminal, run_id = look

    plain = terminal(FLOW, "logs", f"{run_id}/body").out
    assert terminal(FLOW, "logs", f"{run_id}/body", "--follow").out == plain
    assert terminal(FLOW, "logs", run_id).out.splitlines()[-len(plain.splitlines()) :]


@pytest.mark.parametrize("what", ["join", "join/9"])
def test_what_has_not_started_is_waited_for_until_ctrl_c(terminal, monkeypatch, what):
    def interrupted(_seconds):
        raise KeyboardInterrupt

    def start(step):
        _start(step)
        spec = f"{step.task['current']['run_id']}/{what}"
        followed.append(terminal(FLOW, "logs", spec, "--follow"))

    monkeypatch.setattr("time.sleep", interrupted)
    terminal.functions, followed = {"start": start}, []
    terminal(FLOW, "run")

    assert [(answer.exit_code, answer.out) for answer in followed] == [(130, "")]


def test_what_will_never_start_is_not_waited_for(look):
    terminal, run_id = look

    with pytest.raises(NotFound):
        terminal(FLOW, "logs", f"{run_id}/join", "--follow")


def test_lines_of_a_log_as_json(look):
    terminal, run_id = look
    rows = json.loads(
        "[" + ",".join(terminal(FLOW, "logs", f"{run_id}/start", "--json").out.splitlines()) + "]"
    )

    assert [(row["stream"], row["text"]) for row in rows] == [
        ("stdout", "to stdout"),
        ("stderr", "to stderr"),
    ]
    assert list(rows[0]) == ["pathspec", "at", "source", "stream", "text"]


def test_the_log_of_the_run_itself_tells_what_went_wrong(look):
    terminal, run_id = look
    lines = terminal(FLOW, "logs", run_id, "--build").out.splitlines()

    assert any(line.startswith("info: metaflow ") for line in lines)
    assert "warning: body[1] attempt 0 failed (error): no luck" in lines
    assert lines[-1] == "warning: the run has ended: failed"


def test_what_came_before_a_step_s_own_code_is_told_from_what_it_printed(terminal):
    terminal.loading = {"load_prints": b"for all\n", "worker_prints": b"for one\n"}
    terminal.functions = {"start": _start}
    run_id = terminal(FLOW, "run").result.data["run_id"]

    lines = terminal(FLOW, "logs", f"{run_id}/start", "--build").out.splitlines()
    assert [line.rpartition("] ")[2] for line in lines] == ["for all", "for one"]
    assert lines[1] == f"[{run_id}/start/1] for one"
    assert "for all" in terminal(FLOW, "logs", run_id, "--build").out.splitlines()
    out = terminal(FLOW, "logs", f"{run_id}/start/1").out
    assert out.splitlines() == ["for one", "to stdout", "to stderr"]
    rows = [
        json.loads(line)
        for line in terminal(FLOW, "logs", f"{run_id}/start", "--json").out.splitlines()
    ]
    assert [row["source"] for row in rows] == ["load", "runtime", "runtime"]


@pytest.mark.parametrize(("level", "has"), [("warning", False), ("debug", True)])
def test_the_setting_says_how_much_the_log_of_the_run_tells(look, monkeypatch, level, has):
    terminal, _ = look
    monkeypatch.setenv("METAFLOW_LOG_LEVEL", level)
    run_id = terminal(FLOW, "run").result.data["run_id"]

    out = terminal(FLOW, "logs", run_id, "--build").out
    assert ("debug: LaunchAttempt start attempt 0" in out) == has
    assert ("info: " in out) == has
    assert "warning: the run has ended" in out
