"""A failed item of a foreach is entered by another session, mended, and the run resumed."""

import pytest

from metaflow_core import client
from metaflow_core.client.store import Store
from metaflow_core.model.pathspec import Pathspec

NUMBERS = 'function(self) { self$half <- half_of(match(self$input, c("one", "two"))) * self$scale }'


@pytest.fixture(scope="module")
def story(new_folder):
    """What a session said about the failed run, and another one about the resumed run."""
    folder = new_folder("halves.R")
    failed = folder.rscript("halves.R", "run", "--seed", "1").expect(1)
    entered = folder.rscript("-e", _session(ENTER)).expect(0)
    folder.edit("halves.R", "half_of(self$input)", 'half_of(match(self$input, c(1, "two", 3)))')
    resumed = folder.rscript("halves.R", "resume").expect(0)
    again = folder.rscript("-e", _session(ENTER_RESUMED)).expect(0)
    return {"failed": failed, "entered": entered, "resumed": resumed, "again": again}


def _session(code: str) -> str:
    return (
        "library(metaflow);"
        "say <- function(name, ...) cat(name, paste0(..., collapse = ' '), '\\n', sep = '');" + code
    )


ENTER = f"""
task <- debug_task()
say("task=", task$pathspec)
say("item=", task$self$input)
say("start=", names(task$self))
say("seen=", task$wrote$seen)
say("mode=", Sys.getenv("HALVES_MODE"))
say("scale=", task$self$scale)
say("run_id=", current("run_id"))
say("frames=", names(task$frames))
say("x=", task$frames$half_of$x)
say("left=", task$frames$halve$self$seen)
say("condition=", conditionMessage(task$condition))
error <- tryCatch(task$run(), error = identity)
say("error=", class(error)[[1]])
say("parent=", conditionMessage(error$parent))
say("places=", error$frames$file, ":", error$frames$line)
rerun <- rerun_task(last_failure()$pathspec, {NUMBERS})
say("half=", rerun$half)
say("how=", attr(rerun, "comparison")$artifact, ":", attr(rerun, "comparison")$how)
ok <- task_client$new(sub("/[0-9]+$", "/2", task$pathspec))
say("draw=", identical(ok$artifact("draw"), rerun_task(ok$pathspec)$draw))
"""

ENTER_RESUMED = """
join <- debug_task("HalvesFlow/latest_run/total")
say("inputs=", length(join$inputs))
say("origin=", current("origin_run_id"))
say("join=", attr(join$run(), "comparison")$how)
first <- tasks(run_client$new("HalvesFlow/latest_run")$step("halve"))$pathspec[[1]]
say("cloned=", attr(rerun_task(first), "comparison")$how)
say("script=", rerun_task(first, code = "script")$half)
say("runs=", nrow(runs("HalvesFlow")))
"""


def _facts(ended) -> dict[str, str]:
    pairs = (line.partition("=") for line in ended.out.splitlines())
    return {name: value.strip() for name, equals, value in pairs if equals}


def test_another_session_enters_what_failed_without_being_told_what(story):
    facts = _facts(story["entered"])

    assert facts["task"].startswith(f"HalvesFlow/{story['failed'].run_id}/halve/")
    assert facts["run_id"] == story["failed"].run_id
    assert (facts["item"], facts["scale"], facts["mode"]) == ("two", "10", "exact")


def test_what_it_began_with_is_apart_from_what_it_had_assigned(story):
    facts = _facts(story["entered"])

    assert facts["start"].split() == ["numbers", "scale", "unit"]
    assert facts["seen"] == "two"


def test_its_frames_are_there_with_their_variables(story):
    facts = _facts(story["entered"])

    assert "half_of" in facts["frames"]
    assert (facts["x"], facts["left"]) == ("two", "two")
    assert facts["condition"] == "non-numeric argument to binary operator"


def test_it_fails_here_as_it_failed_there(story):
    facts = _facts(story["entered"])

    assert facts["error"] == "metaflow_rerun_failed"
    assert facts["parent"] == facts["condition"]
    assert "halves.R:4" in facts["places"]


def test_an_edited_function_finds_the_helpers_of_the_run(story):
    facts = _facts(story["entered"])

    assert facts["half"] == "10"
    assert facts["how"] == "half:new draw:gone seen:gone"


def test_random_numbers_are_those_of_the_task(story):
    assert _facts(story["entered"])["draw"] == "TRUE"


def test_a_resumed_run_is_entered_like_any_other(story):
    facts = _facts(story["again"])

    assert facts["inputs"] == "3"
    assert facts["origin"] == story["failed"].run_id
    assert set(facts["join"].split()) == {"same"}
    assert set(facts["cloned"].split()) == {"same"}
    assert facts["script"] == "5"


def test_nothing_is_stored_by_looking(story):
    assert _facts(story["again"])["runs"] == "2"


def test_spin_tries_the_step_of_the_script_on_the_inputs_that_failed(new_folder):
    folder = new_folder("halves.R")
    folder.rscript("halves.R").expect(1)
    fails = folder.rscript("halves.R", "spin", "halve").expect(1)
    folder.edit("halves.R", "half_of(self$input)", 'half_of(match(self$input, c(1, "two", 3)))')
    works = folder.rscript("halves.R", "spin", "halve").expect(0)
    folder.rscript("halves.R", "spin", "nostep").expect(1)

    assert "halves.R:4 in half_of(self$input)" in fails.err
    assert 'mode = "browser", code = "script")' in fails.err
    assert "half  new      the number 10" in works.out
    assert not works.started_a_run
    assert len(folder.runs("HalvesFlow")) == 1


def test_spin_keeps_what_the_step_wrote_if_asked_to(new_folder):
    folder = new_folder("halves.R")
    folder.rscript("halves.R").expect(1)
    folder.rscript("halves.R", "spin", "halve").expect(1)
    assert not (folder.path / ".metaflow_spin").exists()
    fails = folder.rscript("halves.R", "spin", "halve", "--persist").expect(1)
    folder.edit("halves.R", "half_of(self$input)", 'half_of(match(self$input, c(1, "two", 3)))')
    folder.edit("halves.R", "doubled <-", 'message("doubling"); warning("roughly"); doubled <-')
    works = folder.rscript("halves.R", "spin", "halve", "--persist", "--run-id-file", "id").expect(
        0
    )

    store = Store.at(f"spin@{folder.path}")
    kept = Pathspec("HalvesFlow", (folder.path / "id").read_text(), "halve", "1")
    reader = store.reader(kept)
    assert reader.load("half").value() == 10
    assert reader.load("unit").value() == "m"
    log = client.Task(str(kept), _store=store, _namespace_check=False).stderr
    assert log == 'doubling\nWarning in half_of(match(self$input, c(1, "two", 3))) : roughly\n'
    assert "roughly" in works.err
    assert f"Kept as {kept}" in works.err
    assert "Kept as HalvesFlow/" in fails.err
    assert len(store.provider.runs("HalvesFlow")) == 2
    assert len(folder.runs("HalvesFlow")) == 1


def test_options_of_spin_that_are_not_for_r_say_so(new_folder):
    folder = new_folder("halves.R")
    refused = folder.rscript("halves.R", "spin", "halve", "--artifacts-module", "x.py").expect(2)

    assert "it is not for steps in R" in refused.err
