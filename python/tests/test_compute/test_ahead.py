"""A zygote that R has started before its run. A Python program takes the place of R."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from workshop import Told, Workshop

from metaflow_core.compute.fork import ZygoteProcess

Ahead = Callable[..., ZygoteProcess]


@pytest.fixture
def workshop(new_workshop: Callable[[str], Workshop]) -> Workshop:
    return new_workshop("auto")


@pytest.fixture
def make_ahead(workshop: Workshop, tmp_path: Path) -> Iterator[Ahead]:
    """Starts, as R does, what a run of the workshop's programs is handed."""
    made: list[ZygoteProcess] = []

    def make(
        program: str, zygote: str = "ready()", environment: dict[str, str | None] | None = None
    ) -> ZygoteProcess:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        log = tmp_path / "zygote.log"
        with ours, theirs, log.open("wb") as output:
            command = [workshop.rscript(program, zygote), "--vanilla", "zygote.R", os.getpid()]
            process = subprocess.Popen(
                [*map(str, command), str(theirs.fileno())],
                stdout=output,
                stderr=output,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
            ahead = ZygoteProcess.adopt(process.pid, ours.fileno(), str(log), environment or {})
        process.returncode = 0  # whoever adopted it waits for it
        made.append(ahead)
        return ahead

    yield make
    workshop.close()  # as a run does before its command ends
    for ahead in made:
        ahead.end()


def test_tasks_are_forked_from_what_was_started_ahead(workshop, make_ahead):
    ahead = make_ahead("send(type='parent', pid=os.getppid())")
    launcher, told = workshop.launcher("", ahead=ahead), Told()

    launcher.start(told)
    workshop.wait(told)

    assert told.messages[0]["pid"] == ahead.pid


def test_it_is_told_where_the_flow_is_and_in_what_its_environment_differs(
    workshop, make_ahead, tmp_path
):
    environment = {"LONG": 200_000 * "x", "GONE": None}
    tells = "import json; json.dump(load, open('load', 'w')); ready()"
    ahead = make_ahead("", tells.replace("'load'", repr(str(tmp_path / "load"))), environment)
    launcher, told = workshop.launcher("", ahead=ahead), Told()
    assert not (tmp_path / "load").exists()

    launcher.start(told)
    workshop.wait(told)

    load = json.loads((tmp_path / "load").read_text())
    assert load["payload"] == "payload"
    assert load["environment"].items() >= environment.items()
    assert load["environment"]["R_LIBS"] == "/a library:/b"
    assert Path(load["environment"]["TMPDIR"]).is_dir()


def test_what_no_run_took_over_is_ended(make_ahead):
    ahead = make_ahead("")

    ahead.end()
    ahead.end()

    assert not Path(f"/proc/{ahead.pid}").exists()


def test_one_that_cannot_load_the_flow_is_told_of_as_any_other(workshop, make_ahead):
    ahead = make_ahead("", zygote="os._exit(3)")
    launcher = workshop.launcher("send(type='parent', pid=os.getppid())", ahead=ahead)
    first, second = Told(), Told()

    for told in (first, second):
        launcher.start(told)
        workshop.wait(told)

    assert "R ended with status 3" in workshop.said[0]
    assert [told.messages[0]["pid"] for told in (first, second)] == 2 * [os.getpid()]
