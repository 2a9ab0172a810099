"""Our client says about a store of stock Metaflow what the stock client says."""

import pytest

from metaflow_core import client
from metaflow_core.client import describe
from metaflow_core.errors import NotInNamespace


@pytest.fixture
def at_stock_store(peers, monkeypatch):
    """The client of this process looks at the stock store, as the user who wrote it."""
    monkeypatch.setenv("METAFLOW_USER", "tester")
    client.metadata(f"local@{peers.directory}")
    yield
    client.default_metadata()
    client.default_namespace()


def test_both_clients_find_the_same_objects(answers):
    stock, ours = answers

    assert sorted(ours) == sorted(stock)


@pytest.mark.parametrize("flow", ["LinearFlow", "BranchFlow", "NestedFlow", "FailingFlow"])
def test_both_clients_give_the_same_answers(answers, flow):
    stock, ours = answers
    of_flow = [pathspec for pathspec in stock if pathspec.split("/")[0] == flow]

    differences = [
        (pathspec, question, stock[pathspec][question], ours[pathspec][question])
        for pathspec in of_flow
        for question in stock[pathspec]
        # A question that the stock client fails at, such as the size of an artifact that a task
        # only passed on, may have an answer here.
        if stock[pathspec][question] is not None
        and stock[pathspec][question] != ours[pathspec][question]
    ]

    assert of_flow
    assert not differences


@pytest.mark.usefixtures("at_stock_store")
class TestWhatTheStockClientDoesNotSay:
    def test_a_clone_has_the_log_of_its_origin(self):
        task = client.Flow("FailingFlow").latest_run["start"].task

        assert task.origin_pathspec is not None
        assert task.stdout == "started once\n"

    def test_runs_stand_as_they_ended(self):
        table = describe.runs(flow="FailingFlow")

        assert table["status"] == ["successful", "failed"]
        assert table["origin_run_id"] == [table["run_id"][1], None]

    def test_steps_are_in_the_order_of_the_graph(self):
        told = describe.run(pathspec="NestedFlow/latest_run")

        assert told["steps"] == ["start", "outer", "inner", "inner_join", "outer_join", "end"]

    def test_tasks_of_a_foreach_are_in_its_order(self):
        table = describe.tasks(pathspec="NestedFlow/latest_run/inner")

        items = [client.Task(pathspec).data.item for pathspec in table["pathspec"]]
        assert items == ["a10", "a20", "b10", "b20"]
        assert table["index"] == [0, 1, 0, 1]

    def test_a_caught_failure_is_told(self):
        table = describe.tasks(pathspec="BranchFlow/latest_run/right")

        assert (table["status"], table["message"]) == (["caught"], ["this is caught"])

    def test_a_retried_task_has_both_attempts(self):
        told = describe.task(pathspec=client.Flow("LinearFlow").latest_run["start"].task.pathspec)

        assert told["attempts"]["ok"] == [False, True]
        assert told["status"] == "successful"
        assert told["attempt"] == 1

    def test_another_users_runs_are_not_in_the_namespace(self):
        client.namespace("user:somebody")

        assert client.Metaflow().flows == []
        with pytest.raises(NotInNamespace, match="user:somebody"):
            client.Flow("LinearFlow")
