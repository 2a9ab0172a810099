"""What every metadata provider must do."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from metaflow_core.errors import InvalidTag, RunNotFound
from metaflow_core.metadata.provider import (
    ArtifactRecord,
    Identity,
    MetadataProvider,
    MetaDatum,
    RunFilter,
)
from metaflow_core.model.pathspec import Pathspec

ADA = Identity("ada", ("t1", "t2"), ("user:ada", "runtime:dev"))
Another = Callable[[], MetadataProvider]


@pytest.fixture
def run(provider: MetadataProvider) -> Pathspec:
    return Pathspec("F", provider.new_run("F", ADA))


@pytest.fixture
def task(provider: MetadataProvider, run: Pathspec) -> Pathspec:
    return run.child("start").child(provider.new_task(run, "start", ADA))


def test_a_run_is_found_as_it_was_registered(provider: MetadataProvider, run: Pathspec) -> None:
    found = provider.get(run)

    assert found is not None
    assert found.pathspec == run
    assert found.user == "ada"
    assert sorted(found.tags) == ["t1", "t2"]
    assert sorted(found.system_tags) == ["runtime:dev", "user:ada"]
    assert abs(found.created_at - time.time()) < 60


@pytest.mark.parametrize("text", ["F", "F/1", "F/1/start", "F/1/start/1"])
def test_what_is_absent_is_none_and_has_no_children(provider: MetadataProvider, text: str) -> None:
    absent = Pathspec.parse(text)

    assert provider.get(absent) is None
    assert provider.children(absent) == []
    assert provider.children(None) == []
    assert provider.runs("F") == []
    assert provider.task_metadata(absent) == []
    assert provider.artifacts(absent) == []
    assert provider.run_state(absent) is None


def test_children_of_each_level_are_listed(
    provider: MetadataProvider, run: Pathspec, task: Pathspec
) -> None:
    provider.register_parameters_task(run, ADA)

    def names(parent: Pathspec | None) -> list[str]:
        return sorted(child.pathspec.parts[-1] for child in provider.children(parent))

    assert names(None) == ["F"]
    assert names(Pathspec("F")) == [run.run]
    assert names(run) == ["_parameters", "start"]
    assert names(run.child("start")) == ["1"]
    assert names(run.child("_parameters")) == ["0"]


def test_steps_and_tasks_have_the_tags_of_their_run(
    provider: MetadataProvider, run: Pathspec, task: Pathspec
) -> None:
    provider.mutate_tags(run, ["new"], ["t1"])

    for pathspec in (run, run.child("start"), task):
        found = provider.get(pathspec)
        assert found is not None
        assert sorted(found.tags) == ["new", "t2"]
        assert sorted(found.system_tags) == ["runtime:dev", "user:ada"]
    [child] = provider.children(run.child("start"))
    assert sorted(child.tags) == ["new", "t2"]


def test_runs_are_listed_newest_first(provider: MetadataProvider) -> None:
    ids = [provider.new_run("F", ADA) for _ in range(5)]

    assert [found.pathspec.run for found in provider.children(Pathspec("F"))] == ids[::-1]


def test_run_ids_are_unique_among_many_processes(another: Another) -> None:
    providers = [another() for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(lambda i: providers[i % 8].new_run("F", ADA), range(64)))

    assert len(set(ids)) == 64
    assert len(another().children(Pathspec("F"))) == 64


def test_task_ids_are_unique_in_a_run_over_all_steps(
    provider: MetadataProvider, run: Pathspec, another: Another
) -> None:
    ids = [provider.new_task(run, step, ADA) for step in ("start", "a", "b", "a")]
    goes_on = another()
    ids += [goes_on.new_task(run, step, ADA) for step in ("end", "a")]

    assert len(set(ids)) == 6
    assert provider.register_parameters_task(run, ADA) not in ids


def test_of_a_fact_that_is_told_twice_the_newest_comes_last(
    provider: MetadataProvider, task: Pathspec
) -> None:
    for value in ("0", "1", "2"):
        tags = (f"attempt_id:{value}",)
        provider.register_metadata(task, [MetaDatum("attempt", value, tags=tags)], "ada")
    provider.register_metadata(task, [MetaDatum("foreach-stack", ["a=1"], "stack")], "ada")

    found = provider.task_metadata(task)
    attempts = [fact for fact in found if fact["field_name"] == "attempt"]
    assert [fact["value"] for fact in attempts] == ["0", "1", "2"]
    assert attempts[0]["tags"] == ["attempt_id:0"]
    assert attempts[0]["type"] == "attempt"
    assert attempts[0]["ts_epoch"] < attempts[1]["ts_epoch"]
    [stack] = [fact for fact in found if fact["field_name"] == "foreach-stack"]
    assert (stack["value"], stack["type"]) == (["a=1"], "stack")


def test_artifacts_are_those_of_the_last_attempt_that_is_done(
    provider: MetadataProvider, task: Pathspec
) -> None:
    for attempt, key in ((0, "a" * 40), (1, "b" * 40)):
        artifacts = [ArtifactRecord("x", key), ArtifactRecord("_task_ok", "c" * 40)]
        provider.register_artifacts(task, attempt, artifacts, ADA)
    assert provider.artifacts(task) == []

    provider.register_metadata(task, [MetaDatum("attempt-done", "1")], "ada")
    assert {a["name"]: a["sha"] for a in provider.artifacts(task)} == {
        "x": "b" * 40,
        "_task_ok": "c" * 40,
    }
    assert {a["sha"] for a in provider.artifacts(task, 0)} == {"a" * 40, "c" * 40}
    assert provider.artifacts(task, 7) == []


def test_the_last_heartbeat_is_known(provider: MetadataProvider, run: Pathspec) -> None:
    assert provider.run_state(run) is None
    provider.heartbeat(run, {"running": 1})
    provider.heartbeat(run, {"running": 2, "tasks": ["start/1"]})

    state = provider.run_state(run)
    assert state is not None
    assert (state["running"], state["tasks"]) == (2, ["start/1"])
    assert abs(state["at"] - time.time()) < 60


# Tags


@pytest.mark.parametrize(
    ("add", "remove", "expected"),
    [
        pytest.param(["new"], [], ["new", "t1", "t2"], id="added"),
        pytest.param([], ["t1"], ["t2"], id="removed"),
        pytest.param(["new"], ["t1", "t2"], ["new"], id="replaced"),
        pytest.param(["t1"], ["t1"], ["t1", "t2"], id="removed, then added"),
        pytest.param([], ["absent"], ["t1", "t2"], id="absent: nothing to remove"),
        pytest.param(["user:ada"], [], ["t1", "t2"], id="a system tag is not added again"),
        pytest.param(["é ☃"], ["t1", "t2"], ["é ☃"], id="any text"),
    ],
)
def test_tags_are_changed(
    provider: MetadataProvider,
    run: Pathspec,
    add: list[str],
    remove: list[str],
    expected: list[str],
) -> None:
    before = provider.get(run)
    assert sorted(provider.mutate_tags(run, add, remove)) == expected

    after = provider.get(run)
    assert before is not None
    assert after is not None
    assert sorted(after.tags) == expected
    assert (after.user, after.created_at) == (before.user, before.created_at)


@pytest.mark.parametrize(
    ("add", "remove", "message"),
    [
        ([""], [], "cannot be empty"),
        (["x" * 501], [], "500 characters"),
        (["\ud800"], [], "not valid Unicode"),
        ([1], [], "not int"),
        ("text", [], "a list of texts"),
        ([], ["user:ada"], "system tag 'user:ada' cannot be removed"),
        ([f"t{i}" for i in range(3, 60)], [], "can have 50 tags, and would have 59"),
    ],
)
def test_a_change_that_is_not_valid_changes_nothing(
    provider: MetadataProvider, run: Pathspec, add, remove, message: str
) -> None:
    with pytest.raises(InvalidTag, match=message):
        provider.mutate_tags(run, add, remove)

    found = provider.get(run)
    assert found is not None
    assert sorted(found.tags) == ["t1", "t2"]


def test_tags_of_an_absent_run_cannot_be_changed(provider: MetadataProvider) -> None:
    with pytest.raises(RunNotFound, match="no run F/1"):
        provider.mutate_tags(Pathspec("F", "1"), ["x"], [])


def test_no_change_of_tags_is_lost_when_many_make_one(another: Another, run: Pathspec) -> None:
    def add(i: int) -> None:
        another().mutate_tags(run, [f"n{i}"], [])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(32)))

    found = another().get(run)
    assert found is not None
    assert set(found.tags) == {"t1", "t2", *(f"n{i}" for i in range(32))}


# History


def ids(provider: MetadataProvider, **which) -> list[str | None]:
    return [run.pathspec.run for run in provider.runs("F", RunFilter(**which))]


def test_runs_are_filtered_by_tags_of_both_kinds(provider: MetadataProvider) -> None:
    one = provider.new_run("F", Identity("ada", ("x", "y"), ("user:ada",)))
    two = provider.new_run("F", Identity("bob", ("x",), ("user:bob",)))
    provider.new_run("G", Identity("ada", ("x",), ("user:ada",)))

    assert ids(provider, tags=["x"]) == [two, one]
    assert ids(provider, tags=["x", "y"]) == [one]
    assert ids(provider, tags=["x", "user:bob"]) == [two]
    assert ids(provider, tags=["z"]) == []


def test_runs_are_filtered_by_time_and_number(provider: MetadataProvider) -> None:
    all_runs = [provider.new_run("F", ADA) for _ in range(4)]
    now = time.time()

    assert ids(provider, limit=2) == all_runs[:1:-1]
    assert ids(provider, since=now - 60, until=now + 60) == all_runs[::-1]
    assert ids(provider, since=now + 60) == []
    assert ids(provider, until=now - 60) == []


def test_a_change_of_tags_is_seen_by_those_that_asked_before(
    provider: MetadataProvider, another: Another, run: Pathspec
) -> None:
    assert ids(provider, tags=["t1"]) == [run.run]
    another().mutate_tags(run, ["new"], ["t1"])

    assert ids(provider, tags=["t1"]) == []
    assert ids(provider, tags=["new"]) == [run.run]
    assert set(provider.runs("F", RunFilter(limit=1))[0].tags) == {"new", "t2"}


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_the_newest_runs_with_a_tag_are_found_wherever_they_are(
    provider: MetadataProvider, another: Another, limit: int
) -> None:
    runs = [provider.new_run("F", ADA) for _ in range(9)]
    assert ids(provider, tags=["late"], limit=limit) == []
    for tagged in (runs[1], runs[6], runs[2]):
        another().mutate_tags(Pathspec("F", tagged), ["late"], [])
    assert ids(provider, tags=["late"], limit=limit) == [runs[6], runs[2], runs[1]][:limit]

    another().mutate_tags(Pathspec("F", runs[6]), [], ["late"])
    assert ids(provider, tags=["late"], limit=limit) == [runs[2], runs[1]][:limit]


def test_a_new_run_is_seen_by_those_that_asked_before(
    provider: MetadataProvider, another: Another, run: Pathspec
) -> None:
    assert ids(provider) == [run.run]
    new = another().new_run("F", ADA)

    assert ids(provider) == [new, run.run]
    assert ids(provider, limit=1) == [new]
