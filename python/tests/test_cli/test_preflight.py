"""What a run says of its functions before it starts, and what `check` does."""

from __future__ import annotations

import json

import pytest

from metaflow_core.errors import RFailed
from metaflow_core.model.flow import Flow, Step

FLOW = Flow.of("F", Step("start", ("end",)), Step("end"))
UNKNOWN = {
    "step": "start",
    "kind": "unknown_function",
    "name": "tofail",
    "file": "flow.R",
    "line": 8,
    "message": "step `start` calls `tofail()`, and there is no such function",
}
TOLD = "Warning: flow.R:8: step `start` calls `tofail()`, and there is no such function.\n"


@pytest.fixture
def warned(terminal):
    terminal.warnings = [UNKNOWN]
    return terminal


@pytest.mark.parametrize("words", [["run"], ["resume"]])
def test_warnings_are_told_before_a_run_on_standard_error(warned, words):
    if words == ["resume"]:
        warned.functions = {}
        warned(FLOW, "run")

    answer = warned(FLOW, *words)

    assert answer.request is not None
    assert answer.err == TOLD


@pytest.mark.parametrize("words", [["--no-preflight"], ["--quiet"]])
def test_a_run_can_go_without(warned, words):
    assert warned(FLOW, "run", *words).err == ""


def test_the_setting_turns_it_off_and_the_command_line_wins(warned, monkeypatch):
    monkeypatch.setenv("METAFLOW_PREFLIGHT", "0")

    assert warned(FLOW, "run").err == ""
    assert warned(FLOW, "run", "--preflight").err == TOLD
    assert warned(FLOW, "run", preflight=True).err == TOLD


def test_a_run_tells_a_few_and_check_tells_all(warned):
    warned.warnings = [UNKNOWN] * 7

    told = warned(FLOW, "run").err.splitlines()

    assert len(told) == 6
    assert told[-1] == "... and 2 more: Rscript flow.R check"
    assert warned(FLOW, "run", script="").err.splitlines()[-1].endswith("run(flow, check = TRUE)")
    assert len(warned(FLOW, "check").err.splitlines()) == 7


def test_trouble_with_looking_does_not_stop_a_run(terminal):
    def fails(sends):
        raise RFailed("R could not evaluate preflight")

    terminal.preflight = fails

    answer = terminal(FLOW, "run")

    assert answer.request is not None
    assert answer.err == ""


def test_check_runs_nothing_and_ends_well_with_warnings(warned):
    answer = warned(FLOW, "check")

    assert answer.request is None
    assert answer.exit_code == 0
    assert answer.out == "The flow F can run, with 1 warning.\n"
    assert answer.err == TOLD


def test_check_gives_its_warnings_as_json_and_nothing_else(warned):
    answer = warned(FLOW, "check", "--json")

    assert json.loads(answer.out) == [UNKNOWN]
    assert answer.err == ""


def test_a_place_that_is_not_known_is_left_out(warned):
    warned.warnings = [{**UNKNOWN, "file": "", "line": 0}]

    assert warned(FLOW, "check").err.startswith("Warning: step `start` calls")
