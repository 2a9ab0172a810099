"""`compute.ahead`: a zygote that starts before its run. A Python program takes the place of R."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from workshop import Told

from metaflow_core.compute.ahead import Ahead, start_ahead
from metaflow_core.compute.session import RSession


@pytest.fixture
def workshop(new_workshop):
    return new_workshop("auto")


@pytest.fixture
def make_ahead(workshop, tmp_path, monkeypatch):
    """Starts ahead what a run of the workshop's programs needs."""
    monkeypatch.setenv("METAFLOW_TEMPDIR", str(tmp_path))
    made: list[Ahead] = []

    def make(program: str, zygote: str = "ready()") -> Ahead:
        rscript = workshop.rscript(program, zygote)
        ahead = start_ahead(RSession("4.2.2", "0.1.0", str(rscript), "scripts", (), str(tmp_path)))
        assert ahead is not None
        made.append(ahead)
        return ahead

    yield make
    workshop.close()  # as a run does before its command ends
    for ahead in made:
        ahead.close()


def _is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def test_tasks_are_forked_from_what_was_started_ahead(workshop, make_ahead):
    says_parent = "send(type='parent', pid=os.getppid())"
    ahead = make_ahead(says_parent)
    launcher, told = workshop.launcher("", ahead=ahead.zygote), Told()

    launcher.start(told)
    workshop.wait(told)

    assert told.messages[0]["pid"] == ahead.zygote.pid


def test_the_flow_is_loaded_only_when_a_launcher_takes_it_over(workshop, make_ahead):
    ahead = make_ahead("", zygote="open('loaded', 'w').close(); ready()")
    loaded = ahead.folder.parent / "loaded"
    launcher, told = workshop.launcher("", ahead=ahead.zygote), Told()
    assert not loaded.exists()

    launcher.start(told)
    workshop.wait(told)

    assert loaded.exists()


def test_what_no_run_took_over_is_ended_and_leaves_nothing(make_ahead):
    ahead = make_ahead("")

    ahead.close()
    ahead.close()

    assert not _is_alive(ahead.zygote.pid)
    assert not ahead.folder.exists()


def test_one_that_cannot_load_the_flow_is_told_of_as_any_other(workshop, make_ahead):
    ahead = make_ahead("", zygote="os._exit(3)")
    launcher = workshop.launcher("send(type='parent', pid=os.getppid())", ahead=ahead.zygote)
    first, second = Told(), Told()

    for told in (first, second):
        launcher.start(told)
        workshop.wait(told)

    assert "R ended with status 3" in workshop.said[0]
    assert [told.messages[0]["pid"] for told in (first, second)] == 2 * [os.getpid()]


def test_what_cannot_be_started_ahead_is_left_to_the_run(tmp_path, monkeypatch):
    monkeypatch.setenv("METAFLOW_TEMPDIR", str(tmp_path))

    assert start_ahead(RSession("4.2.2", "0.1.0", "/no/Rscript", ".", (), str(tmp_path))) is None
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_for_temporary_files_is_left_to_the_run(tmp_path, monkeypatch):
    monkeypatch.setenv("METAFLOW_TEMPDIR", str(tmp_path / "absent"))

    assert start_ahead(RSession("4.2.2", "0.1.0", "Rscript", ".", (), str(tmp_path))) is None
