"""A store that is damaged, full, or shared: a clear failure, and a resume that ends well."""

from __future__ import annotations

import os
import resource
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from played_run import Played, RBytes, RError, Stage

from metaflow_core.datastore.fsck import verify
from metaflow_core.model.flow import Flow, Step

FLOW = Flow.of("F", Step("start", ("middle",)), Step("middle", ("end",)), Step("end"))


def _start(step):
    step.x = "a value"


def _fail(step):
    raise RError("no luck")


def _use(step):
    assert step.x == "a value"


GOOD = {"start": _start, "end": _use}


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path / ".metaflow")


@pytest.fixture
def failed(stage: Stage) -> Played:
    return stage.play(FLOW, {"start": _start, "end": _fail})


def _blob(stage: Stage, played: Played) -> Path:
    key = played.reader("start").objects["x"]
    return stage.root / "F" / "data" / key[:2] / key


@contextmanager
def _largest_file(size_bytes: int) -> Iterator[None]:
    """Writes beyond this size fail, as on a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)


def test_a_damaged_blob_fails_who_uses_it_and_says_how_to_go_on(stage, failed):
    blob = _blob(stage, failed)
    blob.write_bytes(b"damaged")

    resumed = stage.play(FLOW, GOOD, origin=failed)
    assert resumed.result.status == "failed"
    assert f"the sha1 of {blob} is not its name" in resumed.printed
    assert "running the flow again makes it anew" in resumed.printed

    again = stage.play(FLOW, GOOD, origin=failed, from_step="start")
    assert again.result.status == "successful"
    assert verify(again.services.store) == []


@pytest.mark.parametrize("damage", [b"{", b"", b"\0\0\0", b"[]"])
def test_a_task_whose_record_is_damaged_is_run_again(stage, failed, damage):
    record = stage.root / str(failed.task("middle")) / "0.data.json"
    record.write_bytes(damage)

    resumed = stage.play(FLOW, GOOD, origin=failed)
    assert resumed.result.status == "successful"
    assert resumed.started == ["end", "middle"]


def test_what_does_not_fit_on_the_disk_fails_its_task_and_is_there_after_a_resume(stage):
    def large(step):
        step.x = "a value"
        step.large = RBytes(os.urandom(60_000))

    functions = {**GOOD, "middle": large}
    with _largest_file(20_000):
        full = stage.play(FLOW, functions)

    assert full.result.status == "failed"
    assert verify(full.services.store) == []
    resumed = stage.play(FLOW, functions, origin=full)
    assert resumed.result.status == "successful"
    assert resumed.started == ["end", "middle"]
    assert [path for path in stage.root.rglob(".tmp-*") if path.is_file()] == []


def test_two_resumes_of_one_run_do_not_disturb_each_other(stage, failed):
    resumes: list[Played] = []

    def use(step):
        if not resumes:
            resumes.append(stage.play(FLOW, GOOD, origin=failed))
        _use(step)

    resumes.append(stage.play(FLOW, {**GOOD, "end": use}, origin=failed))

    assert [played.result.status for played in resumes] == ["successful", "successful"]
    assert len({played.run_id for played in [failed, *resumes]}) == 3
    assert verify(failed.services.store) == []


@pytest.mark.parametrize("jump_s", [-86400, 86400, -4e8])
def test_a_clock_that_jumps_between_run_and_resume_changes_nothing(
    stage, failed, monkeypatch, jump_s
):
    now, now_ns = time.time, time.time_ns
    monkeypatch.setattr(time, "time", lambda: now() + jump_s)
    monkeypatch.setattr(time, "time_ns", lambda: now_ns() + int(jump_s * 1e9))

    assert failed.services.metadata.latest_run("F") == failed.run_id
    resumed = stage.play(FLOW, GOOD, origin=failed)
    assert resumed.result.status == "successful"
    assert resumed.services.metadata.latest_run("F") == resumed.run_id
