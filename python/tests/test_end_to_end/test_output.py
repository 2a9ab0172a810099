"""What steps print, and what they do to their process, reaches the log and hangs nothing."""

import pytest

from metaflow_core import client


@pytest.fixture(scope="module")
def folder(new_folder):
    return new_folder("output.R", "endings.R", "sends_connection.R", "sends_package.R")


@pytest.fixture(scope="module")
def ended(folder):
    scripts = ("output.R", "endings.R", "sends_connection.R", "sends_package.R")
    return folder.at_once({script: [script, "run"] for script in scripts})


@pytest.fixture
def output(ended):
    return ended["output.R"].expect(0)


class TestWhatAStepPrints:
    def test_all_of_it_is_in_the_log(self, output):
        lines = output.task_lines("talk")

        for text in (
            '[1] "1 print"', "2 message", "4 cat", "5 child", "6 child error", "7 stdout",
            "8 stderr", "9 \u00e4\u2603", "10 without a line end", "converged",
        ):  # fmt: skip
            assert text in lines
        assert any("3 warning" in line for line in lines)

    def test_each_stream_is_in_order(self, output, folder):
        with folder.client():
            task = client.Run(f"OutputFlow/{output.run_id}")["talk"].task
            out, err = task.stdout, task.stderr

        places = [out.index(text) for text in ("1 print", "4 cat", "5 child", "7 stdout", "9 ")]
        assert places == sorted(places)
        places = [err.index(text) for text in ("2 mess", "3 warning", "6 child", "8 stderr")]
        assert places == sorted(places)

    def test_stdout_and_stderr_are_told_apart_in_the_store(self, output, folder):
        with folder.client():
            task = client.Run(f"OutputFlow/{output.run_id}")["talk"].task

            assert "2 message" not in task.stdout
            assert "4 cat" not in task.stderr
            assert "converged" in task.stdout

    def test_a_long_line_and_binary_output_break_nothing(self, output, folder):
        assert "after it" in output.task_lines("overflow")
        with folder.client():
            stored = client.Run(f"OutputFlow/{output.run_id}")["overflow"].task.stdout

            assert stored.count("x") == 1_000_000
            assert "binary" in stored


class TestWhatAStepDoesToItsProcess:
    def test_it_does_not_hang_the_run_or_reach_other_steps(self, output, folder):
        assert output.facts("join") == {"here": str(folder.path.resolve()), "done": "TRUE"}

    def test_no_child_of_it_is_left(self, output, folder):
        assert folder.processes() == []


class TestHowAStepEnds:
    @pytest.mark.parametrize(
        ("step", "message"),
        [
            ("quits", "ended with status 0 before the step was done"),
            ("shot", "signal 9"),
            ("crashed", "killed by signal 11 (SIGSEGV)"),
            ("connection", "`handle` cannot be stored"),
        ],
    )
    def test_the_failure_says_it(self, ended, step, message):
        assert message in ended["endings.R"].expect(0).facts("join")[step]


class TestWhatCannotBeSent:
    @pytest.mark.parametrize(
        ("script", "said"),
        [
            ("sends_connection.R", "Step `start` uses `log_file` (through `write_log`)"),
            ("sends_package.R", "Attached, but not installed: `inhouse`"),
        ],
    )
    def test_it_is_named_before_anything_runs(self, ended, script, said):
        assert said in ended[script].expect(1).err
        assert not ended[script].started_a_run


def test_nothing_is_left_of_all_this(ended, folder):
    assert folder.leftovers() == []
