"""Packages that start or keep something when they are loaded, and C code that ends badly."""

import json
import re
import socket

import pytest

NOTICE = "Tasks run in fresh processes and not in forks: "
BOTH = pytest.mark.parametrize("way", ["fork", "process"])


@pytest.fixture(scope="module")
def folders(new_folder):
    """A folder for each way."""
    scripts = ("hazards.R", "native_ends.R", "database.R")
    return {way: new_folder(*scripts) for way in ("auto", "fork", "process")}


@pytest.fixture(scope="module")
def run(folders, hazard_library):
    """Runs a script with the package, in the folder of the way."""

    def go(script, way, **environment):
        return folders[way].rscript(
            script, "run", "--isolation", way, R_LIBS=hazard_library, **environment
        )

    return go


@pytest.fixture
def port():
    with socket.create_server(("localhost", 0)) as server:
        yield str(server.getsockname()[1])


@pytest.mark.parametrize(
    ("hazard", "why"),
    [
        ("threads", "what the script loads has started threads"),
        ("connection", "connections are open"),
        ("socket", "connections are open"),
        ("device", "a graphics device is open"),
        ("database", "files are open (held.sqlite)"),
        ("pipe", "a pipe is open"),
        ("python", "package reticulate has started Python"),
        ("child", "what the script loads has started processes"),
        ("background", "what the script loads has started processes"),
    ],
)
def test_auto_does_not_fork_what_a_package_has_open_and_says_why_once(run, port, hazard, why):
    ended = run("hazards.R", "auto", HAZARD=hazard, PORT=port).expect(0)

    assert [line for line in ended.out.splitlines() if NOTICE in line and why in line]
    assert ended.out.count(NOTICE) == 1
    assert ended.facts("start")["threads"] == ended.facts("end")["threads"] == "2"


@BOTH
def test_openmp_that_a_step_uses_alone_has_its_threads(run, way):
    ended = run("hazards.R", way, HAZARD="threads", ALONE="yes").expect(0)

    assert ended.facts("start")["threads"] == ended.facts("end")["threads"] == "2"


@BOTH
def test_a_package_s_finalizer_runs_at_the_end_of_each_task(run, way):
    ended = run("hazards.R", way, HAZARD="finalizer").expect(0)

    for step in ("start", "end"):
        assert ended.task_lines(step).count("the package ends") == 1


@BOTH
def test_a_gigabyte_that_a_package_holds_is_there_and_no_fork_copies_it(run, way):
    facts = run("hazards.R", way, HAZARD="memory").expect(0).facts("end")

    assert facts["large"] == "1.25e+08"
    # It is 244 000 pages.
    assert way == "process" or int(facts["pages"]) < 20_000


@BOTH
def test_c_code_that_ends_badly_ends_its_task_alone(run, way):
    facts = run("native_ends.R", way).expect(0).facts("join")

    assert "killed by signal 11 (SIGSEGV)" in facts["crash"]
    assert re.search(r"ended with status 1|C stack|signal 11", facts["deep"])
    assert "cannot allocate" in facts["exhaust"]


@BOTH
def test_a_database_that_the_script_has_open_is_not_in_the_way_of_a_step_s_own(run, way):
    assert "sum=26" in run("database.R", way).expect(0).out


@BOTH
def test_what_a_package_says_while_it_is_loaded_is_what_came_before_the_step(
    run, folders, hazard_library, way
):
    spec = run("hazards.R", way, HAZARD="words").expect(0).run_id + "/start/1"

    def said(*words):
        folder = folders[way]
        command = folder.rscript("hazards.R", "logs", spec, *words, "--json", R_LIBS=hazard_library)
        return [json.loads(line) for line in command.expect(0).out.splitlines()]

    before, all_lines = said("--build"), said()
    loaded_in = "start/1" if way == "process" else "_parameters/0"
    assert "hazard is loading" in [line["text"] for line in before]
    assert any("nothing to see" in line["text"] for line in before)
    assert {line["pathspec"].split("/", 2)[2] for line in before} == {loaded_in}
    own = [line["text"] for line in all_lines if line["source"] == "runtime"]
    assert own[0].startswith("threads=")
