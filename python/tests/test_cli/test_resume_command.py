"""`resume` on the command line: which run, from where, with which parameters."""

from __future__ import annotations

import json

import pytest
from played_run import RError

from metaflow_core.datastore.attempts import FlowDatastore
from metaflow_core.datastore.local import FOLDER, LocalStorage
from metaflow_core.errors import InvalidParameter, InvalidResume, OriginRunNotFound
from metaflow_core.metadata.local import LocalMetadata
from metaflow_core.metadata.provider import Identity
from metaflow_core.model.flow import Flow, Parameter, Step
from metaflow_core.model.pathspec import Pathspec

STEPS = {
    "start": Step("start", ("middle",)),
    "middle": Step("middle", ("end",)),
    "end": Step("end"),
}
FLOW = Flow("F", STEPS, {"alpha": Parameter("alpha", default=0.1)})


ADA = Identity("ada", (), ())


def _metadata(terminal):
    return LocalMetadata(terminal.folder / FOLDER)


def _fail(step):
    raise RError("no luck")


@pytest.fixture
def failed(terminal):
    """A terminal in which a run has failed, and its id."""
    terminal.functions = {"middle": _fail}
    answer = terminal(FLOW, "run", "--alpha", "0.5")
    assert answer.exit_code == 1
    terminal.functions = {}
    return terminal, answer.result.data["run_id"]


@pytest.mark.parametrize("given", [{"words": ["resume"]}, {"resume": True}])
def test_the_last_run_is_resumed(failed, given):
    terminal, run_id = failed
    answer = terminal(FLOW, *given.pop("words", []), **given)

    assert answer.exit_code == 0
    assert f"Cloning results of a previously run task {run_id}/start/1" in answer.out
    assert "Gathering required information to resume run" in answer.out
    assert answer.request.from_step is None


def test_a_run_that_was_killed_before_its_first_task_is_passed_over(failed):
    terminal, run_id = failed
    _metadata(terminal).new_run("F", ADA)

    assert f"previously run task {run_id}/start/1" in terminal(FLOW, "resume").out


def test_a_run_that_was_killed_while_it_stored_its_parameters_says_so(terminal):
    metadata = _metadata(terminal)
    run = Pathspec("F", metadata.new_run("F", ADA))
    metadata.register_parameters_task(run, ADA)
    FlowDatastore(LocalStorage(terminal.folder / FOLDER), "F").writer(
        run.run, "_parameters", "0", 0
    ).begin()

    with pytest.raises(OriginRunNotFound, match="never stored its parameters"):
        terminal(FLOW, "resume")


@pytest.mark.parametrize(
    "given",
    [{"words": ["resume", "start"]}, {"resume": "start"}, {"words": ["resume"], "resume": "start"}],
)
def test_a_step_can_be_named(failed, given):
    terminal, _ = failed
    answer = terminal(FLOW, *given.pop("words", []), **given)

    assert answer.request.from_step == "start"
    assert "Cloning" not in answer.out


def test_a_run_can_be_named(failed):
    terminal, run_id = failed
    terminal(FLOW, "run")

    for answer in (
        terminal(FLOW, "resume", "--origin-run-id", run_id),
        terminal(FLOW, resume=True, origin_run_id=run_id),
        terminal(FLOW, resume=True, origin_run_id=float(run_id)),
    ):
        assert answer.request.origin.run_id == run_id


def test_without_a_run_there_is_nothing_to_resume(terminal):
    with pytest.raises(OriginRunNotFound, match="There is no run of F here to resume from"):
        terminal(FLOW, "resume")


def test_a_run_that_is_not_there_cannot_be_resumed(failed):
    with pytest.raises(OriginRunNotFound, match="There is no run F/7 to resume from"):
        failed[0](FLOW, "resume", "--origin-run-id", "7")


@pytest.mark.parametrize(
    "given", [{"words": ["resume", "--alpha", "0.7"]}, {"resume": True, "alpha": 0.7}]
)
def test_parameters_cannot_be_changed(failed, given):
    with pytest.raises(InvalidResume, match="alpha cannot be given, because"):
        failed[0](FLOW, *given.pop("words", []), **given)


def test_parameters_of_the_script_are_passed_over_if_the_terminal_resumes(failed):
    answer = failed[0](FLOW, "resume", alpha=0.7)

    assert answer.exit_code == 0
    assert answer.parameters == {}


NEW = Flow("F", STEPS, {**FLOW.parameters, "beta": Parameter("beta", type="int", required=True)})


def test_a_parameter_that_is_new_since_the_origin_run_can_be_given(failed):
    answer = failed[0](NEW, "resume", "--beta", "7")

    assert answer.exit_code == 0
    assert answer.parameters == {"beta": 7}


def test_a_new_parameter_that_is_required_must_be_given(failed):
    with pytest.raises(InvalidParameter, match="Parameter beta is required"):
        failed[0](NEW, "resume")


def test_the_plan_tells_what_would_run_and_runs_nothing(failed):
    terminal, run_id = failed
    answer = terminal(FLOW, "resume", "--plan")

    assert answer.request is None
    assert answer.out == (
        f"Resuming F/{run_id} would do this:\n"
        f"  start   clone      finished in {run_id}\n"
        f"  middle  run again  failed in {run_id}\n"
        "  end     new        follows middle, which runs again\n"
    )


def test_the_plan_can_be_json(failed):
    terminal, _ = failed
    plan = json.loads(terminal(FLOW, "resume", "--plan", "--json").out)

    assert [row["verdict"] for row in plan] == ["clone", "run again", "new"]


def test_the_report_of_a_failed_run_names_the_command_that_resumes_it(failed):
    terminal, _ = failed
    terminal.functions = {"middle": _fail}
    answer = terminal(FLOW, "resume")

    report = answer.result.data["report"]
    run_id = answer.result.data["run_id"]
    assert report == (
        f"Step middle failed: {run_id}/middle/2\n"
        "  Error in f(self): no luck\n"
        "Did not run: end\n"
        f'Debug:  debug_task("F/{run_id}/middle/2")\n'
        f"Log:    Rscript flow.R logs {run_id}/middle/2\n"
        f"Resume: Rscript flow.R resume --origin-run-id {run_id}"
    )
