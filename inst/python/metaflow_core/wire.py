"""Plain data to and from R's `serialize()` format, in both directions, without R.

This is the one encoding that crosses between R and the core: the bridge's calls and the worker's
frames are R serializations, because R reads and writes them itself and fast, and a length-one
list stays a list.

Plain data is `None`, `bool`, `int`, `float`, `str`, `bytes`, a list of plain data, or a dict with
string keys. In R these are `NULL`, `TRUE`, `1L`, `1`, `"a"`, a raw vector, an unnamed list and a
named list; an integer of more than 32 bits is a double. Reading is wider than writing: an R vector
of length one is a scalar, any other vector is a list, `NA` is `None`, a symbol is a string, a named
list is a dict, in which the last of several elements of one name counts. Attributes other than
names of a list are dropped, but for `Classed`, which writes a named list that has an R class.

Source of the format: R Internals, section 1.8 "Serialization Formats"; version 2 is written (all
R since 1.4 reads it), versions 2 and 3 in XDR or native little-endian binary are read.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import isfinite, isnan
from typing import Any

Plain = Any
"""`None | bool | int | float | str | bytes | list[Plain] | dict[str, Plain]`."""

_SYM, _PAIRLIST, _CHAR = 1, 2, 9
_LGL, _INT, _REAL, _COMPLEX, _STR, _VEC, _RAW = 10, 13, 14, 15, 16, 19, 24
_IN_ONE_PIECE = {_LGL: "i", _INT: "i", _REAL: "d"}
"""Vectors without NA that are packed at once, with the format of an element."""

_REFERENCE, _NIL, _ALTREP = 255, 254, 238
_HAS_OBJECT, _HAS_ATTRIBUTES, _HAS_TAG = 0x100, 0x200, 0x400
_LATIN1, _UTF8 = 1 << 14, 1 << 15
_INT_MAX = 2**31 - 1
_NA_INT = -(2**31)
_NA_REAL_LOW_WORD = 1954
"""R's `NA_real_` is the NaN whose low word is 1954 (R Internals, section 3.4)."""
_NA_REAL_BITS = 0x7FF00000000007A2
_LONG = -1
"""In place of a length of 2^31 or more, whose upper and lower word follow."""
_MOST_COMPACT = 10_000_000
"""Longest compact sequence that is read: damaged bytes can ask for one of any length."""

_MOST_FIELDS = 32
"""Longer lists are taken for data, whose names will not come again."""

_pack_head = struct.Struct(">ii").pack
_pack_scalar = struct.Struct(">iii").pack
_NOTHING = struct.pack(">i", _NIL)
_ONE_STR = _pack_head(_STR, 1)
_TAG = _pack_head(_PAIRLIST | _HAS_TAG, _SYM)
_READ_INT: dict[str, Callable[[memoryview, int], tuple[int]]] = {
    order: struct.Struct(f"{order}i").unpack_from for order in "><"
}
"""By byte order."""
_PLAIN_KINDS = frozenset((_LGL, _INT, _REAL, _STR, _VEC, _RAW))

MAGIC = (b"X\n", b"B\n")
"""How a serialization begins, in XDR and in native binary."""


@dataclass(frozen=True)
class Classed:
    """A named list with an R class attribute, such as a condition.

    Args:
        fields: The list's elements by name.
        classes: The class attribute, most specific first.
        attributes: Further attributes, all character vectors, such as ``row.names``.
    """

    fields: Mapping[str, Plain]
    classes: tuple[str, ...]
    attributes: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Vector:
    """An R vector with attributes, such as a `Date`, or of numbers that are complex.

    Args:
        values: All float, all int, all bool, all complex or all str; None is `NA`.
        attributes: Its attributes, all character vectors, such as ``class``.
        kind: The type of the values, where none of them tells.
    """

    values: Sequence[float | complex | str | None]
    attributes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    kind: type = float


class NotPlain(ValueError):
    """The value, or the R object, is not plain data."""


def dumps(value: Plain) -> bytes:
    """Encode plain data as R `serialize()` bytes (XDR, version 2).

    Raises:
        NotPlain: If *value* holds anything but plain data, or what R has no form of: a text with
            a NUL character, an integer beyond the doubles.
    """
    parts: list[bytes] = [b"X\n", struct.pack(">iii", 2, 0x00020300, 0x00020300)]
    try:
        _write(value, parts)
    except (struct.error, OverflowError, UnicodeError, RecursionError) as error:
        raise NotPlain(f"the value has no form in R: {error}") from error
    return b"".join(parts)


def loads(data: bytes | bytearray | memoryview) -> Plain:
    """Decode R `serialize()` bytes to plain data.

    Raises:
        NotPlain: If *data* is not a serialization, is cut off, or holds something that is not
            plain, such as a function.
    """
    try:
        return _Reader(memoryview(data)).read_all()
    except NotPlain:
        raise
    except Exception as error:
        # Damaged bytes can mean anything, and so raise anything.
        raise NotPlain(f"the serialization is cut off or damaged: {error!r}") from error


def _write(value: Plain, parts: list[bytes]) -> None:
    match value:
        case str():
            parts += [_ONE_STR, _char(value)]
        case None:
            parts.append(_NOTHING)
        case bool():
            parts.append(_pack_scalar(_LGL, 1, value))
        case int() if -_INT_MAX <= value <= _INT_MAX:
            parts.append(_pack_scalar(_INT, 1, value))
        case int() | float():
            parts.append(struct.pack(">iid", _REAL, 1, value))
        case bytes() | bytearray() | memoryview():
            data = bytes(value)
            parts += [_head(_RAW, len(data)), data]
        case Classed():
            _write_items(value.fields.values(), _VEC | _HAS_OBJECT | _HAS_ATTRIBUTES, parts)
            names = {"names": list(value.fields), "class": list(value.classes)}
            _write_attributes({**value.attributes, **names}, parts)
        case Vector():
            _write_vector(value, parts)
        case Mapping():
            _write_items(value.values(), _VEC | _HAS_ATTRIBUTES, parts)
            is_record = len(value) <= _MOST_FIELDS
            parts += (_names_of_record if is_record else _names)(tuple(value))
        case Sequence():
            _write_items(value, _VEC, parts)
        case _:
            raise NotPlain(f"{type(value).__name__} is not plain data")


def _write_items(items: Collection[Plain], flags: int, parts: list[bytes]) -> None:
    parts.append(_head(flags, len(items)))
    for item in items:
        _write(item, parts)


def _head(flags: int, length: int) -> bytes:
    if length <= _INT_MAX:
        return _pack_head(flags, length)
    return struct.pack(">iiII", flags, _LONG, length >> 32, length & 0xFFFFFFFF)


def _write_vector(vector: Vector, parts: list[bytes]) -> None:
    element = next((type(value) for value in vector.values if value is not None), vector.kind)
    flags = _HAS_ATTRIBUTES if vector.attributes else 0
    flags |= _HAS_OBJECT if "class" in vector.attributes else 0
    kinds = {bool: _LGL, int: _INT, float: _REAL, complex: _COMPLEX, str: _STR}
    kind = kinds.get(element, 0)
    if not kind:
        raise NotPlain(f"{element.__name__} is not an element of an R vector")
    parts.append(_head(flags | kind, len(vector.values)))
    if kind in _IN_ONE_PIECE and all(type(value) is element for value in vector.values):
        parts.append(struct.pack(f">{len(vector.values)}{_IN_ONE_PIECE[kind]}", *vector.values))
    else:
        parts += [_checked_element(value, element, kind) for value in vector.values]
    if vector.attributes:
        _write_attributes(vector.attributes, parts)


def _checked_element(value: Any, element: type, code: int) -> bytes:
    if type(value) is not element and value is not None:
        raise NotPlain(f"a vector of {element.__name__} holds {value!r}")
    return _element(value, code)


def _element(value: Any, code: int) -> bytes:
    if code == _STR:
        return _char(value)
    if code == _REAL:
        return struct.pack(">Q", _NA_REAL_BITS) if value is None else struct.pack(">d", value)
    if code == _COMPLEX:
        if value is None:
            return struct.pack(">QQ", _NA_REAL_BITS, _NA_REAL_BITS)
        return struct.pack(">dd", value.real, value.imag)
    return struct.pack(">i", _NA_INT if value is None else value)


def _write_attributes(attributes: Mapping[str, Sequence[str]], parts: list[bytes]) -> None:
    for name, values in attributes.items():
        _write_attribute(name, values, parts)
    parts.append(_NOTHING)


def _char(text: str | None) -> bytes:
    if text is None:
        return _pack_head(_CHAR, -1)
    encoded = text.encode("utf-8", "surrogateescape")
    if 0 in encoded:
        raise NotPlain("R has no text with a NUL character in it")
    return _pack_head(_CHAR | _UTF8, len(encoded)) + encoded


def _names(names: tuple[str, ...]) -> list[bytes]:
    parts: list[bytes] = []
    _write_attributes({"names": names}, parts)
    return parts


@lru_cache
def _names_of_record(names: tuple[str, ...]) -> tuple[bytes]:
    """Messages of one kind all have the same names."""
    return (b"".join(_names(names)),)


def _write_attribute(name: str, values: Sequence[str], parts: list[bytes]) -> None:
    parts += [_TAG, _char(name)]
    parts.append(_head(_STR, len(values)))
    for item in values:
        if not isinstance(item, str):
            raise NotPlain(f"the key {item!r} is not a string")
        parts.append(_char(item))


class _Reader:
    """One pass over a serialization."""

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._at = 0
        self._order = ">"
        self._read_int = _READ_INT[">"]
        self._references: list[Any] = []

    def read_all(self) -> Plain:
        magic = bytes(self._data[:2])
        if magic not in MAGIC:
            raise NotPlain("the bytes are not an R serialization")
        self._order = ">" if magic == b"X\n" else "<"
        self._read_int = _READ_INT[self._order]
        self._at = 2
        version = self._int()
        self._take(8)
        if version == 3:
            self._take(self._int())
        elif version != 2:
            raise NotPlain(f"serialization version {version} is not known")
        return self._item()

    def _int(self) -> int:
        (value,) = self._read_int(self._data, self._at)
        self._at += 4
        return value

    def _length(self) -> int:
        length = self._int()
        if length == _LONG:
            upper, lower = self._int(), self._int()
            length = (upper << 32) + (lower & 0xFFFFFFFF)
        return length

    def _take(self, count: int) -> memoryview:
        if not 0 <= count <= len(self._data) - self._at:
            raise IndexError("unexpected end")
        taken = self._data[self._at : self._at + count]
        self._at += count
        return taken

    def _item(self) -> Any:
        return self._item_of(self._int())

    def _item_of(self, flags: int) -> Any:
        kind = flags & 0xFF
        if kind in _PLAIN_KINDS:
            value = self._vector(kind)
            return _plain(value, kind, self._names() if flags & _HAS_ATTRIBUTES else None)
        if kind == _CHAR:
            return self._char(flags)
        if kind == _NIL:
            return None
        if kind == _SYM:
            name = self._item()
            self._references.append(name)
            return name
        if kind == _REFERENCE:
            return self._reference(flags)
        if kind == _PAIRLIST:
            tags, values = self._pairlist(flags)
            return _plain(values, _VEC, tags if any(tags) else None)
        if kind == _ALTREP:
            value, kind = self._altrep()
            return _plain(value, kind, self._names())
        raise NotPlain(f"an R object of internal type {kind} is not plain data")

    def _reference(self, flags: int) -> Any:
        index = flags >> 8 or self._int()
        if index < 1:
            raise IndexError("a reference to nothing")
        return self._references[index - 1]

    def _names(self) -> list[Any] | None:
        """The names among the attributes that follow, or None."""
        flags = self._int()
        if flags & 0xFF == _NIL:
            return None
        tags, values = self._pairlist(flags)
        attributes = dict(zip(tags, values, strict=True))
        return _as_list(attributes["names"]) if "names" in attributes else None

    def _char(self, flags: int) -> str | None:
        length = self._int()
        if length == -1:
            return None
        encoding = "latin-1" if flags & _LATIN1 else "utf-8"
        return str(self._take(length), encoding, "surrogateescape")

    def _vector(self, kind: int) -> Any:
        length = self._length()
        if kind == _RAW:
            return bytes(self._take(length))
        if kind in (_STR, _VEC):
            return [self._item() for _ in range(length)]
        if kind == _REAL:
            body = self._take(8 * length)
            numbers = struct.unpack(f"{self._order}{length}d", body)
            words = struct.unpack(f"{self._order}{length}Q", body)
            return [
                None if isnan(x) and word & 0xFFFFFFFF == _NA_REAL_LOW_WORD else x
                for x, word in zip(numbers, words, strict=True)
            ]
        if length == 1:
            integers: tuple[int, ...] = (self._int(),)
        else:
            integers = struct.unpack(f"{self._order}{length}i", self._take(4 * length))
        convert = bool if kind == _LGL else int
        return [None if x == _NA_INT else convert(x) for x in integers]

    def _pairlist(self, flags: int) -> tuple[list[Any], list[Any]]:
        """Tags ("" where there is none) and values."""
        tags: list[Any] = []
        values: list[Any] = []
        while flags & 0xFF == _PAIRLIST:
            if flags & _HAS_ATTRIBUTES:
                self._item()
            tags.append(self._item() if flags & _HAS_TAG else "")
            values.append(self._item())
            flags = self._int()
        if flags & 0xFF != _NIL:
            # A dotted pair, as in the state of a deferred string.
            tags.append("")
            values.append(self._item_of(flags))
        return tags, values

    def _altrep(self) -> tuple[Any, int]:
        """The elements of a compact vector, and its ordinary type."""
        (name, _, kind), state = self._item(), self._item()
        if name == "compact_intseq":
            return _sequence(*map(int, state)), kind
        if name == "compact_realseq":
            return _sequence(int(state[0]), state[1], state[2]), kind
        if name == "deferred_string":
            return [_deferred_text(x) for x in _as_list(state[0])], kind
        if name.startswith("wrap_"):
            return state[0] if kind in (_VEC, _RAW) else _as_list(state[0]), kind
        raise NotPlain(f"the compact R vector {name!r} is not known")


def _plain(value: Any, kind: int, names: list[Any] | None) -> Plain:
    """A vector's elements as plain data."""
    if kind == _VEC and names is not None and not isinstance(value, dict):
        if None in names:
            raise NotPlain("an element of a list has the name NA")
        return dict(zip(names, value, strict=True))
    return value[0] if kind not in (_VEC, _RAW) and len(value) == 1 else value


def _sequence(count: int, first: float, step: float) -> list[float]:
    if count > _MOST_COMPACT:
        raise NotPlain(f"a compact sequence of {count} numbers is too long")
    return [first + step * index for index in range(count)]


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _deferred_text(value: float | None) -> str | None:
    """A number as R's `as.character()` writes it, which is done when the text is first used."""
    if value is None or isinstance(value, int):
        return None if value is None else str(value)
    if not isfinite(value):
        return "NaN" if isnan(value) else "Inf" if value > 0 else "-Inf"
    mantissa, _, exponent = f"{value:.14e}".partition("e")
    mantissa, power = mantissa.rstrip("0").rstrip("."), int(exponent)
    digits = sum(map(str.isdigit, mantissa))
    fixed = f"{value:.{max(0, digits - 1 - power)}f}"
    scientific = f"{mantissa}e{power:+03d}"
    return fixed if len(fixed) <= len(scientific) else scientific
