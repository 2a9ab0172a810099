"""Exit codes, and that nothing starts by accident."""

import json

import pytest

COMMANDS = {
    "unknown command": ["no_functions.R", "rum"],
    "unknown command of stock Metaflow": ["no_functions.R", "airflow", "create"],
    "unknown option": ["no_functions.R", "run", "--max-worker", "2"],
    "option before a wrong command": ["no_functions.R", "--quiet", "dmup"],
    "option without a value": ["no_functions.R", "run", "--tag"],
    "value of a wrong type": ["no_functions.R", "run", "--max-workers", "many"],
    "unknown decorator": ["no_functions.R", "run", "--with", "retyr"],
    "unknown argument of a decorator": ["no_functions.R", "run", "--with", "retry:tims=2"],
    "datastore that is not there": ["no_functions.R", "--datastore", "gs", "run"],
    "metadata that is not there": ["no_functions.R", "--metadata", "spin", "run"],
    "help": ["no_functions.R", "--help"],
    "help of run": ["no_functions.R", "run", "--help"],
    "check": ["no_functions.R", "check"],
    "show": ["no_functions.R", "show", "--json"],
    "version": ["no_functions.R", "version"],
    "invalid graph": ["invalid_graph.R", "run"],
    "reserved parameter": ["reserved_parameter.R", "run"],
}

SAYS = {
    "unknown command": "'run'",
    "unknown command of stock Metaflow": "No such command 'airflow'",
    "unknown option": "--max-workers",
    "option before a wrong command": "'dump'",
    "option without a value": "--tag",
    "value of a wrong type": "'many'",
    "unknown decorator": "`retry`",
    "unknown argument of a decorator": "`times`",
    "datastore that is not there": "gs",
    "metadata that is not there": "spin",
}
"""What the message of each wrong command names."""

INVALID = {"invalid graph": "`report`", "reserved parameter": "cannot be called `name`"}
"""What is said of each flow that cannot run."""

LOOKS = [case for case in COMMANDS if case not in SAYS and case not in INVALID]


@pytest.fixture(scope="module")
def folder(new_folder):
    return new_folder("no_functions.R", "invalid_graph.R", "reserved_parameter.R")


@pytest.fixture(scope="module")
def ended(folder):
    return folder.at_once(COMMANDS)


@pytest.mark.parametrize("case", SAYS)
def test_bad_usage_exits_2_and_names_what_is_wrong(ended, case):
    ended[case].expect(2)
    assert SAYS[case] in ended[case].err


@pytest.mark.parametrize("case", INVALID)
def test_a_flow_that_cannot_run_exits_1_and_says_why(ended, case):
    ended[case].expect(1)
    assert INVALID[case] in ended[case].err


@pytest.mark.parametrize("case", LOOKS)
def test_a_command_that_looks_exits_0(ended, case):
    ended[case].expect(0)


def test_nothing_of_this_started_a_run(ended, folder):
    assert [case for case, end in ended.items() if end.started_a_run] == []
    assert not list(folder.path.glob(".metaflow/*/[0-9]*"))


def test_a_tangled_graph_is_told_with_every_problem_at_once(ended):
    said = ended["invalid graph"].err

    for step in ("`score`", "`raport`", "`report`", "`end`"):
        assert step in said


def test_show_as_json_has_the_steps_in_order(ended):
    shown = json.loads(ended["show"].out)

    assert [step["name"] for step in shown["steps"]] == ["start", "middle", "end"]


def test_a_flow_without_functions_runs(folder):
    ran = folder.rscript("no_functions.R", "run")

    ran.expect(0)
    assert ran.started == ["start", "middle", "end"]
    assert ran.out.endswith("Done!\n")
