"""The story of the reference document: a flow fails, is resumed, mended, and resumed again."""

import json
import re
from dataclasses import dataclass, field

import pytest
from r_scripts import Ended, Folder

from metaflow_core import client

BROKEN = 'tofail("cannot find function tofail")'
MENDED = '"any message"'
TWO_LINES = ['[1] "var in step a is 1"', '[1] "var in step b is any message"']
ALL_STEPS = ["start", "a", "b", "join", "end"]


@dataclass
class Story:
    """What happened, in its order.

    Args:
        folder: Where.
        ended: How each command ended, by a name for it.
    """

    folder: Folder
    ended: dict[str, Ended] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Ended:
        return self.ended[name]

    def tell(self, name: str, *words: str, merged: bool = False) -> Ended:
        """Run the script with *words*."""
        self.ended[name] = self.folder.rscript("debugflow.R", *words, merged=merged)
        return self.ended[name]


@pytest.fixture(scope="module")
def story(new_folder):
    story = Story(new_folder("debugflow.R"))
    folder = story.folder
    first = story.tell("run", "run", merged=True).run_id
    story.tell("plan", "resume", "--plan")
    story.tell("plan as json", "resume", "--plan", "--json")
    story.tell("resume unchanged", "resume", merged=True)
    folder.edit("debugflow.R", BROKEN, MENDED)
    story.tell("resume after the failed step", "resume", "join", "--origin-run-id", first)
    story.tell("resume of the first run", "resume", "--origin-run-id", first)
    story.tell("resume start", "resume", "start")
    folder.edit("debugflow.R", "run()", "run(resume = TRUE, origin_run_id = Sys.getenv('FIRST'))")
    story.ended["run(resume = TRUE)"] = folder.rscript("debugflow.R", FIRST=first)
    folder.edit("debugflow.R", "resume = TRUE", 'resume = "start"')
    story.ended['run(resume = "start")'] = folder.rscript("debugflow.R", FIRST=first)
    return story


class TestTheRunThatFails:
    def test_it_ends_with_exit_code_1(self, story):
        story["run"].expect(1)

    def test_the_failing_task_prints_the_r_error_with_its_call_and_line(self, story):
        assert story["run"].task_lines("b") == [
            "Task is starting.",
            'Error in tofail("cannot find function tofail") : ',
            '  could not find function "tofail"',
            "  at debugflow.R:8 in b(self)",
            "Task failed.",
        ]

    def test_the_call_that_leads_nowhere_is_told_before_anything_runs(self, story):
        warning, _, _ = story["run"].out.partition("Workflow starting")

        there_is_none = "step `b` calls `tofail()`, and there is no such function."
        assert f"Warning: debugflow.R:8: {there_is_none}\n" in warning

    def test_lines_have_the_format_of_metaflow(self, story):
        stamp = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}"
        task = rf"\[{story['run'].run_id}/a/\d+ \(pid \d+\)\]"

        assert re.search(rf"^{stamp} {task} Task is starting\.$", story["run"].out, re.M)
        assert re.search(rf"^{stamp} {task} Task finished successfully\.$", story["run"].out, re.M)
        assert re.search(rf"^{stamp} Workflow failed\.$", story["run"].out, re.M)

    def test_the_report_names_step_error_place_and_the_command_to_resume(self, story):
        _, _, report = story["run"].out.partition("Workflow failed.\n")
        run = story["run"].run_id

        assert re.match(rf"Step b failed: {run}/b/\d+\n", report)
        error = 'could not find function "tofail"'
        assert f'Error in tofail("cannot find function tofail"): {error}' in report
        assert "at debugflow.R:8 in b(self)" in report
        assert "Did not run: join, end" in report
        assert f"Rscript debugflow.R resume --origin-run-id {run}" in report

    def test_nothing_is_printed_after_the_report_of_a_dozen_lines(self, story):
        _, _, report = story["run"].out.partition("Workflow failed.\n")
        *_, last = report.splitlines()

        assert last.startswith("Resume: Rscript debugflow.R resume")
        assert len(report.splitlines()) <= 12

    def test_what_finished_and_what_failed_are_read_back(self, story):
        with story.folder.client():
            run = client.Flow("DebugFlow")[story["run"].run_id]

            assert not run.successful
            assert run["a"].task.data.var == 1
            assert not run["b"].task.successful
            assert 'could not find function "tofail"' in run["b"].task.exception.exception


class TestResumingWithoutAChange:
    def test_it_fails_in_the_same_way_with_a_new_run_id(self, story):
        again = story["resume unchanged"]

        again.expect(1)
        assert again.run_id != story["run"].run_id
        assert "Step b failed" in again.out
        assert 'could not find function "tofail"' in again.out

    def test_what_finished_is_cloned_and_told_in_metaflows_words(self, story):
        again, origin = story["resume unchanged"], story["run"].run_id

        assert again.cloned == ["start", "a"]
        assert again.started == ["b"]
        assert f"Cloning results of a previously run task {origin}/start/1\n" in again.out

    def test_gathering_is_told_first(self, story):
        assert "Gathering required information to resume run" in story["resume unchanged"].out

    def test_the_plan_tells_what_would_run_and_why(self, story):
        plan = story["plan"]

        plan.expect(0)
        assert not plan.started_a_run
        rows = [line.split(None, 1) for line in plan.out.splitlines() if line.startswith("  ")]
        assert [name for name, _ in rows] == ALL_STEPS
        verdicts = dict(rows)
        assert verdicts["start"].startswith("clone")
        assert verdicts["b"].startswith("run again")
        assert "failed" in verdicts["b"]
        assert verdicts["join"].startswith("new")

    def test_the_plan_as_json_has_the_same_rows(self, story):
        rows = json.loads(story["plan as json"].out)

        assert [(row["task"], row["verdict"]) for row in rows] == [
            ("start", "clone"),
            ("a", "clone"),
            ("b", "run again"),
            ("join", "new"),
            ("end", "new"),
        ]
        assert all(row["why"] for row in rows)

    def test_cloned_tasks_have_the_origins_artifacts_and_log(self, story):
        with story.folder.client():
            task = client.Flow("DebugFlow")[story["resume unchanged"].run_id]["a"].task

            assert task.data.var == 1
            assert task.metadata_dict["origin-run-id"] == story["run"].run_id


class TestResumingAfterTheFix:
    @pytest.mark.parametrize(
        "name",
        [
            "resume of the first run",
            "resume after the failed step",
            "run(resume = TRUE)",
        ],
    )
    def test_what_failed_runs_and_the_flow_finishes(self, story, name):
        resumed = story[name]

        resumed.expect(0)
        assert resumed.cloned == ["start", "a"]
        assert resumed.started == ["b", "join", "end"]
        assert [line for line in resumed.task_lines("join") if line in TWO_LINES] == TWO_LINES
        assert resumed.out.endswith("Done!\n")

    @pytest.mark.parametrize("name", ["resume start", 'run(resume = "start")'])
    def test_resuming_from_start_runs_everything(self, story, name):
        resumed = story[name]

        resumed.expect(0)
        assert resumed.cloned == []
        assert sorted(resumed.started) == sorted(ALL_STEPS)
        assert [line for line in resumed.task_lines("join") if line in TWO_LINES] == TWO_LINES

    def test_every_resumed_run_has_an_id_of_its_own(self, story):
        started = [ended.run_id for ended in story.ended.values() if ended.started_a_run]

        assert len(set(started)) == len(started)
        assert sorted(started) == story.folder.runs("DebugFlow")


def test_nothing_but_the_store_is_left_of_runs_that_failed_and_finished(story):
    assert story.folder.leftovers() == []
