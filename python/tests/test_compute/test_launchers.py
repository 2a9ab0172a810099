"""What every launcher promises. Small Python programs take the place of R here."""

from __future__ import annotations

import gc
import os
import resource
import select
import signal
import weakref

import pytest
from workshop import Told

from metaflow_core.errors import WorkerError


@pytest.fixture(params=["process", "fork"])
def workshop(request, new_workshop):
    return new_workshop(request.param)


@pytest.fixture(params=["process", "fork", "inline"])
def any_workshop(request, new_workshop):
    """For what holds without a process of its own, too."""
    return new_workshop(request.param)


def test_a_worker_works_in_the_working_directory_with_the_session_s_libraries(workshop):
    told = workshop.run("""
        send(type="facts", option=options[0], script=os.path.dirname(options[1]),
             folder=os.getcwd(), libraries=os.environ["R_LIBS"])
    """)

    assert told.messages == [
        {
            "type": "facts",
            "option": "--vanilla",
            "script": "scripts",
            "folder": str(workshop.folder),
            "libraries": f"/a library{os.pathsep}/b",
        }
    ]


def test_messages_go_both_ways(any_workshop):
    worker, told = any_workshop.start("""
        for _ in range(3):
            send(type="echo", text=receive()["text"])
    """)
    for text in ("a", "b", "c"):
        worker.send({"type": "say", "text": text})

    any_workshop.wait(told)

    assert [m["text"] for m in told.messages] == ["a", "b", "c"]
    assert (told.end.code, told.end.signal) == (0, None)


def test_messages_larger_than_a_pipe_arrive_whole(any_workshop):
    big = os.urandom(5_000_000)
    worker, told = any_workshop.start("""
        message = receive()
        send(type="echo", bytes=message["bytes"])
        send(type="echo", bytes=message["bytes"][::-1])
    """)
    worker.send({"type": "say", "bytes": big})

    any_workshop.wait(told)

    assert [m["bytes"] for m in told.messages] == [big, big[::-1]]


def test_all_output_is_handed_over_before_the_end_is_told(workshop):
    told = workshop.run("""
        os.write(1, b"o" * 200_000)
        os.write(2, b"e" * 200_000)
        os.write(1, b"no line end")
    """)

    assert told.output["stdout"] == b"o" * 200_000 + b"no line end"
    assert told.output["stderr"] == b"e" * 200_000


def test_what_a_worker_printed_before_it_said_something_is_told_before(workshop):
    class Noting(Told):
        def on_message(self, message):
            super().on_message(message)
            printed.append(dict(self.output))

    told, printed = Noting(), []
    program = """
        os.write(1, b"o" * 60_000)
        os.write(2, b"e")
        send(type="loaded")
        receive()
        os.write(1, b"more")
    """
    worker = workshop.launcher(program).start(told)
    workshop.until(lambda: printed)
    worker.send({"type": "begin"})
    workshop.wait(told)

    assert printed == [{"stdout": b"o" * 60_000, "stderr": b"e"}]
    assert told.output["stdout"].endswith(b"more")


def test_nothing_comes_from_standard_input(workshop):
    told = workshop.run('send(type="input", bytes=os.read(0, 1))')

    assert told.messages == [{"type": "input", "bytes": b""}]


def test_a_message_sent_right_before_the_end_is_handed_over(workshop):
    told = workshop.run('send(type="result", bytes=b"x" * 60_000); os._exit(1)')

    assert [len(m["bytes"]) for m in told.messages] == [60_000]


@pytest.mark.parametrize("code", [0, 1, 7])
def test_the_exit_code_is_told(workshop, code):
    end = workshop.run(f"os._exit({code})").end

    assert (end.code, end.signal, end.fault) == (code, None, "")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_the_signal_that_killed_a_worker_is_told(workshop, number):
    end = workshop.run(f"os.kill(os.getpid(), {int(number)})").end

    assert (end.code, end.signal, end.fault) == (None, number, "")


def test_what_a_worker_used_is_told(workshop):
    end = workshop.run("used = bytearray(b'x') * 400_000_000").end

    assert 400_000_000 < end.peak_memory_bytes < 600_000_000
    assert end.cpu_s > 0


def test_the_size_of_this_process_is_not_taken_for_the_worker_s(workshop):
    ours = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

    assert workshop.run("").end.peak_memory_bytes < ours


def test_workers_of_one_launcher_are_told_apart(any_workshop):
    launcher = any_workshop.launcher('send(type="echo", text=receive()["text"])')
    told = {text: Told() for text in "abcdef"}
    workers = {text: launcher.start(listener) for text, listener in told.items()}
    for text, worker in reversed(workers.items()):
        worker.send({"type": "say", "text": text})

    any_workshop.wait(*told.values())

    assert {text: t.messages[0]["text"] for text, t in told.items()} == {t: t for t in told}


def test_who_listened_to_an_ended_worker_goes_at_once_and_not_with_the_garbage(any_workshop):
    gc.disable()
    try:
        gone = weakref.ref(any_workshop.run("send(type='result')"))
        assert gone() is None
    finally:
        gc.enable()


def test_the_label_is_the_process_id(any_workshop):
    told = any_workshop.run("send(type='pid', pid=os.getpid())")

    assert told.labels == [f"pid {told.messages[0]['pid']}"]


def test_a_stopped_worker_is_asked_first(workshop):
    worker, told = workshop.start("""
        signal.signal(signal.SIGTERM, lambda *_: os._exit(3))
        send(type="ready")
        time.sleep(60)
    """)
    workshop.until(lambda: told.messages)

    worker.stop(grace_s=60)

    assert workshop.wait(told).end.code == 3


def test_a_stopped_worker_that_does_not_end_is_killed(workshop):
    worker, told = workshop.start("""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        send(type="ready")
        time.sleep(60)
    """)
    workshop.until(lambda: told.messages)

    worker.stop(grace_s=0.01)

    assert workshop.wait(told).end.signal == signal.SIGKILL


def test_an_interrupt_reaches_the_worker_and_not_its_children(workshop):
    worker, told = workshop.start("""
        left, leaves = os.pipe()
        if not os.fork():
            signal.signal(signal.SIGINT, lambda *_: os.write(leaves, b"interrupted"))
            os.write(leaves, b"ready")
            time.sleep(60)
        os.read(left, 5)
        signal.signal(signal.SIGINT, lambda *_: send(type="interrupted"))
        send(type="ready")
        os.set_blocking(left, False)
        send(type=receive()["type"])
        try:
            os.read(left, 1)
        except BlockingIOError:
            send(type="children are left alone")
    """)
    workshop.until(lambda: told.messages)

    worker.interrupt()
    workshop.until(lambda: len(told.messages) > 1)
    worker.send({"type": "why"})

    workshop.wait(told)
    types = [message["type"] for message in told.messages]
    assert types == ["ready", "interrupted", "why", "children are left alone"]


def test_a_worker_that_has_not_started_ends_at_an_interrupt(any_workshop):
    worker, told = any_workshop.start("time.sleep(60)")

    worker.interrupt()

    assert any_workshop.wait(told).end.signal in {signal.SIGINT, signal.SIGTERM}


def test_a_worker_can_be_stopped_before_it_has_started(any_workshop):
    worker, told = any_workshop.start("time.sleep(60)")

    worker.stop(grace_s=60)

    assert any_workshop.wait(told).end.signal == signal.SIGTERM


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
    workshop.until(lambda: told.messages)
    if stop:
        worker.stop(grace_s=60)

    workshop.wait(told)

    assert _ends(told.messages[0]["pid"])


@pytest.mark.parametrize(
    "does",
    [
        pytest.param("time.sleep(60)", id="and is silent"),
        pytest.param("while True: os.write(2, b'x' * 100)", id="and goes on writing"),
    ],
)
def test_a_grandchild_that_keeps_the_pipes_open_does_not_delay_the_end(workshop, does):
    told = workshop.run(f"""
        left, leaves = os.pipe()
        child = os.fork()
        if not child:
            os.setsid()
            signal.alarm(20)
            os.write(leaves, b"x")
            {does}
        os.read(left, 1)
        send(type="child", pid=child)
        os.write(1, b"from the worker")
    """)

    assert told.end.code == 0
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
    assert told.end.fault.startswith("What the worker said on its channel cannot be understood:")


def test_no_result_counts_after_rubbish(workshop):
    told = workshop.run(f"os.write(write_fd, {b'rubbish'!r}); send(type='result', ok=True)")

    assert told.messages == []
    assert told.end.fault


def test_a_message_to_a_worker_that_ended_is_dropped(workshop):
    worker, told = workshop.start("os._exit(0)")
    workshop.wait(told)

    worker.send({"type": "say"})
    worker.stop(grace_s=0)


def test_a_message_to_a_worker_that_does_not_read_is_dropped_with_it(workshop):
    worker, told = workshop.start("os.close(read_fd); send(type='closed'); time.sleep(60)")
    workshop.until(lambda: told.messages)

    worker.send({"type": "say", "bytes": bytes(1_000_000)})
    worker.stop(grace_s=60)

    assert workshop.wait(told).end.signal == signal.SIGTERM


def test_closing_the_launcher_ends_its_workers_and_tells(workshop):
    launcher = workshop.launcher("send(type='pid', pid=os.getpid()); time.sleep(60)")
    told = [Told(), Told()]
    for listener in told:
        launcher.start(listener)
    workshop.until(lambda: all(t.messages for t in told))

    launcher.close()

    assert [t.end.code for t in told] == [None, None]
    assert all(_ends(t.messages[0]["pid"]) for t in told)


def test_a_launcher_can_be_closed_before_its_workers_have_started(any_workshop):
    launcher, told = any_workshop.launcher("time.sleep(60)"), Told()
    launcher.start(told)

    launcher.close()

    assert told.end.code is None


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
        launcher, told = workshop.launcher(program), Told()
        launcher.start(told)
        workshop.wait(told)
        launcher.close()

    assert _open_files() == before


def test_a_launcher_that_was_prepared_and_not_used_leaves_nothing(workshop):
    launcher, before = workshop.launcher("time.sleep(60)"), _open_files()

    launcher.prepare()
    launcher.close()

    assert _open_files() == before
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
