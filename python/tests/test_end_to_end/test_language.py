"""What R users write in a flow works in its steps."""

import pytest


def facts_of(text):
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


@pytest.fixture(scope="module")
def folder(new_folder):
    return new_folder("language.R", "foreach.R", "empty_foreach.R", "deep_error.R")


@pytest.fixture(scope="module")
def ended(folder):
    scripts = ["language.R", "foreach.R", "empty_foreach.R"]
    return folder.at_once(
        {script: [script, "run"] for script in scripts} | {"deep_error.R": ["deep_error.R"]}
    )


class TestTheStepsOfAScript:
    @pytest.fixture
    def told(self, ended):
        ended["language.R"].expect(0)
        return ended["language.R"].facts("tell")

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("helper", "42"),
            ("package", "TRUE"),
            ("spline", "4"),
        ],
    )
    def test_helpers_values_and_packages_of_the_script_are_there(self, told, name, value):
        assert told[name] == value

    @pytest.mark.parametrize(
        ("name", "value"),
        [("answer", "42"), ("early", "yes"), ("scaled", "420"), ("short", "backslash")],
    )
    def test_every_kind_of_function_is_a_step(self, told, name, value):
        assert told[name] == value

    def test_a_function_of_a_package_is_a_step(self, ended):
        assert "<self>" in " ".join(ended["language.R"].task_lines("from_package"))

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("names", "answer, early, scaled, short"),
            ("in names", "TRUE"),
            ("replaced", "1, 2, 0"),
            ("nested", "1"),
            ("class", "metaflow_artifact_not_found"),
        ],
    )
    def test_self_behaves_as_an_r_environment(self, told, name, value):
        assert told[name] == value

    def test_a_missing_artifact_is_told_with_those_that_are_there(self, ended):
        said = "\n".join(ended["language.R"].task_lines("tell"))

        assert "has no attribute" in said
        assert "`short`" in said

    def test_the_working_directory_is_that_of_the_script(self, told, folder):
        assert told["wd"] == str(folder.path.resolve())

    def test_current_tells_where_the_step_runs(self, told, ended):
        assert {name: told[f"current {name}"] for name in ("flow_name", "step_name")} == {
            "flow_name": "LanguageFlow",
            "step_name": "tell",
        }
        assert told["current username"] == "tester"
        assert told["current namespace"] == "user:tester"
        assert told["current retry_count"] == "0"
        assert told["pathspec"].startswith(f"LanguageFlow/{ended['language.R'].run_id}/tell/")
        assert told["origin"] == "TRUE"

    def test_run_returns_zero_that_carries_the_run(self, ended):
        said = facts_of(ended["language.R"].out)

        assert said["equals zero"] == "TRUE"
        assert said["status"] == "successful"
        assert said["result pathspec"] == f"LanguageFlow/{ended['language.R'].run_id}"
        assert said["run successful"] == "TRUE"

    def test_the_users_global_environment_is_left_alone(self, ended):
        said = facts_of(ended["language.R"].out)

        assert said["new globals"] == "add, early, offset, scale_by, shift, tell"
        assert said["globals after"] == said["new globals"]


class TestForeach:
    @pytest.mark.parametrize("kind", ["named_list", "data_frame", "matrix", "one", "dates"])
    def test_items_put_together_are_the_value(self, ended, kind):
        ended["foreach.R"].expect(0)
        assert ended["foreach.R"].facts("compare")[kind] == "TRUE"

    def test_a_list_has_its_elements_a_data_frame_its_rows_and_one_value_is_one_item(self, ended):
        said = ended["foreach.R"]

        assert said.facts("named_list_body") == {"named_list 0": "1:2", "named_list 1": '"x"'}
        assert len(said.facts("data_frame_body")) == 2
        assert said.facts("one_body") == {"one 0": "7"}

    def test_an_empty_value_is_a_clear_error(self, ended):
        ended["empty_foreach.R"].expect(1)
        assert '`foreach = "items"` has no items' in ended["empty_foreach.R"].err


class TestAnErrorThatIsCaughtInR:
    @pytest.fixture
    def told(self, ended):
        ended["deep_error.R"].expect(0)
        return facts_of(ended["deep_error.R"].out)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("class", "metaflow_run_failed"),
            ("parent", "empty_table, error, condition"),
            ("rows", "0"),
            ("failed", "no rows in sales.csv"),
        ],
    )
    def test_run_raises_it_with_the_condition_of_the_task(self, told, name, value):
        assert told[name] == value

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("exception", "empty_table"),
            ("message", "no rows in sales.csv"),
            ("stderr has frames", "TRUE"),
            ("path", "sales.csv"),
        ],
    )
    def test_the_client_has_condition_frames_and_artifacts_of_the_failed_task(
        self, told, name, value
    ):
        assert told[name] == value

    def test_each_frame_of_the_user_has_its_file_and_line(self, ended):
        lines = ended["deep_error.R"].task_lines("start")

        assert [line.strip() for line in lines if line.startswith("  at")] == [
            "at deep_error.R:9 in check_table(path)",
            "at deep_error.R:5 in read_table(self$path)",
            "at deep_error.R:17 in start(self)",
        ]
