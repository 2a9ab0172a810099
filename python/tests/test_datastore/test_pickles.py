"""Pickles: written as stock Metaflow's, read without running anything."""

from __future__ import annotations

import collections
import contextlib
import datetime
import decimal
import fractions
import os
import pathlib
import pickle
import uuid
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metaflow_core.datastore import pickles
from metaflow_core.datastore.pickles import (
    ExceptionRecord,
    Ndarray,
    Opaque,
    dumps_exception,
    dumps_foreach_stack,
    dumps_native,
    loads_safe,
    unwrap_r,
    wrap_r,
    wrap_r_file,
)
from metaflow_core.errors import ArtifactNotConvertible, UnsafePickle
from metaflow_core.model.task import ForeachFrame

ATOMS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
PLAIN = st.recursive(ATOMS, lambda x: st.lists(x) | st.dictionaries(st.text(), x), max_leaves=20)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        # As recorded from stock Metaflow 2.19.
        (None, "80044e2e"),
        (True, "8004882e"),
        ([], "80045d942e"),
        (5, "80044b052e"),
        (1.0, "8004950a00000000000000473ff00000000000002e"),
        ("end", "80049507000000000000008c03656e64942e"),
    ],
)
def test_a_native_pickle_has_stock_metaflows_bytes(value: object, expected: str) -> None:
    assert dumps_native(value).hex() == expected


@given(PLAIN)
@settings(max_examples=100)
def test_a_plain_value_comes_back(value: object) -> None:
    assert loads_safe(dumps_native(value)) == value


@pytest.mark.parametrize("value", [b"raw", {1, 2}, object(), [1, [b""]], {"a": 1j}, True.__class__])
def test_what_is_not_plain_has_no_native_pickle(value: object) -> None:
    with pytest.raises(ArtifactNotConvertible, match="not a plain value"):
        dumps_native(value)


@pytest.mark.parametrize("wrap", [wrap_r, wrap_r_file])
@given(data=st.binary(max_size=600))
@settings(max_examples=100)
def test_wrapped_bytes_are_the_pickle_of_a_bytearray(
    wrap: Callable[[int], tuple[bytes, bytes]], data: bytes
) -> None:
    header, trailer = wrap(len(data))
    wrapped = header + data + trailer
    span = unwrap_r(wrapped, len(wrapped))

    assert pickle.loads(wrapped) == bytearray(data)
    assert type(pickle.loads(wrapped)) is bytearray
    assert span is not None
    assert wrapped[span.start : span.start + span.length] == data


@pytest.mark.parametrize(
    "size", [0, 255, 256, 65535, 65536, 2**32 - 1, 2**32, 2**40], ids="{:#x}".format
)
def test_the_header_tells_any_size(size: int) -> None:
    header, _ = wrap_r(size)
    file_header, _ = wrap_r_file(size)

    assert unwrap_r(header) == pickles.Span(len(header), size)
    assert unwrap_r(file_header) == pickles.Span(pickles.ROOM_BYTES, size)


@pytest.mark.parametrize("protocol", [3, 4, 5])
@pytest.mark.parametrize("size", [0, 3, 255, 256, 70_000])
def test_bytes_that_python_pickled_are_found(protocol: int, size: int) -> None:
    data = os.urandom(size)
    written = pickle.dumps(bytearray(data), protocol)
    span = unwrap_r(written[: pickles.PREFIX_BYTES], len(written))
    if size == 0 and protocol < 5:
        # Python writes an empty one as a call without arguments.
        assert span is None
        assert loads_safe(written) == bytearray()
    else:
        assert span is not None
        assert written[span.start : span.start + span.length] == data


@pytest.mark.parametrize(
    "value",
    [
        b"abc",
        "abc",
        None,
        [bytearray(b"abc")],
        {1: bytearray(b"a")},
        (bytearray(b"a"), 1),
        (bytearray(b"a"), "abcd"),
        (bytearray(70_000), None),
        (bytearray(b"a"),),
    ],
)
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_other_pickles_are_not_taken_for_bytes(value: object, protocol: int) -> None:
    written = pickle.dumps(value, protocol)

    assert unwrap_r(written[: pickles.PREFIX_BYTES], len(written)) is None


def test_protocol_2_is_read_as_a_value() -> None:
    written = pickle.dumps(bytearray(b"X\n\xff"), 2)

    assert unwrap_r(written) is None
    assert loads_safe(written) == bytearray(b"X\n\xff")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"X\n\0\0\0\3...", True),
        (b"X\n\0\0\0\2", True),
        (b"B\n\3\0\0\0", True),
        (b"A\n3\n1", True),
        (b"X\n\0\0\0\1", False),
        (b"X\n", False),
        (b"", False),
        (b"\x1f\x8b", False),
    ],
)
def test_an_r_serialization_is_known_by_its_beginning(data: bytes, expected: bool) -> None:
    assert pickles.is_r(data) is expected


def test_a_foreach_stack_has_stock_metaflows_bytes() -> None:
    expected = (
        b"\x80\x04\x95<\0\0\0\0\0\0\0]\x94\x8c\x08__main__\x94\x8c\x0cForeachFrame\x94\x93\x94("
        b"\x8c\x04body\x94\x8c\x05items\x94K\x03K\x00\x8c\x011\x94t\x94\x81\x94a."
    )

    assert dumps_foreach_stack([ForeachFrame("body", "items", 3, 0, "1")]) == expected
    assert dumps_foreach_stack([]) == dumps_native([])


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_a_foreach_stack_comes_back(depth: int) -> None:
    frames = [ForeachFrame(f"s{i}", "ä" * 300, 10**6, i, f"v{i}") for i in range(depth)]

    assert loads_safe(dumps_foreach_stack(frames)) == frames


@pytest.mark.parametrize("trace", [None, "Error in f(): boom\n" * 50])
def test_an_exception_comes_back(trace: str | None) -> None:
    record = loads_safe(dumps_exception("simpleError", "boom", trace))

    assert record == ExceptionRecord("simpleError", "boom", trace)
    assert str(record) == (trace or "[no stacktrace]\nsimpleError: boom")


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize(
    "value",
    [
        {1, 2},
        frozenset("ab"),
        2 + 3j,
        bytearray(b"\xff"),
        b"\xff",
        range(3),
        slice(1, 2),
        (1, [2.5, None]),
        collections.OrderedDict(a=1),
        collections.defaultdict(list, a=[1]),
        collections.Counter("aab"),
        collections.deque([1, 2], 5),
        datetime.date(2024, 2, 29),
        datetime.datetime(2024, 2, 29, 1, 2, 3, 4, datetime.UTC),
        datetime.timedelta(1, 2, 3),
        datetime.time(1, 2),
        decimal.Decimal("1.10"),
        fractions.Fraction(1, 3),
        uuid.UUID(int=7),
        pathlib.PurePosixPath("a/b"),
        pathlib.PureWindowsPath("a/b"),
    ],
    ids=repr,
)
def test_values_of_plain_classes_are_read(value: object, protocol: int) -> None:
    read = loads_safe(pickle.dumps(value, protocol))

    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.array([[1.5, 2], [3, 4]], order="F"), ((2, 2), "<f8", True)),
        (np.array([[1.5, 2, 9], [3, 4, 9]]), ((2, 3), "<f8", False)),
        (np.array([1, 2], dtype="int32"), ((2,), "<i4", False)),
        (np.array([True, False]), ((2,), "|b1", False)),
        (np.array(["ab", "c"]), ((2,), "<U2", False)),
        (np.array([1, 2], dtype=">i2"), ((2,), ">i2", False)),
        (np.array(["2024-01-01"], dtype="M8[ns]"), ((1,), "<M8[ns]", False)),
        (np.array([5], dtype="m8[25s]"), ((1,), "<m8[25s]", False)),
        (np.float64(2.5), ((), "<f8", False)),
        (np.int32(7), ((), "<i4", False)),
        (np.zeros((0, 3)), ((0, 3), "<f8", None)),
    ],
    ids=repr,
)
def test_numpy_arrays_are_read_without_numpy(array, expected, protocol: int) -> None:
    shape, dtype, fortran = expected
    read = loads_safe(pickle.dumps(array, protocol))

    assert isinstance(read, Ndarray)
    assert (read.shape, read.dtype) == (shape, dtype)
    assert fortran is None or read.fortran == fortran
    assert read.data == array.tobytes("F" if read.fortran else "C")


def test_a_numpy_array_of_objects_has_its_elements() -> None:
    read = loads_safe(pickle.dumps(np.array(["a", None, 1], dtype=object), 4))

    assert read == Ndarray((3,), "|O", False, ["a", None, 1])


def test_numpy_of_either_name_is_known() -> None:
    written = pickle.dumps(np.array([1.0]), 2)
    new, old = b"numpy._core.multiarray", b"numpy.core.multiarray"
    renamed = written.replace(new, old) if new in written else written.replace(old, new)

    assert renamed != written
    assert loads_safe(renamed) == loads_safe(written)


def test_other_classes_of_metaflow_are_kept_as_data() -> None:
    # metaflow.includefile.IncludedFile({"url": "s3://x"}), as `object.__reduce_ex__` writes it.
    written = (
        b"\x80\x04\x8c\x14metaflow.includefile\x8c\x0cIncludedFile\x93)\x81}"
        b"\x8c\x0b_descriptor}\x8c\x03url\x8c\x06s3://xssb."
    )

    assert loads_safe(written) == Opaque(
        "metaflow.includefile.IncludedFile", (), {"_descriptor": {"url": "s3://x"}}
    )


class Evil:
    def __reduce__(self):
        return os.system, ("echo owned",)


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_a_pickle_that_calls_something_is_refused(protocol: int) -> None:
    with pytest.raises(UnsafePickle, match=r'names posix\.system.*allow = "posix"'):
        loads_safe(pickle.dumps([Evil()], protocol))


@pytest.mark.parametrize(
    "name",
    ["builtins eval", "builtins getattr", "os system", "builtins list.append", "metaflowx y"],
)
def test_a_name_outside_of_the_table_is_refused(name: str) -> None:
    module, attribute = (pickles._atom(part) for part in name.split())
    with pytest.raises(UnsafePickle):
        loads_safe(b"\x80\x04" + module + attribute + b"\x93.")


def test_an_object_outside_of_the_pickle_is_refused() -> None:
    with pytest.raises(UnsafePickle, match="outside of it"):
        loads_safe(b"\x80\x04\x8c\x01aQ.")


def test_a_class_is_imported_if_its_module_is_allowed() -> None:
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    written = pickle.dumps(frame, 4)

    with pytest.raises(UnsafePickle, match='allow = "pandas"'):
        loads_safe(written)
    pd.testing.assert_frame_equal(loads_safe(written, allow=("pandas",)), frame)


def test_what_is_allowed_is_a_module_and_not_the_beginning_of_a_name() -> None:
    with pytest.raises(UnsafePickle):
        loads_safe(pickle.dumps(Evil(), 4), allow=("pos",))


@given(st.binary(max_size=60))
@settings(max_examples=200)
def test_arbitrary_bytes_are_a_value_or_one_of_two_errors(data: bytes) -> None:
    with contextlib.suppress(UnsafePickle, ArtifactNotConvertible):
        loads_safe(b"\x80\x04" + data)
