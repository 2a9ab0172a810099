"""Every value of a parameter arrives as it was given."""

import pytest

from metaflow_core import client

AWKWARD = 'it\'s a = "b" $HOME `d` \\ *\nnew\u00e4\u2603 --x'


@pytest.fixture(scope="module")
def folder(new_folder):
    return new_folder("parameters.R", "required_parameter.R")


@pytest.fixture(scope="module")
def ended(folder):
    given = folder.rscript(
        "parameters.R", "run", "--text", AWKWARD, "--my-file=x=y_z.csv", "--count", "7",
        "--debug", "--strict", "false", "--words", "one two,three", "--grid", '{"depth": [1.5, 2]}',
    )  # fmt: skip
    defaults = folder.rscript("parameters.R", "run")
    stamps = (folder.path / "stamps.txt").read_text(encoding="utf-8").splitlines()
    assert len(stamps) == 2, stamps
    return {
        "given": given,
        "defaults": defaults,
        "from R": folder.rscript("parameters.R", FROM_R="yes"),
        **folder.at_once(
            {
                "help": ["parameters.R", "run", "--help"],
                "wrong type": ["parameters.R", "run", "--count", "2.5"],
                "required": ["required_parameter.R", "run"],
            }
        ),
    }


def test_values_of_the_command_line_arrive_unchanged(ended):
    ended["given"].expect(0)
    got = ended["given"].facts("start")

    text = AWKWARD.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    assert got["text"].replace("\\\\", "\\") == f'"{text}"'
    assert got["my_file"] == '"x=y_z.csv"'
    assert got["count"] == "7L"
    assert got["debug"] == "TRUE"
    assert got["strict"] == "FALSE"
    assert got["words"] == 'c("one two", "three")'
    assert got["grid"] == "list(depth = c(1.5, 2))"


def test_arguments_of_run_stand_where_the_command_line_says_nothing(ended):
    assert ended["given"].facts("start")["alpha"] == "0.25"
    assert ended["given"].facts("end")["alpha at the end"] == "0.25"


def test_defaults_have_their_types(ended):
    ended["defaults"].expect(0)
    got = ended["defaults"].facts("start")

    assert {name: got[name] for name in ("my_file", "count", "debug", "strict", "words")} == {
        "my_file": '"a_b.csv"',
        "count": "3L",
        "debug": "FALSE",
        "strict": "TRUE",
        "words": 'c("x", "y")',
    }
    assert got["grid"] == 'list(depth = 1:3, kind = "gbm")'
    assert got["nothing"] == got["text"] == "NULL"


def test_a_default_function_is_evaluated_once_a_run_with_its_context(ended):
    got = ended["defaults"].facts("start")

    assert got["made"] == "4"
    assert got["stamp"] == '"ParametersFlow tester stamp"'


def test_arguments_of_run_arrive_unchanged(ended):
    ended["from R"].expect(0)
    got = ended["from R"].facts("start")

    assert got["text"].replace("\\\\", "\\") == (
        '"a = \'b\' \\"c\\" $HOME `d` \\\\ *\\n\u00e4\u2603 --x"'
    )
    assert got["my_file"] == '"my_file name.csv"'
    assert got["alpha"] == "1e-07"
    assert got["count"] == "12L"
    assert got["debug"] == "TRUE"
    assert got["strict"] == "FALSE"
    assert got["words"] == 'c("p q", "r")'
    assert got["grid"] == 'list(depth = 5, names = c("a", "b"))'
    assert got["made"] == "1.5"


def test_tags_given_to_run_are_those_of_the_run(ended, folder):
    with folder.client():
        run = client.Run(f"ParametersFlow/{ended['from R'].run_id}")

        assert set(run.user_tags) == {"one", "two words"}


def test_parameters_are_read_only_and_listed(ended):
    assert "AttributeError" in ended["defaults"].facts("end")["assigned"]
    assert "my_file" in ended["defaults"].facts("start")["listed"]


def test_help_lists_them_with_type_default_and_text(ended):
    said = " ".join(ended["help"].out.split())

    ended["help"].expect(0)
    assert "--my-file" in said
    assert 'the user\'s own text, such as 100% "quoted"' in said
    assert "default: 0.1" in said
    assert "INT" in said
    assert "computed when the run starts" in said


@pytest.mark.parametrize(
    ("case", "said"), [("wrong type", "count is not a whole number: '2.5'"), ("required", "--who")]
)
def test_a_wrong_or_missing_value_exits_2_and_starts_nothing(ended, case, said):
    ended[case].expect(2)
    assert said in ended[case].err
    assert not ended[case].started_a_run


def test_a_parameter_without_a_value_is_null(folder):
    ended = folder.rscript("required_parameter.R", "run", "--who", "Ada O'Neil")

    assert ended.facts("start")["who"] == "Ada O'Neil"
