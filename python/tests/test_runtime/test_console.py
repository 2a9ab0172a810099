"""`runtime.console` and `runtime.logs`: what the user sees, and what is kept of it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaflow_core.datastore.mflog import parse_lines
from metaflow_core.errors import StoreUnavailable
from metaflow_core.runtime.console import Console
from metaflow_core.runtime.logs import TaskLog

STAMP = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}"


class Screen:
    """Keeps what is printed."""

    def __init__(self, **options: bool) -> None:
        self.printed: list[tuple[str, str]] = []
        self.console = Console(lambda text, stream: self.printed.append((text, stream)), **options)

    @property
    def text(self) -> str:
        return "".join(text for text, _ in self.printed)


def test_a_line_has_the_time():
    screen = Screen()
    screen.console.line("Workflow starting (run-id 153):")

    assert re.fullmatch(rf"{STAMP} Workflow starting \(run-id 153\):\n", screen.text)


def test_a_line_of_a_task_has_its_place():
    screen = Screen()
    screen.console.line("Task is starting.", prefix="153/a/1002 (pid 44264)")

    assert re.fullmatch(rf"{STAMP} \[153/a/1002 \(pid 44264\)\] Task is starting\.\n", screen.text)


def test_a_note_has_no_time():
    screen = Screen()
    screen.console.note("Metaflow")

    assert screen.printed == [("Metaflow\n", "stdout")]


def test_colours_are_for_terminals():
    plain, coloured = Screen(), Screen(colour=True)
    for screen in (plain, coloured):
        screen.console.line("Task failed.", prefix="153/a/2", error=True)

    assert "\x1b" not in plain.text
    assert re.fullmatch(
        rf"\x1b\[35m{STAMP}\x1b\[0m \x1b\[32m\[153/a/2\] \x1b\[0m\x1b\[31mTask failed\.\x1b\[0m\n",
        coloured.text,
    )


def test_a_quiet_console_shows_errors_and_what_tasks_print():
    screen = Screen(quiet=True)
    screen.console.line("Task is starting.")
    screen.console.note("Metaflow")
    screen.console.output("hello", "153/a/2")
    screen.console.line("Task failed.", error=True)

    assert [text.split("] ")[-1].split(" ", 2)[-1] for text, _ in screen.printed] == [
        "hello\n",
        "Task failed.\n",
    ]


class Writer:
    """Keeps a log; raises what it is told to."""

    def __init__(self, error: Exception | None = None) -> None:
        self.logs: dict[str, bytes] = {"stdout": b"", "stderr": b""}
        self.error = error

    def append_log(self, source: str, stream: str, data: bytes) -> None:
        if self.error is not None:
            raise self.error
        self.logs[stream] += data

    def texts(self, stream: str) -> list[bytes]:
        return [line.partition(b"]")[2] for line in self.logs[stream].split(b"\n")[:-1]]


@pytest.fixture
def writer() -> Writer:
    return Writer()


@given(st.lists(st.lists(st.sampled_from([b"\n", b"a", b"\xc3", b"\xa9"])).map(b"".join)))
def test_lines_are_the_same_however_the_output_comes(pieces):
    screen, writer = Screen(), Writer()
    log = TaskLog(screen.console, writer, "153/a/2 (pid 7)")

    for piece in pieces:
        log.write("stdout", piece)
    log.close()

    whole = b"".join(pieces)
    assert writer.texts("stdout") == whole.removesuffix(b"\n").split(b"\n") or not whole
    shown = [line.partition("(pid 7)] ")[2] for line in screen.text.split("\n")[:-1]]
    assert shown == [line.decode("utf-8", "replace") for line in writer.texts("stdout")]


def test_the_streams_do_not_mix(writer):
    log = TaskLog(Screen().console, writer, "153/a/2")
    log.write("stdout", b"on")
    log.write("stderr", b"oops\n")
    log.write("stdout", b"e\n")

    assert (writer.texts("stdout"), writer.texts("stderr")) == ([b"one"], [b"oops"])


def test_bytes_that_are_no_text_are_kept_as_they_are(writer):
    screen = Screen()
    log = TaskLog(screen.console, writer, "153/a/2")
    log.write("stdout", b"caf\xe9\n")

    assert writer.texts("stdout") == [b"caf\xe9"]
    assert screen.text.endswith("caf\ufffd\n")


def test_output_without_a_line_end_is_shown_before_it_piles_up(writer):
    screen = Screen()
    log = TaskLog(screen.console, writer, "153/a/2")
    log.write("stdout", b"." * 200_000)

    assert len(screen.printed) == 1


def test_a_line_of_the_runtime_comes_after_what_was_printed(writer):
    screen = Screen()
    log = TaskLog(screen.console, writer, "153/a/2")
    log.write("stdout", b"no line end")
    log.say("Task failed.", error=True)

    assert [text.rpartition("] ")[2] for text, _ in screen.printed] == [
        "no line end\n",
        "Task failed.\n",
    ]
    assert (writer.texts("stdout"), writer.texts("stderr")) == ([b"no line end"], [b"Task failed."])


def test_an_error_of_several_lines_is_kept_line_by_line(writer):
    log = TaskLog(Screen().console, writer, "153/a/2")
    log.say("one\ntwo", error=True)

    assert writer.texts("stderr") == [b"one", b"two"]


def test_each_line_tells_where_it_came_from(writer):
    log = TaskLog(Screen().console, writer, "153/a/2")
    log.set_source("load")
    log.write("stderr", b"loading")
    log.set_source("runtime")
    log.write("stderr", b" own\n")
    log.set_source("load")
    log.say("Task failed.", error=True)

    assert [(line.source, line.text) for line in parse_lines(writer.logs["stderr"])] == [
        ("load", "loading"),
        ("runtime", " own"),
        ("runtime", "Task failed."),
    ]


def test_a_store_that_takes_no_log_is_told_once():
    screen = Screen()
    log = TaskLog(screen.console, Writer(StoreUnavailable("The disk is full.")), "153/a/2")
    log.write("stdout", b"one\n")
    log.write("stdout", b"two\n")

    assert screen.text.count("The log cannot be stored: The disk is full.") == 1
    assert "two\n" in screen.text
