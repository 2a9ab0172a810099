"""Log files that are read line by line, and only once."""

from __future__ import annotations

import io
import tracemalloc
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import accumulate, pairwise
from typing import Any, BinaryIO

from hypothesis import given
from hypothesis import strategies as st

from metaflow_core.datastore.logs import LogFile, LogReader
from metaflow_core.datastore.mflog import LogLine, format_line, format_lines, merge, parse_lines

AT = 1_795_235_818


class Counting:
    """The part of a storage that a log needs, in memory; counts the bytes that are read."""

    def __init__(self) -> None:
        self.content: defaultdict[str, bytes] = defaultdict(bytes)
        self.read_bytes = 0

    @contextmanager
    def open(self, key: str) -> Iterator[BinaryIO]:
        if key not in self.content:
            raise KeyError(key)
        counts = self

        class Raw(io.BytesIO):
            def readinto(self, buffer: Any) -> int:
                got = super().readinto(buffer)
                counts.read_bytes += got
                return got

        yield io.BufferedReader(Raw(self.content[key]))  # type: ignore[type-var, arg-type]


def reader_of(storage: Any, number: int) -> LogReader:
    return LogReader([LogFile(storage, str(i), "stdout") for i in range(number)])


def read(reader: LogReader, *, is_over: bool = True) -> list[LogLine]:
    return [line for _, line in reader.new_lines(is_over=is_over)]


@st.composite
def logs(draw: st.DrawFn) -> list[list[bytes]]:
    """Lines of some log files, in each in the order of time; some have none."""
    files = []
    for number in range(draw(st.integers(1, 4))):
        waits = draw(st.lists(st.sampled_from([None, 0, 0, 1, 2]), max_size=12))
        times = accumulate((wait or 0 for wait in waits), initial=AT)
        files.append(
            [
                f"no time {number} {place}\n".encode()
                if wait is None
                else format_line("task", f"line {number} {place}", at)
                for place, (wait, at) in enumerate(zip(waits, list(times)[1:], strict=True))
            ]
        )
    return files


@given(logs(), st.booleans())
def test_lines_that_are_streamed_are_those_of_the_whole_files_merged(files, has_end):
    storage = Counting()
    whole = [b"".join(lines) for lines in files]
    whole = [data if has_end else data.removesuffix(b"\n") for data in whole]
    storage.content.update({str(i): data for i, data in enumerate(whole)})

    assert read(reader_of(storage, len(whole))) == list(merge(whole))


@given(logs(), st.lists(st.integers(0, 48)))
def test_lines_that_come_in_the_order_of_time_are_shown_as_in_the_whole(files, cuts):
    storage, shown = Counting(), []
    whole = [b"".join(lines) for lines in files]
    # Each line with its file: those of one text are of one file.
    owner = {line: i for i, data in enumerate(whole) for line in parse_lines(data)}
    raw = {
        parsed: data
        for lines in files
        for parsed, data in ((next(parse_lines(line)), line) for line in lines)
    }
    merged = list(merge(whole))
    reader = reader_of(storage, len(whole))

    for start, end in pairwise(sorted({0, len(merged), *(min(cut, len(merged)) for cut in cuts)})):
        for line in merged[start:end]:
            storage.content[str(owner[line])] += raw[line]
        shown += read(reader, is_over=False)

    assert shown == merged


@given(logs(), st.data())
def test_a_log_that_grows_by_any_bytes_is_shown_in_whole_lines_and_once(files, data):
    storage, shown = Counting(), []
    whole = [b"".join(lines) for lines in files]
    reader = reader_of(storage, len(whole))

    for _ in range(data.draw(st.integers(0, 6))):
        for number, content in enumerate(whole):
            at = len(storage.content[str(number)])
            storage.content[str(number)] = content[: data.draw(st.integers(at, len(content)))]
        shown += read(reader, is_over=False)
    storage.content.update({str(i): content for i, content in enumerate(whole)})
    shown += read(reader)

    for content in whole:
        own = list(parse_lines(content))
        assert [line for line in shown if line in own] == own
    assert len(shown) == sum(map(len, files))


def test_a_line_without_its_end_is_kept_back_until_it_has_one_or_no_more_comes():
    storage = Counting()
    reader = reader_of(storage, 1)
    storage.content["0"] = b"one\ntw"

    assert [line.text for line in read(reader, is_over=False)] == ["one"]
    storage.content["0"] += b"o\nthr"
    assert [line.text for line in read(reader, is_over=False)] == ["two"]
    assert [line.text for line in read(reader)] == ["thr"]
    assert read(reader) == []


def test_lines_of_one_file_stay_in_their_order_where_the_clock_was_set_back():
    storage = Counting()
    storage.content["0"] = format_line("task", "a", AT + 9) + format_line("task", "b", AT)
    storage.content["1"] = format_line("task", "c", AT + 5)

    assert [line.text for line in read(reader_of(storage, 2))] == ["c", "a", "b"]


def test_a_look_reads_what_has_come_since_the_last_one_and_no_more():
    storage = Counting()
    reader = reader_of(storage, 1)
    storage.content["0"] = format_lines("task", [b"x" * 80] * 20_000, AT * 1_000_000)
    read(reader, is_over=False)
    storage.read_bytes = 0

    storage.content["0"] += (new := format_line("task", "new", AT + 60))

    assert [line.text for line in read(reader, is_over=False)] == ["new"]
    assert storage.read_bytes == len(new)


def test_a_log_takes_the_memory_of_a_few_lines_whatever_its_size(local):
    lines = [b"x" * 80] * 10_000
    for key in ("0", "1"):
        local.append(key, format_lines("task", lines, AT * 1_000_000))
    assert local.size_bytes("0") > 1_500_000
    reader = reader_of(local, 2)

    tracemalloc.start()
    shown = sum(1 for _ in reader.new_lines())
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert shown == 20_000
    assert peak_bytes < 200_000
