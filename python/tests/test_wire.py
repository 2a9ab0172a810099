"""`wire`: plain data to R's serialization format and back, and what R itself wrote."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metaflow_core import wire

V2 = "580a000000020004020200020300"
V3 = "580a00000003000402020003050000000005" + b"UTF-8".hex()
"""Heads of serializations of R 4.2.2, in XDR."""

DEFERRED = [
    *("1e+05", "123456.7", "1e+15", "1e-04", None, "NaN", "Inf", "-Inf", "0.3", "1e-20", "100"),
    *("1234567", "3", "0", "-2.5", "1e-05", "123456789012345680", "0.333333333333333", "1e+300"),
]
"""What R 4.2.2 printed for the numbers of the deferred string."""

WRITTEN_BY_R = [
    pytest.param(V2 + "000000fe", None, id="NULL"),
    pytest.param(V2 + "0000000a0000000100000001", True, id="TRUE"),
    pytest.param(V2 + "0000000d0000000100000001", 1, id="1L"),
    pytest.param(V2 + "0000000e000000013ff8000000000000", 1.5, id="1.5"),
    pytest.param(V2 + "0000001000000001000080090000000661c3a9e4b8ad", "aé中", id="'a\u00e9\u4e2d'"),
    pytest.param(V2 + "0000000a0000000180000000", None, id="NA"),
    pytest.param(V2 + "0000000d0000000180000000", None, id="NA_integer_"),
    pytest.param(V2 + "0000000e000000017ff00000000007a2", None, id="NA_real_"),
    pytest.param(V2 + "000000100000000100000009ffffffff", None, id="NA_character_"),
    pytest.param(V2 + "0000000e000000017ff0000000000000", math.inf, id="Inf"),
    pytest.param(
        "420a0200000002020400000302000e00000003000000000000000000f03fa20700000000f07f0000"
        "000000000040",
        [1.0, None, 2.0],
        id="c(1, NA, 2), little-endian",
    ),
    pytest.param(V2 + "0000001800000003010203", b"\x01\x02\x03", id="as.raw(1:3)"),
    pytest.param(V2 + "0000001300000000", [], id="list()"),
    pytest.param(
        V2 + "0000021300000000000004020000000100040009000000056e616d65730000001000000000000000fe",
        {},
        id="setNames(list(), character())",
    ),
    pytest.param(V2 + "00000013000000010000000d0000000100000001", [1], id="list(1L)"),
    pytest.param(
        V2 + "00000213000000020000000d00000001000000010000001000000001000400090000000178000004"
        "020000000100040009000000056e616d657300000010000000020004000900000001610004000900"
        "00000162000000fe",
        {"a": 1, "b": "x"},
        id="list(a = 1L, b = 'x')",
    ),
    pytest.param(
        V2 + "0000021300000001000000fe000004020000000100040009000000056e616d657300000010000000"
        "01000400090000000161000000fe",
        {"a": None},
        id="list(a = NULL)",
    ),
    pytest.param(
        V2 + "0000020d000000020000000100000002000004020000000100040009000000056e616d6573000000"
        "1000000002000400090000000161000400090000000162000000fe",
        [1, 2],
        id="c(a = 1L, b = 2L): names of a vector are dropped",
    ),
    pytest.param(
        V2 + "0000030d00000003000000010000000200000001000004020000000100040009000000066c657665"
        "6c730000001000000002000400090000000175000400090000000176000004020000000100040009"
        "00000005636c61737300000010000000010004000900000006666163746f72000000fe",
        [1, 2, 1],
        id="factor(c('u', 'v', 'u')): its codes",
    ),
    pytest.param(V2 + "00000010000000010000400900000004636166e9", "café", id="latin1 text"),
    pytest.param(V2 + "0000000d00000000", [], id="integer()"),
    pytest.param(V2 + "0000001000000000", [], id="character()"),
    pytest.param(
        "420a02000000020204000003020013000000020000000d0000000100000001000000100000000100"
        "0000090004000100000078",
        [1, "x"],
        id="list(1L, 'x'), little-endian",
    ),
    pytest.param(
        "420a030000000202040000050300050000005554462d3813020000020000000e0000000200000000"
        "0000000000f83f000000000000004013000000010000000a00000001000000010000000204000001"
        "00000009000400050000006e616d6573100000000200000009000400010000006109000400010000"
        "0062fe000000",
        {"a": [1.5, 2.0], "b": [True]},
        id="list(a = c(1.5, 2), b = list(TRUE)), version 3, little-endian",
    ),
    pytest.param(
        V3 + "00000213000000010000001000000001000400090000000178000004020000000100040009000000"
        "056e616d65730000001000000001000400090000000161000000fe",
        {"a": "x"},
        id="list(a = 'x'), version 3",
    ),
    pytest.param(
        V3 + "000000ee0000000200000001000400090000000e636f6d706163745f696e74736571000000020000"
        "0001000400090000000462617365000000020000000d000000010000000d000000fe0000000e0000"
        "000340140000000000003ff00000000000003ff0000000000000000000fe",
        [1, 2, 3, 4, 5],
        id="1:5, a compact sequence",
    ),
    pytest.param(
        V3 + "000000ee0000000200000001000400090000000e636f6d706163745f696e74736571000000020000"
        "0001000400090000000462617365000000020000000d000000010000000d000000fe0000000e0000"
        "000340080000000000004008000000000000bff0000000000000000000fe",
        [3, 2, 1],
        id="3:1, a compact sequence",
    ),
    pytest.param(
        V3 + "000000ee0000000200000001000400090000000f64656665727265645f737472696e670000000200"
        "000001000400090000000462617365000000020000000d0000000100000010000000fe0000000200"
        "0000ee0000000200000001000400090000000e636f6d706163745f696e7473657100000002000002"
        "ff000000020000000d000000010000000d000000fe0000000e0000000340080000000000003ff000"
        "00000000003ff0000000000000000000fe0000000d0000000100000000000000fe",
        ["1", "2", "3"],
        id="as.character(1:3), deferred",
    ),
    pytest.param(
        V3 + "000000ee0000000200000001000400090000000f64656665727265645f737472696e670000000200"
        "000001000400090000000462617365000000020000000d0000000100000010000000fe0000000200"
        "00000d00000001000000050000000d0000000100000000000000fe",
        "5",
        id="as.character(5L), deferred",
    ),
    pytest.param(
        V3 + "000000ee0000000200000001000400090000000f64656665727265645f737472696e670000000200"
        "000001000400090000000462617365000000020000000d0000000100000010000000fe0000000200"
        "00000e0000001340f86a000000000040fe240b33333333430c6bf5263400003f1a36e2eb1c432d7f"
        "f00000000007a27ff80000000000007ff0000000000000fff00000000000003fd33333333333343b"
        "c79ca10c92422340590000000000004132d6870000000040080000000000000000000000000000c0"
        "040000000000003ee4f8b588e368f1437b69b4ba630f353fd55555555555557e37e43c8800759c00"
        "00000d0000000100000000000000fe",
        DEFERRED,
        id="as.character() of many numbers, deferred",
    ),
    pytest.param(
        V3 + "000000ee0000000200000001000400090000000c777261705f696e74656765720000000200000001"
        "000400090000000462617365000000020000000d000000010000000d000000fe000000020000000d"
        "000000030000000100000002000000030000000d000000020000000100000001000000fe",
        [1, 2, 3],
        id="sort(c(3L, 1L, 2L)), wrapped",
    ),
    pytest.param(
        V2 + "0000021300000001000002130000000100000213000000010000000d000000010000000100000402"
        "0000000100040009000000056e616d6573000000100000000100040009000000017a000000fe0000"
        "0402000001ff0000001000000001000400090000000179000000fe00000402000001ff0000001000"
        "000001000400090000000178000000fe",
        {"x": {"y": {"z": 1}}},
        id="list(x = list(y = list(z = 1L)))",
    ),
    pytest.param(
        V2 + "0000031300000002000000100000000100040009000000016d000000fe0000040200000001000400"
        "09000000056e616d6573000000100000000200040009000000076d65737361676500040009000000"
        "0463616c6c00000402000000010004000900000005636c6173730000001000000002000400090000"
        "0001650004000900000009636f6e646974696f6e000000fe",
        {"message": "m", "call": None},
        id="a condition",
    ),
    pytest.param(
        V2 + "00000313000000020000000d00000002000000010000000200000010000000020004000900000001"
        "78000400090000000179000004020000000100040009000000056e616d6573000000100000000200"
        "040009000000016100040009000000016200000402000000010004000900000005636c6173730000"
        "001000000001000400090000000a646174612e6672616d6500000402000000010004000900000009"
        "726f772e6e616d65730000000d0000000280000000fffffffe000000fe",
        {"a": [1, 2], "b": ["x", "y"]},
        id="data.frame(a = 1:2, b = c('x', 'y'))",
    ),
    pytest.param(
        V2 + "0000030e0000000140d1d5800000000000000402000000010004000900000005636c617373000000"
        "1000000001000400090000000444617465000000fe",
        18262.0,
        id="as.Date('2020-01-01')",
    ),
    pytest.param(
        V2 + "000000130000000200000001000400090000000161000001ff",
        ["a", "a"],
        id="list(quote(a), quote(a))",
    ),
    pytest.param(
        V2 + "00000402000000010004000900000001610000000e000000013ff0000000000000000000fe",
        {"a": 1.0},
        id="pairlist(a = 1)",
    ),
]

NOT_PLAIN = [
    pytest.param(
        V2 + "00000403000000fd0000040200000001000400090000000178000000fb000000fe000001ff",
        id="a function",
    ),
    pytest.param(V2 + "0000000f0000000100000000000000003ff0000000000000", id="a complex number"),
    pytest.param(
        V2 + "0000000400000000000000fd000000fe000000130000001d000000fe000000fe000000fe000000fe"
        "000000fe000000fe000000fe000000fe000000fe000000fe000000fe000000fe000000fe000000fe"
        "000000fe000000fe000000fe000000fe000000fe000000fe000000fe000000fe000000fe000000fe"
        "000000fe000000fe000000fe000000fe000000fe000000fe",
        id="an environment",
    ),
    pytest.param(V2 + "000000fd", id="the global environment"),
    pytest.param(
        V2 + "0000030600000402000000010004000900000005636c617373000000100000000100040009000000"
        "07666f726d756c610000040200000001000400090000000c2e456e7669726f6e6d656e74000000fd"
        "000000fe0000000100040009000000017e0000000200000001000400090000000179000000020000"
        "0001000400090000000178000000fe",
        id="a formula",
    ),
    pytest.param(
        V2 + "0000000600000001000400090000000166000000020000000e000000013ff0000000000000000000fe",
        id="a call",
    ),
    pytest.param(
        V2 + "000000f90000000000000002000400090000000573746174730004000900000005342e322e32",
        id="a namespace",
    ),
]


@pytest.mark.parametrize(("written", "expected"), WRITTEN_BY_R)
def test_what_r_wrote_is_read_as_plain_data(written, expected):
    read = wire.loads(bytes.fromhex(written))

    assert read == expected
    assert type(read) is type(expected)


@pytest.mark.parametrize("written", NOT_PLAIN)
def test_what_is_not_plain_data_is_refused(written):
    with pytest.raises(wire.NotPlain, match="is not plain data"):
        wire.loads(bytes.fromhex(written))


def test_nan_is_told_from_na():
    one, absent, nan = wire.loads(
        bytes.fromhex(V2 + "0000000e000000033ff00000000000007ff00000000007a27ff8000000000000")
    )

    assert (one, absent) == (1.0, None)
    assert math.isnan(nan)


def test_a_length_in_two_words_is_read():
    long_head = V2 + "0000000d" + "ffffffff" + "00000000" + "00000002"

    assert wire.loads(bytes.fromhex(long_head + "0000000100000002")) == [1, 2]


@pytest.mark.parametrize(
    "written",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"X\n", id="only the first two bytes"),
        pytest.param(b"A\n2\n", id="R's ascii format"),
        pytest.param(bytes.fromhex("580a00000004" + "0" * 16), id="a version that is not known"),
        pytest.param(bytes.fromhex(V2 + "00000018fffffff0"), id="a negative length"),
        pytest.param(bytes.fromhex(V2 + "000000187fffffff"), id="a length beyond the end"),
        pytest.param(bytes.fromhex(V2 + "000000ff00000001"), id="a reference to nothing"),
        pytest.param(bytes.fromhex(V2 + "fffffeff"), id="a negative reference"),
        pytest.param(bytes.fromhex(V2 + "0000001300000001" * 2000), id="lists without end"),
        pytest.param(
            bytes.fromhex(V3 + "000000ee000000020000000100040009") + b"\0\0\0\x0ecompact_intseq",
            id="a compact vector that is cut off",
        ),
        pytest.param(
            bytes.fromhex(
                V3
                + "000000ee00000002000000010004000900000"
                + "00e636f6d706163745f696e74736571000000020000000100040009000000046261736500000002"
                + "0000000d000000010000000d000000fe"
                + "0000000e00000003"
                + "7e37e43c8800759c3ff00000000000003ff0000000000000000000fe"
            ),
            id="a compact sequence of 1e300 numbers",
        ),
        pytest.param(
            bytes.fromhex(
                V2
                + "0000021300000001000000fe"
                + "000004020000000100040009000000056e616d65730000001000000001"
                + "00000009ffffffff000000fe"
            ),
            id="a list with the name NA",
        ),
    ],
)
def test_damaged_bytes_are_not_plain(written):
    with pytest.raises(wire.NotPlain):
        wire.loads(written)


def _nested(atoms: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
    return st.recursive(
        atoms,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
        max_leaves=20,
    )


PLAIN = _nested(
    st.none()
    | st.booleans()
    | st.integers(-(2**31) + 1, 2**31 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec="utf-8", exclude_characters="\0"))
    | st.binary()
)


@given(PLAIN)
def test_plain_data_comes_back_as_it_was(value):
    assert wire.loads(wire.dumps(value)) == value


@given(PLAIN)
def test_what_comes_back_has_the_same_types(value):
    assert repr(wire.loads(wire.dumps(value))) == repr(value)


@pytest.mark.parametrize(
    ("value", "read"),
    [
        pytest.param(2**31, 2.0**31, id="an integer beyond 32 bits is a double"),
        pytest.param(-(2**31), -(2.0**31), id="the integer that is R's NA is a double"),
        pytest.param((1, "a"), [1, "a"], id="a tuple is a list"),
        pytest.param(bytearray(b"ab"), b"ab", id="a bytearray is bytes"),
        pytest.param(memoryview(b"ab"), b"ab", id="a memoryview is bytes"),
        pytest.param({"a": (1,)}, {"a": [1]}, id="a tuple in a dict is a list"),
        pytest.param("caf\udce9", "caf\udce9", id="a byte that is not UTF-8 is kept"),
    ],
)
def test_other_python_types_are_written_as_their_plain_kin(value, read):
    assert wire.loads(wire.dumps(value)) == read


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(object(), id="any object"),
        pytest.param({"a": {1, 2}}, id="a set inside of a dict"),
        pytest.param({1: "a"}, id="a key that is no string"),
        pytest.param("a\0b", id="a text with a NUL, which R cannot hold"),
        pytest.param("\ud800", id="half of a surrogate pair"),
        pytest.param(10**400, id="an integer beyond the doubles"),
        pytest.param(wire.Vector(["a", 1]), id="a vector of mixed types"),
        pytest.param(wire.Vector([1, "a"]), id="a vector of mixed types, number first"),
        pytest.param(wire.Vector([b"a"]), id="a vector of bytes"),
    ],
)
def test_a_value_that_has_no_plain_form_is_refused(value):
    with pytest.raises(wire.NotPlain):
        wire.dumps(value)


def test_a_list_that_holds_itself_is_refused():
    endless: list[Any] = []
    endless.append(endless)

    with pytest.raises(wire.NotPlain):
        wire.dumps(endless)


def test_a_classed_list_is_read_as_its_fields():
    condition = wire.Classed({"message": "no", "call": None}, ("my_error", "error"))

    assert wire.loads(wire.dumps(condition)) == {"message": "no", "call": None}


@pytest.mark.parametrize(
    "values",
    [[1.5, None], [1, None, 3], [True, None], ["a", None], []],
    ids=["doubles", "integers", "logicals", "texts", "nothing"],
)
def test_a_vector_is_read_as_a_list_with_none_for_na(values):
    assert wire.loads(wire.dumps(wire.Vector(values))) == values


def _is_plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(item) for key, item in value.items())
    if isinstance(value, list):
        return all(map(_is_plain, value))
    return value is None or type(value) in (bool, int, float, str, bytes)


def _read_or_refused(data: bytes) -> bool:
    try:
        return _is_plain(wire.loads(data))
    except wire.NotPlain:
        return True


R_BYTES = st.sampled_from([bytes.fromhex(case.values[0]) for case in [*WRITTEN_BY_R, *NOT_PLAIN]])


@given(st.binary(max_size=200))
def test_random_bytes_are_plain_data_or_refused(data):
    assert _read_or_refused(data)


@given(st.sampled_from([V2, V3]), st.binary(max_size=100))
def test_random_bytes_after_a_sound_head_are_plain_data_or_refused(head, data):
    assert _read_or_refused(bytes.fromhex(head) + data)


@given(R_BYTES, st.data())
def test_a_serialization_that_is_cut_off_is_refused(data, draw):
    end = draw.draw(st.integers(0, len(data) - 1))

    with pytest.raises(wire.NotPlain):
        wire.loads(data[:end])


@settings(max_examples=300)
@given(R_BYTES, st.data())
def test_flipped_bits_are_plain_data_or_refused(data, draw):
    damaged = bytearray(data)
    for _ in range(draw.draw(st.integers(1, 3))):
        damaged[draw.draw(st.integers(0, len(data) - 1))] ^= 1 << draw.draw(st.integers(0, 7))

    assert _read_or_refused(damaged)
