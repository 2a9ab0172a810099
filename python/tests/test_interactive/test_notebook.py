"""A flow is written, run, mended, interrupted and looked at in the cells of a notebook."""

import pytest
from notebook import Notebook
from r_scripts import wait_until

MENDED = "half_of <- function(x) match(x, c('one', 'two', '3'), nomatch = 1) / 2"


@pytest.fixture(scope="module")
def notebook(folder):
    notebook = Notebook(folder.path.parent, folder.path, folder.environment())
    notebook.cell("library(metaflow)").expect_success()
    # As the code of a cell: with no file.
    for script in ("halves.R", "waits.R"):
        notebook.cell((folder.path / script).read_text()).expect_success()
    yield notebook
    notebook.close()


@pytest.fixture(scope="module")
def failed(notebook):
    """The run of which one item fails."""
    return notebook.cell("run(halves)")


@pytest.fixture(scope="module")
def entered(notebook, failed):
    """The failed task, entered as `task`."""
    return notebook.cell("task <- debug_task()\ntask").expect_success()


@pytest.fixture(scope="module")
def resumed(notebook, entered):
    notebook.cell(MENDED).expect_success()
    return notebook.cell("run(halves, resume = TRUE)").expect_success()


@pytest.fixture(scope="module", params=["", ", inline = TRUE"], ids=["processes", "inline"])
def interrupted(request, notebook, folder, release):
    """A run that is interrupted in its second step, and the processes before it."""
    before = sorted(folder.processes())
    release(False)
    cell = notebook.start(f"run(waits{request.param})")
    notebook.wait_for(cell, "ready")
    notebook.interrupt()
    return notebook.end_of(cell), before


class TestAFailedRun:
    def test_ends_the_cell_with_its_report(self, failed):
        lines = failed.error.splitlines()

        assert any("Step halve failed: " in line and "split 2 of 3: two" in line for line in lines)
        assert any(line.startswith('Debug:  debug_task("HalvesFlow/') for line in lines)
        assert any(line.startswith("Resume: run(halves, resume = TRUE, ") for line in lines)

    def test_is_a_condition_that_code_can_catch(self, notebook, failed):
        caught = notebook.cell(
            "error <- tryCatch(run(halves, quiet = TRUE), metaflow_run_failed = identity)\n"
            "cat(nrow(runs('HalvesFlow')), conditionMessage(error$parent))"
        ).expect_success()

        assert caught.out.endswith("2 non-numeric argument to binary operator")

    def test_is_found_by_its_newest_failure(self, notebook, failed):
        shown = notebook.cell("last_failure()").expect_success().text

        assert "non-numeric argument to binary operator" in shown
        assert "numbers 2 of 3: two" in shown


class TestAnEnteredTask:
    def test_is_shown_with_its_error_and_what_to_do(self, entered):
        assert "non-numeric argument to binary operator" in entered.text
        assert "task$run()" in entered.text

    def test_has_its_item_and_its_frames(self, notebook, entered):
        assert notebook.cell("task$self$input").text == '[1] "two"'
        assert notebook.cell("task$frames$half_of$x").text == '[1] "two"'
        assert "half_of(self$input)" in notebook.cell("task$frames").text

    @pytest.mark.parametrize("mode", ["browser", "recover"])
    def test_says_what_to_do_where_there_is_no_prompt(self, notebook, entered, mode):
        told = notebook.cell(f'debug_task(mode = "{mode}")').expect_success()

        assert f'There is no prompt here for mode = "{mode}".' in told.err
        assert "<entered task HalvesFlow/" in told.text

    def test_is_set_out_to_be_run_line_by_line(self, notebook, entered):
        code = notebook.cell('task <- debug_task(mode = "source")').expect_success().out

        assert "self$half <- half_of(self$input)" in code
        assert notebook.cell("self$input").text == '[1] "two"'
        assert notebook.cell("task$leave(); exists('self')").text == "[1] FALSE"

    def test_shows_how_an_edited_function_would_do(self, notebook, entered):
        rerun = notebook.cell("rerun_task(r_function = function(self) self$half <- 1)")

        # A page that could show it as the list that it is would leave out the comparison.
        assert list(rerun.expect_success().values[0]) == ["text/plain"]
        assert "1 new; nothing is stored" in rerun.text

    def test_is_tried_with_the_flow_as_it_is_now(self, notebook, entered):
        spun = notebook.cell(
            "changed <- step(halves, step = 'halve', next_step = 'total',\n"
            "  r_function = function(self) self$half <- nchar(self$input))\n"
            "spin(changed, 'halve')"
        ).expect_success()

        assert "half  new      the integer 3" in spun.text

    def test_fails_here_too(self, notebook, entered):
        assert "fails here too" in notebook.cell("rerun_task()").error


class TestAResumedRun:
    def test_takes_the_function_of_the_last_cell(self, resumed, notebook):
        assert resumed.out.count("Cloning results of a previously run task") == 3
        assert resumed.out.endswith("Done!\n")
        assert notebook.cell("run_client$new('HalvesFlow/latest_run')$artifact('total')").text == (
            "[1] 3"
        )

    def test_runs_in_the_session_if_asked_to(self, notebook, resumed):
        inline = notebook.cell("result <- run(halves, inline = TRUE)\nresult").expect_success()

        assert inline.out.endswith("Done!\n")
        assert "halving two" in inline.err
        assert inline.text.endswith(": successful>")


class TestTheClient:
    def test_shows_runs_and_tasks_as_tables(self, notebook, resumed):
        runs = notebook.cell("runs('HalvesFlow', status = 'failed')").expect_success()
        tasks = notebook.cell("tasks(run_client$new('HalvesFlow/latest_run'))").expect_success()

        assert "<td>failed" in runs.values[0]["text/html"]
        assert "<td>halve" in tasks.values[0]["text/html"]

    def test_shows_a_table_without_rows(self, notebook, resumed):
        sound = notebook.cell("metaflow_fsck('HalvesFlow')").expect_success()

        assert sound.err == ""
        assert "0 × 4" in sound.values[0]["text/html"]

    def test_names_failed_tasks(self, notebook, resumed):
        code = "run_client$new(runs('HalvesFlow', status = 'failed')$pathspec[[1]])$failed_tasks"

        assert "/halve/" in notebook.cell(code).text

    def test_shows_a_run(self, notebook, resumed):
        shown = notebook.cell("run_client$new('HalvesFlow/latest_run')").expect_success().text

        assert "start, halve, total, end" in shown


def test_a_line_appears_while_its_task_is_running(notebook, release):
    release(False)
    cell = notebook.start("run(waits)")
    notebook.wait_for(cell, "ready")
    release(True)

    assert "went on" in notebook.end_of(cell).expect_success().out


class TestAnInterruptedRun:
    def test_ends_the_cell_and_says_how_to_resume(self, interrupted):
        output, _ = interrupted

        assert "Stopped because of the interrupt: " in output.error
        assert "Resume: run(waits, resume = TRUE, " in output.error

    def test_leaves_no_process_and_a_kernel_that_works(self, interrupted, notebook, folder):
        _, before = interrupted

        assert notebook.cell("1 + 1").text == "[1] 2"
        wait_until(lambda: sorted(folder.processes()) == before, "the tasks' processes have ended")

    def test_can_be_resumed(self, interrupted, notebook, release):
        release(True)
        resumed = notebook.cell("run(waits, resume = TRUE)").expect_success()

        assert resumed.out.count("Cloning results of a previously run task") == 1
        assert "x is 1" in resumed.out
