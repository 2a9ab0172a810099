"""The command line of a flow: words and arguments of `run()` become one run that is asked for."""

from __future__ import annotations

import json

import pytest

from metaflow_core.errors import InvalidFlow, InvalidParameter, UnknownOption, UsageError
from metaflow_core.model.flow import Decorator, Flow, Parameter, Step
from metaflow_core.runtime.start import RunOptions

FLOW = Flow(
    "TrainFlow",
    {"start": Step("start", ("end",), doc="Loads the data."), "end": Step("end")},
    {
        "alpha": Parameter("alpha", default=0.1, help="Learning rate."),
        "n_trees": Parameter("n_trees", type="int", default=3),
        "label": Parameter("label"),
        "columns": Parameter("columns", separator=","),
        "debug": Parameter("debug", is_flag=True, default=False),
        "grid": Parameter("grid", type="json"),
        "day": Parameter("day", default_is_function=True),
    },
)
DEFAULTS = {
    "alpha": 0.1,
    "n_trees": 3,
    "label": None,
    "columns": None,
    "debug": False,
    "grid": None,
    "day": None,
}


# Running


def test_without_a_word_the_flow_runs(terminal):
    answer = terminal(FLOW)

    assert answer.exit_code == 0
    assert answer.parameters == DEFAULTS
    assert answer.options == RunOptions()


@pytest.mark.parametrize(
    ("words", "parameters"),
    [
        (["--alpha", "0.6"], {"alpha": 0.6}),
        (["--alpha=0.6"], {"alpha": 0.6}),
        (["--alpha=-0.6"], {"alpha": -0.6}),
        (["--n_trees", "5"], {"n_trees": 5}),
        (["--n-trees", "5"], {"n_trees": 5}),
        (["--n-trees=5"], {"n_trees": 5}),
        (["--debug"], {"debug": True}),
        (["--no-debug"], {"debug": False}),
        (["--columns", "mpg,wt"], {"columns": ["mpg", "wt"]}),
        (["--grid", '{"a": [1, 2]}'], {"grid": {"a": [1, 2]}}),
        (["--grid", '"text"'], {"grid": "text"}),
        (["--alpha", "1", "--alpha", "2"], {"alpha": 2.0}),
        (["--label", "a b"], {"label": "a b"}),
        (["--label", 'it\'s "quoted"'], {"label": 'it\'s "quoted"'}),
        (["--label", "a=b=c"], {"label": "a=b=c"}),
        (["--label=a=b=c"], {"label": "a=b=c"}),
        (["--label", "été 中"], {"label": "été 中"}),
        (["--label", "two\nlines"], {"label": "two\nlines"}),
        (["--label", "my_file.csv"], {"label": "my_file.csv"}),
        (["--label", "$(rm -rf /); `ls`"], {"label": "$(rm -rf /); `ls`"}),
        (["--label", "run"], {"label": "run"}),
        (["--label", ""], {"label": ""}),
        (["--label", "TRUE"], {"label": "TRUE"}),
        (["--label", "--alpha"], {"label": "--alpha"}),
    ],
)
@pytest.mark.parametrize("command", [["run"], []], ids=["run", "no command"])
def test_parameters_are_options(terminal, command, words, parameters):
    assert terminal(FLOW, *command, *words).parameters == {**DEFAULTS, **parameters}


@pytest.mark.parametrize(
    ("options", "parameters"),
    [
        ({"alpha": 0.6}, {"alpha": 0.6}),
        ({"alpha": 1}, {"alpha": 1.0}),
        ({"n_trees": 5.0}, {"n_trees": 5}),
        ({"n-trees": 5}, {"n_trees": 5}),
        ({"debug": True}, {"debug": True}),
        ({"columns": ["mpg", "wt"]}, {"columns": ["mpg", "wt"]}),
        ({"columns": "mpg"}, {"columns": ["mpg"]}),
        ({"grid": {"a": [1, 2]}}, {"grid": {"a": [1, 2]}}),
        ({"label": 'two\nlines, it\'s "quoted" = é'}, {"label": 'two\nlines, it\'s "quoted" = é'}),
        ({"label": "--alpha"}, {"label": "--alpha"}),
        ({"label": "my_file.csv"}, {"label": "my_file.csv"}),
        ({"alpha": None}, {}),
    ],
)
def test_parameters_are_arguments_of_run(terminal, options, parameters):
    assert terminal(FLOW, **options).parameters == {**DEFAULTS, **parameters}


def test_the_terminal_wins_over_the_script(terminal):
    answer = terminal(FLOW, "run", "--alpha", "0.6", alpha=0.2, n_trees=9, max_workers=2)

    assert answer.parameters == {**DEFAULTS, "alpha": 0.6, "n_trees": 9}
    assert answer.options.max_workers == 2


@pytest.mark.parametrize(
    ("words", "options", "expected"),
    [
        (["--max-workers", "4"], {}, {"max_workers": 4}),
        ([], {"max_workers": 4.0}, {"max_workers": 4}),
        (["--max-workers=2"], {"max_workers": 4}, {"max_workers": 2}),
        (["--max-num-splits", "7"], {}, {"max_num_splits": 7}),
        (["--tag", "a b", "--tag", "c"], {}, {"tags": ("a b", "c")}),
        ([], {"tag": "a"}, {"tags": ("a",)}),
        ([], {"tag": ["a", "b"]}, {"tags": ("a", "b")}),
        (["--tag", "c"], {"tag": ["a", "b"]}, {"tags": ("c",)}),
        (["--namespace", "user:bob"], {}, {"namespace": "user:bob"}),
        (["--run-id-file", "id"], {}, {"run_id_file": "id"}),
        (["--seed", "7"], {}, {"seed": 7}),
        ([], {"seed": 7.0}, {"seed": 7}),
        (["--on-error", "continue"], {}, {"on_error": "continue"}),
        (["--isolation", "process"], {}, {"isolation": "process"}),
        ([], {"isolation": "fork"}, {"isolation": "fork"}),
        ([], {"other_args": "--tag 'a b' --seed 7"}, {"tags": ("a b",), "seed": 7}),
        (["--seed", "8"], {"other_args": "--seed 7"}, {"seed": 8}),
    ],
)
def test_options_of_the_run(terminal, words, options, expected):
    assert terminal(FLOW, *words, **options).options == RunOptions(**expected)


def test_isolation_has_a_setting(terminal, monkeypatch):
    monkeypatch.setenv("METAFLOW_DEFAULT_ISOLATION", "process")

    assert terminal(FLOW).options.isolation == "process"
    assert terminal(FLOW, isolation="fork").options.isolation == "fork"


def test_a_setting_of_isolation_that_there_is_not_is_told(terminal, monkeypatch):
    monkeypatch.setenv("METAFLOW_DEFAULT_ISOLATION", "thread")

    with pytest.raises(UsageError, match="METAFLOW_DEFAULT_ISOLATION is 'thread', and must be one"):
        terminal(FLOW)


@pytest.mark.parametrize(
    ("words", "options"),
    [
        (["--with", "retry:times=1", "run"], {}),
        (["run", "--with", "retry:times=1"], {}),
        (["--with", "retry:times=1"], {}),
        ([], {"with": "retry:times=1"}),
        ([], {"with": ["retry:times=1"]}),
    ],
)
def test_a_decorator_can_be_added_before_and_after_the_command(terminal, words, options):
    flow = terminal(FLOW, *words, **options).request.flow

    for step in flow.steps.values():
        assert step.decorators == (Decorator("retry", {"times": 1}),)


def test_decorators_of_the_configuration_are_added_last(terminal, monkeypatch):
    monkeypatch.setenv("METAFLOW_DEFAULT_DECOSPECS", "retry:times=4 catch")
    flow = terminal(FLOW, "run", "--with", "retry:times=1").request.flow

    assert [(d.name, d.attributes) for d in flow.steps["start"].decorators] == [
        ("retry", {"times": 1}),
        ("catch", {}),
    ]


def test_a_default_function_is_asked_only_if_it_is_needed(terminal):
    answer = terminal(FLOW, defaults=lambda name: "monday")
    assert answer.parameters["day"] == "monday"

    terminal(FLOW, "run", "--day", "friday")
    terminal(FLOW, "show")
    assert terminal.evaluated == ["day"]


def test_a_run_begins_with_a_greeting(terminal):
    lines = terminal(FLOW).out.splitlines()

    assert lines[0].endswith("executing TrainFlow for user:ada")
    assert lines[1:3] == ["Validating your flow...", "    The graph looks good!"]
    assert lines[-1].endswith(" Done!")


@pytest.mark.parametrize(
    "words",
    [["run", "--quiet"], ["run", "--tag", "a", "--quiet"], ["run", "--quiet", "--alpha", "0.5"]],
)
def test_an_option_of_all_commands_may_stand_after_the_command(terminal, words):
    assert terminal(FLOW, *words).out == ""


def test_a_value_that_looks_like_an_option_of_all_commands_stays_a_value(terminal):
    ended = terminal(FLOW, "run", "--tag", "--quiet")

    assert ended.out != ""


def test_a_quiet_run_says_nothing_of_its_own(terminal):
    assert terminal(FLOW, "--quiet", "run").out == ""
    assert terminal(FLOW, quiet=True).out == ""


@pytest.mark.parametrize(
    ("status", "code"), [("successful", 0), ("failed", 1), ("interrupted", 130)]
)
def test_the_exit_code_tells_how_the_run_ended(terminal, status, code):
    answer = terminal(FLOW, status=status)

    assert answer.exit_code == code
    assert answer.result.data["status"] == status


def test_a_failed_run_leaves_its_report_for_r(terminal):
    answer = terminal(FLOW, status="failed")

    assert "Workflow failed." in answer.out
    assert answer.result.data["report"] == "Resume: Rscript flow.R resume --origin-run-id 153"


def test_without_a_script_the_report_speaks_of_r(terminal):
    answer = terminal(FLOW, status="failed", script="")

    assert answer.result.data["report"] == (
        'Resume: run(flow, resume = TRUE, origin_run_id = "153")'
    )


def test_the_report_names_a_store_that_is_elsewhere(terminal):
    typed = terminal(FLOW, "run", "--datastore-root", "else where", status="failed")
    in_script = terminal(FLOW, status="failed", datastore_root="elsewhere")
    in_session = terminal(FLOW, status="failed", script="", datastore_root="elsewhere")

    assert [answer.result.data["report"] for answer in (typed, in_script, in_session)] == [
        "Resume: Rscript flow.R resume --origin-run-id 153 --datastore-root 'else where'",
        "Resume: Rscript flow.R resume --origin-run-id 153",
        'Resume: run(flow, resume = TRUE, origin_run_id = "153", datastore_root = "elsewhere")',
    ]


@pytest.mark.parametrize(
    ("words", "options"),
    [(["--datastore-root", "elsewhere", "run"], {}), ([], {"datastore_root": "elsewhere"})],
)
def test_the_store_can_be_elsewhere(terminal, words, options):
    services = terminal(FLOW, *words, **options).services

    assert services.store.storage.root == str(terminal.folder / "elsewhere" / ".metaflow")


def test_the_store_is_found_from_the_working_directory_up(terminal, monkeypatch):
    (terminal.folder / ".metaflow").mkdir()
    (terminal.folder / "below").mkdir()
    monkeypatch.chdir("below")

    assert terminal(FLOW).services.store.storage.root == str(terminal.folder / ".metaflow")


def test_an_empty_setting_is_none(terminal, monkeypatch):
    monkeypatch.setenv("METAFLOW_DEFAULT_DATASTORE", "")

    assert terminal(FLOW).exit_code == 0


# Wrong usage


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["rn"], ["No such command 'rn'. Did you mean 'run'?"]),
        (["list-run"], ["No such command 'list-run'. Did you mean 'list-runs'?"]),
        (["xyzzy"], ["No such command 'xyzzy'."]),
        (["run", "--alhpa", "1"], ["--alhpa", "--alpha"]),
        (["--max-worker", "1"], ["--max-worker", "--max-workers"]),
        (["run", "--max-workers", "0"], ["'--max-workers'", "0"]),
        (["run", "--max-workers", "many"], ["'--max-workers'", "'many'"]),
        (["run", "--on-error", "ignore"], ["'--on-error'", "'ignore'"]),
        (["run", "extra"], ["extra"]),
        (["run", "--alpha"], ["'--alpha' requires an argument"]),
    ],
)
def test_wrong_words_exit_with_2_and_name_the_near_match(terminal, words, told):
    answer = terminal(FLOW, *words)

    assert answer.exit_code == 2
    assert answer.request is None
    assert all(part in answer.err for part in told)
    assert all(part in answer.result.data["message"] for part in told)


def test_in_a_session_wrong_usage_is_told_by_the_error_of_r_alone(terminal):
    answer = terminal(FLOW, script="", max_workers=0)

    assert answer.exit_code == 2
    assert "Invalid value for '--max-workers'" in answer.result.data["message"]
    assert answer.printed == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alhpa": 1}, r"run\(alhpa = …\): `run` has no such option \(did you mean `alpha`\?\)"),
        ({"step": "a"}, r"run\(step = …\): `run` has no such option"),
        ({"resume": True, "max_worker": 1}, r"`resume` has no such option \(did you mean `max_w"),
    ],
)
def test_a_wrong_argument_of_run_names_the_near_match(terminal, options, message):
    with pytest.raises(UnknownOption, match=message):
        terminal(FLOW, **options)


@pytest.mark.parametrize("workers", [4.5, "many", float("inf")])
def test_a_wrong_number_from_r_is_refused(terminal, workers):
    assert terminal(FLOW, max_workers=workers).exit_code == 2


def test_every_wrong_parameter_is_told_at_once(terminal):
    with pytest.raises(InvalidParameter) as caught:
        terminal(FLOW, "run", "--alpha", "much", "--n-trees", "2.5")

    assert caught.value.exit_code == 2
    assert "Parameter alpha is not a number: 'much'." in str(caught.value)
    assert "Parameter n_trees is not a whole number: '2.5'." in str(caught.value)


def test_a_required_parameter_that_is_absent_is_told(terminal):
    flow = Flow("F", FLOW.steps, {"who": Parameter("who", required=True)})

    with pytest.raises(InvalidParameter, match="Parameter who is required: give --who"):
        terminal(flow)
    assert terminal(flow, "run", "--who", "Ada").parameters == {"who": "Ada"}


def test_an_argument_of_another_command_is_passed_over_if_the_terminal_chose(terminal):
    answer = terminal(FLOW, "show", alpha=1, max_workers=2, tag="a", resume=True)

    assert answer.exit_code == 0
    assert answer.out.startswith("TrainFlow\n")


def test_an_argument_of_no_command_is_an_error_whatever_the_terminal_chose(terminal):
    with pytest.raises(UnknownOption, match="alhpa"):
        terminal(FLOW, "show", alhpa=1)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--with", "retri", "run"],
            r"`retri` is no decorator of a step \(did you mean `retry`\?\)",
        ),
        (
            ["run", "--with", "retry:time=1"],
            r"it has no argument `time` \(did you mean `times`\?\)",
        ),
        (["--datastore", "s3", "run"], r"--datastore s3 is not in this version yet\."),
        (["--metadata", "service", "run"], r"--metadata service is not in this version yet\."),
    ],
)
def test_what_cannot_be_done_is_a_usage_error(terminal, words, message):
    with pytest.raises(UsageError, match=message):
        terminal(FLOW, *words)


@pytest.mark.parametrize("options", [{"batch": True}, {"step_functions": "create"}])
def test_what_is_not_there_yet_says_so(terminal, options):
    with pytest.raises(UsageError, match="is not in this version yet"):
        terminal(FLOW, **options)


def test_further_words_with_an_open_quote_are_a_usage_error(terminal):
    with pytest.raises(UsageError, match=r"run\(other_args = \"--tag 'a\"\): No closing quotation"):
        terminal(FLOW, other_args="--tag 'a")


def test_a_flow_with_problems_does_not_run(terminal):
    flow = Flow.of("F", Step("start", ("end",), decorators=(Decorator("retri"),)))

    for words in ([], ["run"], ["resume"], ["check"]):
        with pytest.raises(InvalidFlow) as caught:
            terminal(flow, *words)
        assert len(caught.value.problems) == 2


# Help and looking at the flow


@pytest.mark.parametrize("given", [{"words": ["--help"]}, {"words": ["help"]}, {"help": True}])
def test_help_lists_the_commands(terminal, given):
    answer = terminal(FLOW, *given.pop("words", []), **given)

    assert answer.exit_code == 0
    assert answer.out.startswith("Usage: Rscript flow.R [OPTIONS] COMMAND")
    assert "  resume      Run again what failed, and reuse what finished." in answer.out


@pytest.mark.parametrize("words", [["run", "--help"], ["--alpha", "1", "--help"]])
def test_help_of_run_lists_the_parameters(terminal, words):
    out = terminal(FLOW, *words).out

    for line in (
        "  --alpha FLOAT                   Learning rate.  [default: 0.1]",
        "  --n_trees, --n-trees INT        [default: 3]",
        "  --label STR",
        "  --columns STR                   [a list, separated by ',']",
        "  --debug / --no-debug            [default: false]",
        "  --grid JSON",
        "  --day STR                       [default: computed when the run starts]",
    ):
        assert line in out.splitlines()


def test_a_required_parameter_is_marked_in_the_help(terminal):
    flow = Flow("F", FLOW.steps, {"who": Parameter("who", required=True, help="A name.")})

    assert "A name.  [required]" in terminal(flow, "run", "--help").out


def test_help_of_resume_does_not_offer_the_parameters(terminal):
    out = terminal(FLOW, "resume", "--help").out

    assert "--origin-run-id" in out
    assert "--alpha" not in out


@pytest.mark.parametrize("given", [{"words": ["show"]}, {"show": True}])
def test_show_tells_the_steps(terminal, given):
    answer = terminal(FLOW, *given.pop("words", []), **given)

    assert answer.out == ("TrainFlow\n\nStep start\n    Loads the data.\n    => end\n\nStep end\n")


@pytest.mark.parametrize("given", [{"words": ["show", "--json"]}, {"show": True, "json": True}])
def test_show_can_print_json(terminal, given):
    shown = json.loads(terminal(FLOW, *given.pop("words", []), **given).out)

    assert shown["parameters"] == list(FLOW.parameters)
    assert [step["name"] for step in shown["steps"]] == ["start", "end"]


@pytest.mark.parametrize("given", [{"words": ["check"]}, {"check": True}])
def test_check_runs_nothing(terminal, given):
    answer = terminal(FLOW, *given.pop("words", []), **given)

    assert answer.out == "The flow TrainFlow looks good.\n"
    assert answer.request is None


def test_version_names_all_parts(terminal):
    assert terminal(FLOW, "version").out.startswith("metaflow 0.1.0 (core ")
    assert terminal(FLOW, "version").out.endswith(", R 4.2.2)\n")


def test_a_selector_that_is_false_selects_nothing(terminal):
    assert terminal(FLOW, show=False, resume=False, help=False).request is not None
