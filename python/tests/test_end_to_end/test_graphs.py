"""Shapes of graphs, and what the options of `run` change about a run."""

from collections import Counter
from itertools import pairwise

import pytest

from metaflow_core import client


@pytest.fixture(scope="module")
def folder(new_folder):
    return new_folder("graph.R", "wide_join.R", "random.R", "concurrency.R")


@pytest.fixture(scope="module")
def graph(folder):
    return folder.rscript("graph.R", "run")


@pytest.fixture(scope="module")
def drawn(folder):
    options = ["--seed", "42", "--run-id-file", "id.txt", "--tag", "t1", "--tag", "two words"]
    return {
        "seeded": folder.rscript("random.R", "run", *options, "--namespace", "user:other"),
        **folder.at_once(
            {
                "seeded again": ["random.R", "run", "--seed", "42"],
                "not seeded": ["random.R", "run"],
                "quiet": ["random.R", "--quiet", "run"],
            }
        ),
    }


@pytest.fixture(scope="module")
def free(folder):
    return folder.rscript("concurrency.R", "run", MEET="yes")


class TestShapes:
    def test_a_branch_in_a_foreach_runs_once_for_each_item(self, graph):
        graph.expect(0)
        assert Counter(graph.started) == {
            "start": 1, "split": 3, "left": 3, "right": 3, "inner_join": 3,
            "outer_join": 1, "choose": 1, "many": 1, "end": 1,
        }  # fmt: skip

    def test_a_switch_takes_one_way_and_its_cases_meet_again(self, graph):
        assert graph.facts("end") == {"way": "many", "common": "from start"}

    def test_inputs_come_in_the_order_of_branches_and_items(self, graph):
        assert graph.facts("outer_join")["sides"] == "Lp, Rp, Lq, Rq, Lr, Rr"
        assert graph.facts("outer_join")["by position"] == "Lq, Rq"

    @pytest.mark.parametrize("item", ["p", "q", "r"])
    def test_a_conflict_names_the_artifact_and_merges_nothing(self, graph, item):
        said = graph.facts("inner_join")
        conflicts = [line for line in graph.task_lines("inner_join") if "`side` has 2" in line]

        assert "MergeArtifactsException" in said[f"conflict {item}"]
        assert said[f"nothing merged {item}"] == "TRUE"
        assert len(conflicts) == 3

    def test_include_and_exclude_together_are_refused(self, graph):
        assert "`include`" in graph.facts("inner_join")["both p"]

    def test_include_takes_only_what_it_names_and_names_what_is_not_there(self, graph):
        said = graph.facts("outer_join")

        assert said["merged"] == "common, own"
        assert said["own"] == "same"
        assert "nowhere" in said["missing"]

    def test_a_join_in_a_foreach_knows_its_place(self, graph):
        assert graph.facts("inner_join")["stack q"] == "1, 3, q"

    def test_more_splits_than_the_limit_are_refused_before_any_of_them_runs(self, folder):
        ended = folder.rscript("graph.R", "run", "--max-num-splits", "2")

        ended.expect(1)
        assert ended.started == ["start"]
        assert "makes 3 tasks; the limit is 2" in ended.err


def test_a_join_of_hundreds_has_every_task_at_its_place(folder):
    ended = folder.rscript("wide_join.R", "run")

    ended.expect(0)
    assert ended.facts("gather") == {
        "length": "300",
        "x of the 17th": "289",
        "index of the 17th": "16",
        "all in order": "TRUE",
        "class": "metaflow_artifact_not_found",
        "is of the last": "TRUE",
    }


def draws(ended):
    return {**ended.facts("start"), **ended.facts("body"), **ended.facts("end")}


class TestOptions:
    def test_a_seed_makes_a_run_repeatable(self, drawn):
        first, again = draws(drawn["seeded"]), draws(drawn["seeded again"])

        drawn["seeded"].expect(0)
        assert len(first) == 6
        for name in ("start ", "body 0", "body 1", "end "):
            assert first[name] == again[name]

    def test_each_task_has_a_stream_of_its_own(self, drawn):
        names = ("start ", "body 0", "body 1", "end ")

        assert len({draws(drawn["seeded"])[name] for name in names}) == 4

    def test_runs_without_a_seed_differ(self, drawn):
        assert draws(drawn["not seeded"])["start "] != draws(drawn["quiet"])["start "]

    def test_the_run_id_file_has_the_run_id(self, drawn, folder):
        written = (folder.path / "id.txt").read_text(encoding="utf-8")

        assert written == drawn["seeded"].run_id

    def test_tags_and_namespace_reach_steps_and_store(self, drawn, folder):
        said = drawn["seeded"].facts("end")

        assert said["namespace"] == "user:other"
        assert said["tags"] == "t1, two words"
        with folder.client():
            run = client.Run(f"RandomFlow/{drawn['seeded'].run_id}")
            assert set(run.user_tags) == {"t1", "two words"}
            assert "user:tester" in run.system_tags

    def test_quiet_prints_only_what_tasks_print(self, drawn):
        lines = drawn["quiet"].out.splitlines()

        drawn["quiet"].expect(0)
        assert len(lines) == 6
        assert all("] " in line and "=" in line for line in lines)


class TestHowManyTasksRunAtOnce:
    @staticmethod
    def intervals(ended, *steps):
        lines = [ended.facts(step)["interval"] for step in steps]
        return sorted(tuple(map(float, line.split())) for line in lines)

    @staticmethod
    def overlap(intervals):
        return any(end > begin for (_, end), (begin, _) in pairwise(intervals))

    def test_branches_run_at_the_same_time(self, free):
        free.expect(0)
        assert free.facts("left")["met"] == free.facts("right")["met"] == "TRUE"

    def test_tasks_that_want_all_processors_take_turns(self, free):
        assert not self.overlap(self.intervals(free, "heavy_a", "heavy_b"))

    def test_one_worker_runs_one_task_at_a_time(self, folder):
        alone = folder.rscript("concurrency.R", "run", "--max-workers", "1")

        alone.expect(0)
        steps = ("left", "right", "heavy_a", "heavy_b")
        assert not self.overlap(self.intervals(alone, *steps))
