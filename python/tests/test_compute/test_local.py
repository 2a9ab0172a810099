"""`compute.local`: workers as processes. Small Python programs take the place of Rscript here."""

from __future__ import annotations

import os
import select
import signal
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import metaflow_core
from metaflow_core.compute.launcher import Exit, Stream
from metaflow_core.compute.local import LocalLauncher, LocalWorker
from metaflow_core.compute.loop import Loop
from metaflow_core.errors import WorkerError

_HEAD = f"""\
#!{sys.executable} -IS
import os, signal, sys, time
sys.path.insert(0, {str(Path(metaflow_core.__file__).parents[1])!r})
from metaflow_core.compute.protocol import FrameReader, frame
options, (read_fd, write_fd) = sys.argv[1:3], map(int, sys.argv[3:])
frames, arrived = FrameReader(), []

def receive():
    while not arrived:
        arrived.extend(frames.feed(os.read(read_fd, 1 << 16)))
    return arrived.pop(0)

def send(**message):
    data = memoryview(frame(message))
    while data:
        data = data[os.write(write_fd, data):]

"""


@dataclass
class Told:
    """A listener that keeps what it is told."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    output: dict[Stream, bytes] = field(default_factory=lambda: {"stdout": b"", "stderr": b""})
    ends: list[Exit] = field(default_factory=list)
    after_end: list[object] = field(default_factory=list)

    def on_message(self, message: dict[str, Any]) -> None:
        self._note(message)
        self.messages.append(message)

    def on_output(self, stream: Stream, data: bytes) -> None:
        self._note(data)
        self.output[stream] += data

    def on_exit(self, how: Exit) -> None:
        self._note(how)
        self.ends.append(how)

    def _note(self, what: object) -> None:
        if self.ends:
            self.after_end.append(what)


@dataclass
class Workshop:
    """Starts workers that are written as Python programs, and waits for them."""

    folder: Path
    loop: Loop
    launchers: list[LocalLauncher] = field(default_factory=list)

    def launcher(self, program: str, **changed: Any) -> LocalLauncher:
        script = self.folder / f"program-{len(self.launchers)}"
        script.write_text(_HEAD + textwrap.dedent(program))
        script.chmod(0o755)
        arguments: dict[str, Any] = {
            "rscript": str(script),
            "worker_script": Path("worker.R"),
            "libraries": ["/a library", "/b"],
            "working_dir": str(self.folder),
            "temporary_dir": str(self.folder),
        }
        self.launchers.append(LocalLauncher(self.loop, **{**arguments, **changed}))
        return self.launchers[-1]

    def start(self, program: str) -> tuple[LocalWorker, Told]:
        told = Told()
        return self.launcher(program).start(told), told

    def run(self, program: str) -> Told:
        _, told = self.start(program)
        return self.wait(told)

    def wait(self, told: Told) -> Told:
        return self.until(told, lambda: bool(told.ends))

    def until(self, told: Told, done: Callable[[], bool]) -> Told:
        # A worker that does not do what the test waits for fails it instead of hanging it.
        late: list[bool] = []
        cancel = self.loop.call_later(30, lambda: late.append(True))
        while not done():
            self.loop.step()
            assert not late, told
        cancel()
        assert told.after_end == []
        return told


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    loop = Loop()
    workshop = Workshop(tmp_path, loop)
    yield workshop
    for launcher in workshop.launchers:
        launcher.close()
    loop.close()


def test_a_worker_gets_its_script_and_two_descriptors_in_the_working_directory(workshop):
    told = workshop.run("""
        send(type="facts", options=options, folder=os.getcwd(), libraries=os.environ["R_LIBS"])
    """)

    assert told.messages == [
        {
            "type": "facts",
            "options": ["--vanilla", "worker.R"],
            "folder": str(workshop.folder),
            "libraries": f"/a library{os.pathsep}/b",
        }
    ]


def test_messages_go_both_ways(workshop):
    worker, told = workshop.start("""
        for _ in range(3):
            send(type="echo", text=receive()["text"])
    """)
    for text in ("a", "b", "c"):
        worker.send({"type": "say", "text": text})

    workshop.wait(told)

    assert [m["text"] for m in told.messages] == ["a", "b", "c"]
    assert (told.ends[0].code, told.ends[0].signal) == (0, None)


def test_messages_larger_than_a_pipe_arrive_whole(workshop):
    big = os.urandom(3_000_000)
    worker, told = workshop.start("""
        message = receive()
        send(type="echo", bytes=message["bytes"])
        send(type="echo", bytes=message["bytes"][::-1])
    """)
    worker.send({"type": "say", "bytes": big})

    workshop.wait(told)

    assert [m["bytes"] for m in told.messages] == [big, big[::-1]]


def test_all_output_is_handed_over_before_the_end_is_told(workshop):
    told = workshop.run("""
        os.write(1, b"o" * 200_000)
        os.write(2, b"e" * 200_000)
        os.write(1, b"no line end")
    """)

    assert told.output["stdout"] == b"o" * 200_000 + b"no line end"
    assert told.output["stderr"] == b"e" * 200_000


def test_a_message_sent_right_before_the_end_is_handed_over(workshop):
    told = workshop.run('send(type="result", bytes=b"x" * 60_000); os._exit(1)')

    assert [len(m["bytes"]) for m in told.messages] == [60_000]


@pytest.mark.parametrize("code", [0, 1, 7])
def test_the_exit_code_is_told(workshop, code):
    end = workshop.run(f"os._exit({code})").ends[0]

    assert (end.code, end.signal, end.fault) == (code, None, "")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_the_signal_that_killed_a_worker_is_told(workshop, number):
    end = workshop.run(f"os.kill(os.getpid(), {int(number)})").ends[0]

    assert (end.code, end.signal, end.fault) == (None, number, "")


def test_what_a_worker_used_is_told(workshop):
    end = workshop.run("used = bytearray(b'x') * 50_000_000").ends[0]

    assert end.peak_memory_bytes > 50_000_000
    assert end.cpu_s > 0


def test_a_stopped_worker_is_asked_first(workshop):
    worker, told = workshop.start("""
        signal.signal(signal.SIGTERM, lambda *_: os._exit(3))
        send(type="ready")
        time.sleep(60)
    """)
    workshop.until(told, lambda: bool(told.messages))

    worker.stop(grace_s=60)

    assert workshop.wait(told).ends[0].code == 3


def test_a_stopped_worker_that_does_not_end_is_killed(workshop):
    worker, told = workshop.start("""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        send(type="ready")
        time.sleep(60)
    """)
    workshop.until(told, lambda: bool(told.messages))

    worker.stop(grace_s=0.01)

    assert workshop.wait(told).ends[0].signal == signal.SIGKILL


def _ends(pid: int, within_s: float = 30) -> bool:
    """Whether a process, of whomever, has ended or ends soon."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([process], [], [], within_s)[0])
    finally:
        os.close(process)


_WITH_CHILD = """
    child = os.fork()
    if not child:
        time.sleep(60)
        os._exit(0)
    send(type="child", pid=child)
"""


@pytest.mark.parametrize(
    ("program", "stop"),
    [
        pytest.param(_WITH_CHILD, False, id="the worker ends by itself"),
        pytest.param(_WITH_CHILD + "    time.sleep(60)", True, id="the worker is stopped"),
    ],
)
def test_children_end_with_the_worker(workshop, program, stop):
    worker, told = workshop.start(program)
    workshop.until(told, lambda: bool(told.messages))
    if stop:
        worker.stop(grace_s=60)

    workshop.wait(told)

    assert _ends(told.messages[0]["pid"])


_WITH_STRANGER = """
    child = os.fork()
    if not child:
        os.setsid()
        signal.alarm(20)
        {does}
    send(type="child", pid=child)
    os.write(1, b"from the worker")
"""


@pytest.mark.parametrize(
    "does",
    [
        pytest.param("time.sleep(60)", id="and is silent"),
        pytest.param("while True: os.write(2, b'x' * 100)", id="and goes on writing"),
    ],
)
def test_a_grandchild_that_keeps_the_pipes_open_does_not_delay_the_end(workshop, does):
    told = workshop.run(_WITH_STRANGER.format(does=does))

    assert told.ends[0].code == 0
    assert told.output["stdout"] == b"from the worker"
    assert not _ends(told.messages[0]["pid"], within_s=0)
    os.kill(told.messages[0]["pid"], signal.SIGKILL)


@pytest.mark.parametrize(
    "rubbish",
    [
        pytest.param(b"print this, please", id="text"),
        pytest.param(b"\0\0\0\x06X\nabcd", id="a damaged message"),
    ],
)
def test_rubbish_on_the_channel_ends_the_worker_with_the_reason(workshop, rubbish):
    told = workshop.run(f"os.write(write_fd, {rubbish!r}); time.sleep(60)")

    assert told.messages == []
    assert told.ends[0].fault.startswith(
        "What the worker said on its channel cannot be understood:"
    )


def test_no_result_counts_after_rubbish(workshop):
    told = workshop.run(f"os.write(write_fd, {b'rubbish'!r}); send(type='result', ok=True)")

    assert told.messages == []
    assert told.ends[0].fault


def test_a_message_to_a_worker_that_ended_is_dropped(workshop):
    worker, told = workshop.start("os._exit(0)")
    workshop.wait(told)

    worker.send({"type": "say"})
    worker.stop(grace_s=0)


def test_a_message_to_a_worker_that_does_not_read_is_dropped_with_it(workshop):
    worker, told = workshop.start("os.close(read_fd); send(type='closed'); time.sleep(60)")
    workshop.until(told, lambda: bool(told.messages))

    worker.send({"type": "say", "bytes": bytes(1_000_000)})
    workshop.loop.step()
    worker.stop(grace_s=60)

    assert workshop.wait(told).ends[0].signal == signal.SIGTERM


def test_closing_the_launcher_kills_its_workers_and_tells(workshop):
    launcher = workshop.launcher("time.sleep(60)")
    told = [Told(), Told()]
    for listener in told:
        launcher.start(listener)

    launcher.close()

    assert [t.ends[0].signal for t in told] == [signal.SIGKILL] * 2


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"rscript": "/nowhere/Rscript"}, id="no such program"),
        pytest.param({"working_dir": "/nowhere"}, id="no such working directory"),
        pytest.param({"rscript": "/"}, id="not a program"),
    ],
)
def test_a_worker_that_cannot_be_started_is_a_worker_error(workshop, changed):
    launcher, before = workshop.launcher("", **changed), _open_files()

    with pytest.raises(WorkerError, match=r"The worker could not be started: .* Command: "):
        launcher.start(Told())

    assert _open_files() == before


def _open_files() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


def test_no_file_stays_open(workshop):
    before = _open_files()

    for program in ("send(type='x')", "os._exit(1)", "os.write(write_fd, b'rubbish')"):
        workshop.run(program)

    assert _open_files() == before


def test_without_process_descriptors_the_end_is_found_by_asking(workshop, monkeypatch):
    monkeypatch.delattr(os, "pidfd_open", raising=False)

    assert workshop.run("os._exit(4)").ends[0].code == 4


def test_the_label_is_the_process_id(workshop):
    worker, told = workshop.start("send(type='pid', pid=os.getpid())")
    workshop.wait(told)

    assert worker.label == f"pid {told.messages[0]['pid']}"
