"""Log lines in Metaflow's format."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaflow_core.datastore.mflog import LogLine, format_line, format_lines, merge, parse_lines

AT = 1795235818.500174
TEXT = st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]))


def test_a_line_has_the_form_that_stock_metaflow_reads() -> None:
    line = format_line("runtime", "hello", AT).decode()

    assert re.fullmatch(
        r"\[MFLOG\|0\|2026-11-21T04:36:58\.500174Z\|runtime\|[0-9a-f-]{36}\]hello\n", line
    )


@given(st.lists(TEXT))
def test_lines_come_back(texts: list[str]) -> None:
    data = b"".join(format_line("task", text, AT + i) for i, text in enumerate(texts))
    lines = list(parse_lines(data))

    assert [line.text for line in lines] == texts
    assert all(line.source == "task" for line in lines)
    assert [line.at for line in lines] == pytest.approx([AT + i for i in range(len(texts))])


@given(st.lists(TEXT, max_size=20), st.integers(-30, 0))
def test_each_line_of_a_block_has_its_own_time_and_id(texts: list[str], before_us: int) -> None:
    second = int(AT) * 1_000_000
    encoded = [text.encode() for text in texts]
    lines = list(parse_lines(format_lines("runtime", encoded, second + before_us)))

    assert [line.text for line in lines] == texts
    assert len({line.id for line in lines}) == len(lines)
    times = [round((line.at or 0) * 1_000_000) - second for line in lines]
    assert times == [before_us + 2 * i for i in range(len(lines))]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", []),
        (b"plain\n", [LogLine(None, "plain")]),
        (b"no end", [LogLine(None, "no end")]),
        (b"\n\n", [LogLine(None, ""), LogLine(None, "")]),
        (b"\xff\n", [LogLine(None, "\ufffd")]),
        (b"[MFLOG|0|yesterdayZ|task|1]x", [LogLine(None, "[MFLOG|0|yesterdayZ|task|1]x")]),
        (b"[![MFLOG|0|1970-01-01T00:00:01.5Z|task|1]x]y", [LogLine(1.5, "x]y", "task", "1")]),
    ],
)
def test_other_lines_keep_their_text(data: bytes, expected: list[LogLine]) -> None:
    assert list(parse_lines(data)) == expected


def test_logs_are_merged_by_time_and_a_line_without_one_follows_its_predecessor() -> None:
    runtime = format_line("runtime", "1", 1) + b"  goes on\n" + format_line("runtime", "3", 3)
    task = format_line("task", "2", 2) + format_line("task", "4", 4)

    assert [line.text for line in merge([runtime, task])] == ["1", "  goes on", "2", "3", "4"]
