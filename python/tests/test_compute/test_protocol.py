"""`compute.protocol`: messages come out of a stream of bytes whole, however it is cut."""

from __future__ import annotations

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaflow_core import wire
from metaflow_core.compute.protocol import FrameReader, frame

MESSAGES = st.lists(
    st.fixed_dictionaries(
        {"type": st.sampled_from(["get", "result"]), "bytes": st.binary(max_size=300)}
    ),
    max_size=6,
)


@given(MESSAGES, st.data())
def test_any_cutting_gives_the_same_messages(messages, draw):
    stream = b"".join(map(frame, messages))
    cuts = sorted(draw.draw(st.lists(st.integers(0, len(stream)), max_size=10)))
    reader = FrameReader()

    read = [
        message
        for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)
        for message in reader.feed(stream[start:end])
    ]

    assert read == messages


@given(MESSAGES)
def test_bytes_one_by_one_give_the_same_messages(messages):
    stream, reader = b"".join(map(frame, messages)), FrameReader()

    assert [m for byte in stream for m in reader.feed(bytes([byte]))] == messages


def _framed(body: bytes) -> bytes:
    return struct.pack(">i", len(body)) + body


NO_MESSAGES = [
    pytest.param(b"Hello, world", id="text, whose length would be a gigabyte"),
    pytest.param(struct.pack(">i", -5) + b"abc", id="a negative length"),
    pytest.param(struct.pack(">i", 0) + b"abc", id="an empty frame"),
    pytest.param(_framed(b"X\nrubbish"), id="a damaged serialization"),
    pytest.param(_framed(wire.dumps([1, 2])), id="a list without names"),
    pytest.param(_framed(wire.dumps({"kind": "get"})), id="a named list without a type"),
    pytest.param(_framed(wire.dumps({"type": 1})), id="a type that is no text"),
]


@pytest.mark.parametrize("data", NO_MESSAGES)
def test_what_is_no_message_is_refused(data):
    with pytest.raises(wire.NotPlain):
        FrameReader().feed(data)


@pytest.mark.parametrize("data", NO_MESSAGES)
def test_nothing_is_read_after_what_is_no_message(data):
    reader = FrameReader()
    with pytest.raises(wire.NotPlain):
        reader.feed(data)

    with pytest.raises(wire.NotPlain):
        reader.feed(frame({"type": "result", "ok": True}))


@given(st.binary(max_size=64))
def test_random_bytes_are_waited_for_or_refused(data):
    with suppress(wire.NotPlain):
        assert FrameReader().feed(data) == []
