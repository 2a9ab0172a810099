"""Local metadata: stock Metaflow's files, and an index that may be lost at any time."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from hashlib import sha1
from pathlib import Path

import pytest

from metaflow_core.datastore.pickles import dumps_native
from metaflow_core.errors import RecordCorrupted, StoreUnavailable
from metaflow_core.metadata import index
from metaflow_core.metadata.local import LocalMetadata
from metaflow_core.metadata.provider import ArtifactRecord, Identity, MetaDatum, RunFilter
from metaflow_core.model.pathspec import Pathspec

ADA = Identity("ada", ("t1",), ("user:ada",))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / ".metaflow"


@pytest.fixture
def provider(root: Path) -> LocalMetadata:
    return LocalMetadata(root)


def record(root: Path, path: str) -> dict:
    return json.loads((root / path).read_text())


def write_as_stock(root: Path, run: str, tags: Sequence[str] = (), ts_epoch: int = 0) -> None:
    folder = root / "F" / run / "_meta"
    folder.mkdir(parents=True, exist_ok=True)
    content = {"run_number": run, "flow_id": "F", "user_name": "stock", "tags": list(tags)}
    new = folder / "new"
    new.write_text(json.dumps({**content, "system_tags": [], "ts_epoch": ts_epoch}))
    new.rename(folder / "_self.json")


def ids(provider: LocalMetadata, **which) -> list[str | None]:
    return [run.pathspec.run for run in provider.runs("F", RunFilter(**which))]


def test_records_are_stock_metaflows(provider: LocalMetadata, root: Path) -> None:
    run = provider.new_run("F", ADA)
    task = provider.new_task(Pathspec("F", run), "start", ADA)
    flow_keys = list(record(root, "F/_meta/_self.json"))
    common = ["flow_id", "user_name", "tags", "system_tags", "ts_epoch"]

    assert task == "1"
    assert flow_keys == ["flow_id", "ts_epoch"]
    assert list(record(root, f"F/{run}/_meta/_self.json")) == ["run_number", *common]
    assert list(record(root, f"F/{run}/start/_meta/_self.json")) == [
        "run_number",
        "step_name",
        *common,
    ]
    found = record(root, f"F/{run}/start/1/_meta/_self.json")
    assert list(found) == ["run_number", "step_name", "task_id", *common]
    assert {**found, "ts_epoch": 0} == {
        "run_number": run,
        "step_name": "start",
        "task_id": "1",
        "flow_id": "F",
        "user_name": "ada",
        "tags": ["t1"],
        "system_tags": ["user:ada"],
        "ts_epoch": 0,
    }
    text = (root / f"F/{run}/start/1/_meta/_self.json").read_text()
    assert text == json.dumps(found)


def test_metaflows_own_artifact_gets_no_record_where_it_is_none(
    provider: LocalMetadata, root: Path
) -> None:
    run = Pathspec("F", provider.new_run("F", ADA))
    task = run.child("start").child(provider.new_task(run, "start", ADA))
    none = sha1(dumps_native(None)).hexdigest()
    artifacts = [ArtifactRecord("x", none), ArtifactRecord("_exception", none)]
    provider.register_artifacts(task, 0, artifacts, ADA)
    provider.register_artifacts(task, 1, [ArtifactRecord("_exception", "a" * 40)], ADA)

    assert [record["name"] for record in provider.artifacts(task, 0)] == ["x"]
    assert [record["name"] for record in provider.artifacts(task, 1)] == ["_exception"]


def test_facts_and_artifacts_are_in_stock_metaflows_files(
    provider: LocalMetadata, root: Path
) -> None:
    run = Pathspec("F", provider.new_run("F", ADA))
    task = run.child("start").child(provider.new_task(run, "start", ADA))
    provider.register_metadata(task, [MetaDatum("attempt", "0", tags=("attempt_id:0",))], "ada")
    artifacts = [ArtifactRecord(name, "a" * 40) for name in ("x", "_task_ok", "_transition")]
    provider.register_artifacts(task, 0, artifacts, ADA)

    names = {path.name for path in (root / str(task) / "_meta").iterdir()}
    [fact] = [name for name in names if name.startswith("sysmeta_attempt_")]
    # `_transition` is only in data.json: no client asks for it.
    assert names == {fact, "_self.json", "0_artifact_x.json", "0_artifact__task_ok.json"}
    found = record(root, f"{task}/_meta/{fact}")
    assert fact == f"sysmeta_attempt_{found['ts_epoch']}.json"
    assert list(found) == [
        "flow_id",
        "run_number",
        "step_name",
        "task_id",
        "field_name",
        "type",
        "value",
        "tags",
        "user_name",
        "ts_epoch",
    ]
    assert {**record(root, f"{task}/_meta/0_artifact_x.json"), "ts_epoch": 0} == {
        "run_number": run.run,
        "step_name": "start",
        "task_id": "1",
        "attempt_id": 0,
        "name": "x",
        "content_type": "pickle-v4",
        "type": "metaflow.artifact",
        "sha": "a" * 40,
        "ds_type": "local",
        "location": f":root:{root}",
        "flow_id": "F",
        "user_name": "ada",
        "tags": ["t1"],
        "system_tags": ["user:ada"],
        "ts_epoch": 0,
    }


def test_the_latest_run_is_named_in_a_file_that_all_may_read(
    provider: LocalMetadata, root: Path
) -> None:
    assert provider.latest_run("F") is None
    provider.new_run("F", ADA)
    run = provider.new_run("F", ADA)

    assert (root / "F/latest_run").read_text() == run
    assert stat.S_IMODE((root / "F/latest_run").stat().st_mode) & 0o600 == 0o600
    assert provider.latest_run("F") == run


def test_fields_of_another_version_are_kept(provider: LocalMetadata, root: Path) -> None:
    run = provider.new_run("F", ADA)
    path = root / f"F/{run}/_meta/_self.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "new_field": [1]}))

    provider.mutate_tags(Pathspec("F", run), ["x"], [])
    found = provider.get(Pathspec("F", run))
    assert found is not None
    assert found.extra == {"new_field": [1]}


@pytest.mark.parametrize("data", ["", "{", "[]"])
def test_a_damaged_record_is_told_and_does_not_hide_others(
    provider: LocalMetadata, root: Path, data: str, caplog: pytest.LogCaptureFixture
) -> None:
    good, bad = (provider.new_run("F", ADA) for _ in range(2))
    path = root / f"F/{bad}/_meta/_self.json"
    path.write_text(data)

    with pytest.raises(RecordCorrupted, match=f"{path} is damaged"):
        provider.get(Pathspec("F", bad))
    assert ids(provider) == [good]
    assert f"{path} is damaged" in caplog.text


def test_a_store_that_cannot_be_written_is_told(root: Path) -> None:
    root.write_text("a file where the directory should be")

    with pytest.raises(StoreUnavailable, match=r"Cannot write .*: not a directory"):
        LocalMetadata(root).new_run("F", ADA)


def test_asking_makes_no_store(provider: LocalMetadata, root: Path) -> None:
    assert provider.runs("F") == []
    assert provider.children(None) == []
    assert not root.exists()


# The index


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda path: path.unlink(), id="missing"),
        pytest.param(lambda path: path.write_bytes(b""), id="emptied"),
        pytest.param(lambda path: path.write_bytes(b"not a database" * 100), id="not a database"),
        pytest.param(lambda path: os.truncate(path, 5000), id="cut off"),
        pytest.param(lambda path: set_version(path, 99), id="of another version"),
    ],
)
def test_an_index_that_is_lost_is_made_anew(
    root: Path, provider: LocalMetadata, damage: Callable[[Path], None]
) -> None:
    runs = [provider.new_run("F", ADA) for _ in range(3)]
    assert ids(provider) == runs[::-1]

    damage(root / index.NAME)
    assert ids(provider) == runs[::-1]
    assert ids(LocalMetadata(root), tags=["t1"], limit=1) == [runs[2]]
    assert (root / index.NAME).stat().st_size > 5000


def set_version(path: Path, version: int) -> None:
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA user_version = {version}")
    db.close()


@pytest.fixture(params=["no sqlite", "locked", "cannot be made"])
def without_index(request: pytest.FixtureRequest, root: Path, monkeypatch: pytest.MonkeyPatch):
    """A store whose index cannot be used."""
    monkeypatch.setattr(index, "_LOCK_TIMEOUT_S", 0.01)
    provider = LocalMetadata(root)
    provider.new_run("F", ADA)
    if request.param == "no sqlite":
        monkeypatch.setitem(sys.modules, "metaflow_core.metadata.index", None)
        yield provider
    elif request.param == "cannot be made":
        (root / index.NAME).mkdir()
        yield provider
    else:
        ids(provider)
        holder = sqlite3.connect(root / index.NAME, isolation_level=None)
        holder.execute("BEGIN EXCLUSIVE")
        yield LocalMetadata(root)
        holder.close()


def test_without_an_index_the_answers_are_the_same(
    without_index: LocalMetadata, root: Path
) -> None:
    [first] = ids(without_index)
    second = without_index.new_run("F", Identity("bob", ("t2",), ()))
    without_index.mutate_tags(Pathspec("F", second), ["t3"], [])

    assert ids(without_index) == [second, first]
    assert ids(without_index, limit=1) == [second]
    assert ids(without_index, tags=["t1"]) == [first]
    assert ids(without_index, tags=["t2", "t3"]) == [second]
    assert ids(without_index, until=0) == []


def test_runs_of_stock_metaflow_are_seen(provider: LocalMetadata, root: Path) -> None:
    run = provider.new_run("F", ADA)
    assert ids(provider) == [run]

    write_as_stock(root, "5", ["theirs"], ts_epoch=1000)
    write_as_stock(root, "sfn-abc", [], ts_epoch=2000)
    assert ids(provider) == [run, "sfn-abc", "5"]
    assert ids(provider, tags=["theirs"]) == ["5"]

    write_as_stock(root, "5", ["changed", "longer"], ts_epoch=1000)
    assert ids(provider, tags=["theirs"]) == []
    assert ids(provider, tags=["changed"]) == ["5"]


def test_a_run_whose_record_comes_later_is_seen_then(provider: LocalMetadata, root: Path) -> None:
    (root / "F" / "5").mkdir(parents=True)
    os.utime(root / "F", (1, 1))
    assert ids(provider) == []

    write_as_stock(root, "5")
    os.utime(root / "F", (1, 1))
    assert ids(provider) == ["5"]


def test_a_run_whose_record_was_damaged_is_seen_again_once_it_is_repaired(
    provider: LocalMetadata, root: Path
) -> None:
    write_as_stock(root, "5")
    os.utime(root / "F", (1, 1))
    assert ids(provider) == ["5"]
    (root / "F/5/_meta/_self.json").write_text("{")
    assert ids(provider) == []

    write_as_stock(root, "5", ["repaired"])
    assert ids(provider) == ["5"]


def test_the_latest_run_is_found_without_a_look_at_the_others(
    provider: LocalMetadata, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [provider.new_run("F", ADA) for _ in range(20)]
    os.utime(root / "F", (1, 1))
    ids(provider)
    looked_at = []
    look = index.RunIndex._look
    monkeypatch.setattr(
        index.RunIndex, "_look", lambda *args: (looked_at.append(args[2]), look(*args))[1]
    )
    monkeypatch.setattr(index, "_folders", None)  # nor are they listed

    assert ids(provider, tags=["t1"], limit=1) == [runs[-1]]
    assert looked_at == [runs[-1]]


@pytest.mark.parametrize("tags", [(), ("t1",)])
def test_the_newest_runs_are_found_without_sorting_all(tags: tuple[str, ...]) -> None:
    with closing(sqlite3.connect(":memory:")) as db:
        db.executescript(index._SCHEMA)
        query, values = index._query("record", "F", RunFilter(tags, limit=1))
        plan = [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {query}", values)]

    assert plan[0].startswith("SEARCH run USING INDEX by_time")
    assert not [line for line in plan if "TEMP B-TREE" in line or "LIST SUBQUERY" in line]


def test_a_run_that_was_deleted_is_gone(provider: LocalMetadata, root: Path) -> None:
    runs = [provider.new_run("F", ADA) for _ in range(2)]
    assert ids(provider) == runs[::-1]
    (root / f"F/{runs[1]}/_meta/_self.json").unlink()
    (root / f"F/{runs[1]}/_meta").rmdir()
    (root / f"F/{runs[1]}").rmdir()

    assert ids(provider) == [runs[0]]
    assert ids(provider, tags=["t1"]) == [runs[0]]


def test_outcomes_are_kept_beside_runs_and_survive_a_change_of_tags(
    provider: LocalMetadata, root: Path
) -> None:
    run = provider.new_run("F", ADA)
    provider.keep_outcomes("F", {run: {"successful": True}, "unknown": {}})
    provider.mutate_tags(Pathspec("F", run), ["x"], [])
    ids(provider)

    assert LocalMetadata(root).outcomes("F") == {run: {"successful": True}}
    assert LocalMetadata(root).outcomes("F", RunFilter(tags=["y"])) == {}
    (root / index.NAME).unlink()
    assert provider.outcomes("F") == {}


def test_the_index_is_as_private_as_the_records(provider: LocalMetadata, root: Path) -> None:
    provider.new_run("F", ADA)
    ids(provider)

    assert stat.S_IMODE((root / index.NAME).stat().st_mode) == 0o600
    assert [path.name for path in root.iterdir() if path.name.startswith(index.NAME)] == [
        index.NAME
    ]
