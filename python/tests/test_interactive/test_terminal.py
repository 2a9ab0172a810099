"""A flow is run, entered, interrupted and watched by who types in a terminal."""

import re

import pytest
from r_scripts import wait_until
from terminal import BROWSER, SELECTION, left_on_screen, plain, r_prompt, terminal

TIMED = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} ")


@pytest.fixture(scope="module")
def r(folder):
    """R at its prompt, with the flows."""
    with r_prompt(folder) as session:
        session.type("library(metaflow)")
        session.type('source("halves.R"); source("waits.R")')
        yield session


@pytest.fixture(scope="module")
def failed(r):
    return r.type("run(halves)")


@pytest.fixture(scope="module")
def stopped(r):
    """An inline run stops in the step that calls `browser()`."""
    r.type("meet <- function(self) { y <- 3; browser(); self$ratio <- self$x / y }")
    r.type(
        'meets <- metaflow("MeetsFlow") |> step(step = "start", next_step = "meet", '
        "r_function = function(self) self$x <- 6) |>\n"
        'step(step = "meet", next_step = "end", r_function = meet) |> step(step = "end")'
    )
    return r.type("run(meets, inline = TRUE)", BROWSER)


@pytest.fixture(scope="module")
def raw(folder):
    with terminal(folder, "Rscript", "wide.R", "run") as window:
        return window.to_the_end()


@pytest.fixture(scope="module")
def watched(folder, release):
    """What another terminal sees of a run, before and after its step may go on."""
    release(False)
    with terminal(folder, "Rscript", "waits_script.R", "run") as run:
        run.read("ready")
        with terminal(folder, "Rscript", "waits_script.R", "state", "latest_run") as window:
            state = plain(window.to_the_end())
        words = ("Rscript", "waits_script.R", "logs", "--follow", "latest_run")
        with terminal(folder, *words) as window:
            begun = window.read("ready")
            release(True)
            followed = begun + plain(window.to_the_end())
        ended = plain(run.to_the_end())
    return {"state": state, "begun": begun, "followed": followed, "ended": ended}


class TestABrowserInAStep:
    def test_gives_a_prompt_among_the_variables_of_the_step(self, r, stopped):
        assert r.type("self$x", BROWSER).startswith("[1] 6\n")
        assert r.type("y", BROWSER).startswith("[1] 3\n")

    def test_goes_on_to_a_run_that_is_kept(self, r, stopped):
        went_on = r.type("c")

        assert "Done!" in went_on
        assert "[1] 2\n" in r.type('run_client$new("MeetsFlow/latest_run")$artifact("ratio")')

    def test_is_left_with_the_run_by_q(self, r, stopped):
        assert "Called from: meet(self)" in r.type("run(meets, inline = TRUE)", BROWSER)
        quit_by_user = r.type("Q")

        assert "Workflow interrupted." in quit_by_user
        assert "Resume: run(meets, resume = TRUE, " in quit_by_user


class TestAFailedRun:
    def test_says_where_it_failed_and_what_to_type(self, failed):
        assert "at halves.R:3 in half_of(self$input)" in failed
        assert 'Debug:  debug_task("HalvesFlow/' in failed

    def test_has_the_calls_here_and_there_in_its_trace(self, r, failed):
        trace = r.type("rlang::last_trace()")

        assert "metaflow::run(halves)" in trace
        assert "half_of(self$input)" in trace

    def test_is_entered_in_a_frame_that_was_kept(self, r, failed):
        menu = r.type('task <- debug_task(mode = "recover")', SELECTION)
        assert "2: half_of(self$input)" in menu
        assert "halving" not in menu

        r.type("2", BROWSER)
        assert r.type("x", BROWSER).startswith('[1] "two"\n')
        r.type("c", SELECTION)
        r.type("0")
        assert "half_of" in r.type("names(task$frames)")

    def test_is_run_again_up_to_the_line_that_fails(self, r, failed):
        stopped = r.type('task <- debug_task(mode = "browser")', BROWSER)
        assert "halving two" in stopped
        assert "at halves.R:3 in half_of(self$input)" in stopped

        assert r.type("x", BROWSER).startswith('[1] "two"\n')
        r.type("c")
        assert "<entered task HalvesFlow/" in r.type("task")

    def test_leaves_the_session_as_it_was_if_the_browser_is_quit(self, r, failed):
        facts = "cat(getwd(), sink.number(), search(), '\\n')"
        before = r.type(facts)
        r.type('debug_task(mode = "browser")', BROWSER)
        r.type("Q")

        assert r.type(facts) == before

    def test_is_gone_through_line_by_line(self, r, failed):
        r.type("task <- debug_task()")
        r.type("debug(task$fun)")
        stops = [r.type(line, BROWSER) for line in ("task$fun(task$self)", "n", "n")]
        r.type("Q")

        assert "debug at halves.R#11" in stops[0]
        assert "debug at halves.R#12" in stops[1]
        assert "halving two\ndebug at halves.R#13" in stops[2]

    def test_is_spun_with_a_browser_in_its_step(self, r, failed):
        r.type(
            'looks <- step(halves, step = "halve", next_step = "total", '
            "r_function = function(self) { browser(); self$half <- nchar(self$input) })"
        )
        r.type('spin(looks, "halve")', BROWSER)
        assert r.type("self$input", BROWSER).startswith('[1] "two"\n')

        assert "half  new      the integer 3" in r.type("c")

    def test_stops_at_the_error_if_the_session_does_at_errors(self, r, failed):
        r.type("options(error = recover)")
        menu = r.type("run(halves, inline = TRUE)", SELECTION)
        assert re.findall(r"^ *(\d+): (\w+)", menu, re.MULTILINE) == [
            ("1", "halve"),
            ("2", "half_of"),
        ]
        r.type("2", BROWSER)
        assert r.type("x", BROWSER).startswith('[1] "two"\n')
        r.type("c", SELECTION)

        # The step's error, and then that of run().
        assert "Workflow failed." in r.type("0", SELECTION)
        r.type("0")
        r.type("options(error = NULL)")


@pytest.mark.parametrize("how", ["", ", inline = TRUE"], ids=["processes", "inline"])
def test_ctrl_c_ends_a_run_that_can_be_resumed(r, folder, release, how):
    before = sorted(folder.processes())
    release(False)
    r.type(f"run(waits{how})", r"ready\r?\n")
    interrupted = r.press_ctrl_c()
    assert "Workflow interrupted." in interrupted
    assert "Resume: run(waits, resume = TRUE, " in interrupted
    wait_until(lambda: sorted(folder.processes()) == before, "the tasks' processes have ended")

    release(True)
    resumed = r.type("run(waits, resume = TRUE)")
    assert resumed.count("Cloning results of a previously run task") == 1
    assert "x is 1" in resumed


class TestALargeForeach:
    def test_tells_its_progress_in_a_line_that_changes(self, raw):
        assert re.search(r"\nfit: \d+ of 60 done", plain(raw.replace("\r\x1b[K", "\n")))

    def test_leaves_only_lines_with_a_time(self, raw):
        lines = left_on_screen(raw).splitlines()
        began = next(i for i, line in enumerate(lines) if "Workflow starting" in line)

        assert [line for line in lines[began:] if not TIMED.match(line)] == []
        assert lines[-1].endswith("Done!")


class TestARunThatGoesOn:
    def test_is_seen_by_state(self, watched):
        assert "wait" in watched["state"]
        assert "running" in watched["state"]

    def test_is_followed_to_its_end(self, watched):
        assert "went on" not in watched["begun"]
        assert "went on" in watched["followed"]
        assert "x is 1" in watched["followed"]

    def test_ends_well(self, watched):
        assert "Done!" in watched["ended"]


def test_a_window_that_is_closed_leaves_no_process(folder, release):
    before = sorted(folder.processes())
    release(False)
    with r_prompt(folder) as session:
        session.type("library(metaflow)")
        session.type('source("waits.R"); run(waits)', r"ready\r?\n")
    wait_until(lambda: sorted(folder.processes()) == before, "all processes have ended")
