"""A description finds out a fact when it is asked for, and not before."""

import pytest

from metaflow_core.client import Run, describe

IDENTITY = {
    *("id", "pathspec", "parent", "user"),
    *("tags", "user_tags", "system_tags", "created_at"),
}


@pytest.fixture
def pathspecs(flow):
    """A pathspec of each level, in a run of two tasks."""
    run = flow.run()
    run.done("start")
    run.done("end")
    task = next(iter(Run(str(run.pathspec))["end"]))
    return {
        "flow": "Line",
        "run": str(run.pathspec),
        "step": f"{run.pathspec}/end",
        "task": task.pathspec,
    }


@pytest.mark.parametrize("level", ["flow", "run", "step", "task"])
class TestADescription:
    def test_of_no_facts_tells_what_the_object_is(self, pathspecs, level):
        told = getattr(describe, level)(pathspec=pathspecs[level], only=[])

        assert set(told) == IDENTITY

    def test_of_one_fact_tells_it_as_the_whole_description_does(self, pathspecs, level):
        tell = getattr(describe, level)
        whole = tell(pathspec=pathspecs[level])

        assert set(whole) > IDENTITY
        for name in set(whole) - IDENTITY:
            told = tell(pathspec=pathspecs[level], only=[name])
            assert set(told) == {*IDENTITY, name}
            assert told[name] == whole[name]


def test_a_field_of_a_run_does_not_look_at_its_failed_tasks(pathspecs, monkeypatch):
    def looked(self):
        raise AssertionError("the tasks of the run were looked at")

    monkeypatch.setattr(Run, "failed_tasks", property(looked))

    assert describe.run(pathspec=pathspecs["run"], only=["successful"])["successful"]
