"""A forked task behaves as one in a fresh process does, and `auto` forks nothing else."""

import re
import socket

import pytest

from metaflow_core import client

WAYS = ("fork", "process")
BOTH = pytest.mark.parametrize("way", WAYS)
NOTICE = "Tasks run in fresh processes and not in forks:"


@pytest.fixture(scope="module")
def folders(new_folder):
    """A folder for each way."""
    scripts = ("isolation.R", "ends.R", "threads.R", "top_level.R")
    return {way: new_folder(*scripts) for way in WAYS}


@pytest.fixture(scope="module")
def run_both(folders):
    """Runs a script in both ways."""

    def run(script, *words, **environment):
        return {
            way: folders[way].rscript(script, "run", "--isolation", way, *words, **environment)
            for way in WAYS
        }

    return run


@pytest.fixture(scope="module")
def ended(run_both):
    environment = {"ISOLATION_TEST": "of the run"}
    both = run_both("isolation.R", "--seed", "17", **environment)
    return {way: ended.expect(0) for way, ended in both.items()}


class TestSurroundings:
    @pytest.mark.parametrize("step", ["start", "body", "join"])
    def test_a_fork_finds_what_a_fresh_process_does(self, ended, step):
        assert ended["fork"].facts(step) == ended["process"].facts(step)

    @BOTH
    def test_no_task_finds_what_another_has_left(self, ended, way):
        before, after = ended[way].facts("start"), ended[way].facts("join")

        kept = {name.partition(" ")[2]: value for name, value in before.items()}
        del kept["random"]
        assert kept.items() <= {name.removeprefix("join "): v for name, v in after.items()}.items()
        assert kept["variable"] == "of the run"
        assert after["join before"] == "1, 2, 2, 2, 2"

    @BOTH
    def test_settings_of_the_zygote_are_neither_the_tasks_nor_their_children_s(self, ended, way):
        facts = ended[way].facts("join")

        assert facts["join memory"] == "unset, unset, unset"
        assert facts["join child"] == "unset unset unset"

    @BOTH
    def test_each_task_has_random_numbers_of_its_own(self, ended, way):
        facts = ended[way].facts("body")

        assert len({facts[f"body {index} random"] for index in range(4)}) == 4

    @BOTH
    def test_each_task_has_a_temporary_directory_that_goes_with_it(self, ended, way):
        facts = ended[way].facts("join")

        assert facts["join directories"] == facts["join files"] == "0"
        assert facts["join there yet"] == "FALSE, FALSE, FALSE, FALSE"
        assert facts["join mine"] == "FALSE"

    @BOTH
    def test_a_step_can_fork_itself(self, ended, way):
        assert ended[way].facts("join")["join cores"] == "10, 20"


class TestTheEndOfATask:
    @BOTH
    def test_on_exit_and_finalizers_run(self, ended, way):
        lines = ended[way].task_lines("body")

        assert lines.count("on.exit ran") == lines.count("finalizer ran") == 4

    @BOTH
    def test_open_devices_and_files_are_completed(self, ended, folders, way):
        for index in range(4):
            plot = (folders[way].path / f"plot-{index}.pdf").read_bytes()
            assert plot.rstrip().endswith(b"%%EOF")
            assert (folders[way].path / f"open-{index}.txt").read_text() == "not closed\n"

    @BOTH
    def test_nothing_runs_on_and_nothing_temporary_is_left(self, ended, folders, way):
        assert folders[way].processes() == []
        assert list(folders[way].temporary.iterdir()) == []


@pytest.fixture(scope="module")
def ends(run_both):
    return {way: ended.expect(0) for way, ended in run_both("ends.R").items()}


class TestBadEnds:
    def test_a_fork_ends_as_a_fresh_process_does(self, ends):
        def said(way):
            facts = ends[way].facts("join").items()
            return {name: re.sub(r" at \S+ GB| \d{6,}", "", text) for name, text in facts}

        assert said("fork") == said("process")

    @BOTH
    @pytest.mark.parametrize(
        ("step", "said"),
        [
            ("quits", "ended with status 3 before the step was done"),
            ("recursion", "recursion|C stack usage"),
            ("memory", "cannot allocate vector of size"),
            ("segfault", r"killed by signal 11 \(SIGSEGV\)"),
            ("killed", r"killed by signal 9 \(SIGKILL\) at (0\.8|0\.9|1\.\d) GB"),
            ("aborts", r"killed by signal 6 \(SIGABRT\)"),
            ("error", "an R error"),
        ],
    )
    def test_the_failure_says_how(self, ends, way, step, said):
        assert re.search(said, ends[way].facts("join")[step])

    @BOTH
    def test_none_of_them_takes_the_temporary_directory_of_those_after_it(self, ends, way):
        assert ends[way].facts("join")["temporary"] == "TRUE"

    @BOTH
    def test_what_an_attempt_used_is_recorded(self, ends, folders, way):
        with folders[way].client():
            run = client.Run(f"EndsFlow/{ends[way].run_id}")
            killed = client.Task(run["killed"].task.pathspec, attempt=0)
            error = client.Task(run["error"].task.pathspec, attempt=0)

            assert killed.exit_signal == 9
            assert 0.8e9 < killed.peak_memory_bytes < 2e9
            assert error.exit_signal is None
            assert 1e7 < error.peak_memory_bytes < 5e8
            assert 0 < error.cpu_s < 10


def _run_auto(folder, script, **environment):
    return folder.rscript(script, "run", "--isolation", "auto", **environment)


class TestAuto:
    @pytest.mark.parametrize("attached", ["", "cli data.table"], ids=["used alone", "attached"])
    @pytest.mark.parametrize("way", ["auto", "fork"])
    def test_packages_that_can_start_their_threads_again_have_them_in_a_fork(
        self, folders, way, attached
    ):
        words = ("threads.R", "run", "--isolation")
        # A thread for each processor, as many as data.table may have.
        environment = {
            "ATTACHED": attached,
            "CLI_TICK_TIME": "10",
            "R_DATATABLE_NUM_PROCS_PERCENT": "100",
        }
        forked = folders["fork"].rscript(*words, way, **environment).expect(0)
        fresh = folders["process"].rscript(*words, "process", **environment).expect(0)

        assert forked.facts("start") == forked.facts("end") == fresh.facts("start")
        assert forked.facts("start")["ticks"] == "TRUE"
        assert NOTICE not in forked.out

    def test_what_the_script_itself_has_open_is_no_reason(self, folders, unused_port):
        folder = folders["fork"]
        ended = _run_auto(folder, "top_level.R", PORT=unused_port).expect(0)

        assert NOTICE not in ended.out
        for step in ("start", "end"):
            assert ended.facts(step) == {"connections": "0", "devices": "0", "large": "2e+14"}
        assert (folder.path / "log.txt").read_text() == "written once\n"
        assert (folder.path / "own.pdf").read_bytes().rstrip().endswith(b"%%EOF")


@pytest.fixture
def unused_port():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return str(server.getsockname()[1])
