"""Artifacts in the form in which they travel to R.

What R wrote travels as R has it. What Python wrote travels as plain data, and as R vectors with a
class where R has the type:

| Python                          | R                                                            |
|---------------------------------|--------------------------------------------------------------|
| None, bool, int, float, str     | as plain data; an int only up to 2^53, a str without NUL     |
| bytes, bytearray                | raw                                                          |
| list, tuple, set, frozenset     | list; a set sorted                                           |
| dict with string keys, a frame of a foreach stack | named list                                 |
| complex                         | complex                                                      |
| date                            | Date                                                         |
| datetime                        | POSIXct; without a zone, the clock is read as UTC            |
| timedelta                       | difftime in seconds                                          |
| numpy array or number           | ``list(ndarray = TRUE, shape, dtype, data, fortran)``        |
| numpy array of instants         | Date for whole days, else POSIXct in UTC (to a microsecond)  |
| an exception of a failed task   | condition                                                    |
| pandas data frame, if `allow`ed | data.frame, of columns of the kinds above and categories     |

Nothing is guessed: what has no exact form is an `ArtifactNotConvertible` that names the type.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from metaflow_core.datastore.attempts import Encoded
from metaflow_core.datastore.pickles import ExceptionRecord, Ndarray, Opaque
from metaflow_core.datastore.unpacked import Unpacked
from metaflow_core.errors import ArtifactNotConvertible, MetaflowError, UnsafePickle
from metaflow_core.model.task import ForeachFrame
from metaflow_core.wire import Classed, Plain, Vector

_EXACT_DOUBLE = 2**53
"""Above it, R's double does not have every integer."""

_NA_INTEGER = -(2**31)
_EPOCH = date(1970, 1, 1)
_TIME_CLASS = ("POSIXct", "POSIXt")

_UNITS_PER_S = {"D": 1, "s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
"""Units of numpy's instants; days are days in R too."""

_NOT_A_TIME = -(2**63)


def encode_for_r(
    encoded: Encoded,
    unpacked: Unpacked,
    inline_limit_bytes: int,
    allow: tuple[str, ...] = (),
    *,
    by_r_package: bool = False,
) -> dict[str, Plain]:
    """An artifact as `compute.protocol` describes, "How an artifact travels".

    What cannot be had is told in the answer, as kind ``"error"``, and not raised.

    Args:
        encoded: The artifact as stored.
        unpacked: Where serialized bytes of more than *inline_limit_bytes* are unpacked.
        inline_limit_bytes: Largest value that travels inside of the message.
        allow: Python packages whose objects may be unpickled, such as ``"pandas"``.
        by_r_package: Whether the run is one of an R package, old or new. What the old one
            pickled as -2^31 is R's `NA_integer_`.
    """
    try:
        if encoded.kind == "native":
            return {"kind": "native", "value": _in_one_piece(encoded.value())}
        if encoded.kind == "r":
            return _serialized(encoded, unpacked, inline_limit_bytes)
        value = encoded.value(allow)
        return {"kind": "python", "value": to_r(_with_na(value) if by_r_package else value)}
    except MetaflowError as error:
        is_foreign = isinstance(error, UnsafePickle)
        kind = ArtifactNotConvertible.kind() if is_foreign else error.kind()
        message = f"Artifact {encoded.task}/{encoded.name}: {error}"
        return {"kind": "error", "class": kind, "message": message}


def _in_one_piece(value: Any) -> Plain:
    """A list of scalars of one type, which is R's vector, as one: thousands cross at once.

    Integers that R has only as doubles stay a list: R makes each what it can be.
    """
    kinds = set(map(type, value)) if isinstance(value, list) else set()
    if len(kinds) != 1 or not kinds <= {bool, int, float, str}:
        return value
    if kinds == {int} and max(map(abs, value)) >= 2**31:
        return value
    return Vector(value)


def _serialized(encoded: Encoded, unpacked: Unpacked, inline_limit_bytes: int) -> dict[str, Plain]:
    r_type = encoded.type if encoded.encoding else ""
    # The recorded size is that of the pickle, a few bytes more; of old artifacts it is not known.
    if 0 < encoded.size_bytes <= inline_limit_bytes:
        return {"kind": "r", "bytes": bytes(encoded.r_bytes()), "r_type": r_type}
    path, offset = encoded.r_file(unpacked)
    return {"kind": "r", "path": str(path), "offset": offset, "r_type": r_type}


def _with_na(value: Any) -> Any:
    if type(value) is int and value == _NA_INTEGER:
        return Vector([None], kind=int)
    if isinstance(value, list):
        return [_with_na(item) for item in value]
    if isinstance(value, dict):
        return {key: _with_na(item) for key, item in value.items()}
    return value


def to_r(value: Any) -> Plain:
    """A Python value in the form that R makes an R value of, see the table above.

    Raises:
        ArtifactNotConvertible: If *value*, or a part of it, has no exact form.
    """
    match value:
        case None | bool() | float() | Vector():
            return value
        case str():
            return _text(value)
        case int():
            return _integer(value)
        case complex():
            return Vector([value])
        case bytes() | bytearray():
            return bytes(value)
        case date() | timedelta():
            return _times([value])
        case Ndarray():
            return _array(value)
        case Mapping():
            return _named_list(value)
        case list() | tuple():
            return [to_r(item) for item in value]
        case set() | frozenset():
            return [to_r(item) for item in _sorted(value)]
        case _:
            return _foreign(value)


def _text(value: str) -> str:
    if "\0" in value:
        raise _not_convertible("A Python text with a NUL character in it has no form in R.")
    return value


def _integer(value: int) -> int:
    if abs(value) > _EXACT_DOUBLE:
        raise _not_convertible(f"The Python integer {value} is too large to be exact in R.")
    return value


def _times(values: Sequence[Any]) -> Vector:
    """Dates, instants or spans, all of one type, None among them, as one vector."""
    known = next(value for value in values if value is not None)
    match known:
        case datetime():
            zone = "UTC" if known.tzinfo is None else known.tzname() or "UTC"
            seconds = [None if v is None else _instant(v).timestamp() for v in values]
            return Vector(seconds, {"class": _TIME_CLASS, "tzone": [zone]})
        case date():
            days = [None if v is None else float((v - _EPOCH).days) for v in values]
            return Vector(days, {"class": ["Date"]})
        case _:
            spans = [None if v is None else v.total_seconds() for v in values]
            return Vector(spans, {"class": ["difftime"], "units": ["secs"]})


def _instant(value: datetime) -> datetime:
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def _array(value: Ndarray) -> Plain:
    match value.dtype[1:2]:
        case "M":
            return _instants(value)
        case "m" | "V":
            raise _not_convertible(f"A numpy array of type {value.dtype} has no exact form in R.")
        case "U" | "S":
            data: Plain = _texts(bytes(value.data), value.dtype)
        case "O":
            data = [to_r(item) for item in value.data]
        case _:
            data = value.data
    return {
        "ndarray": True,
        "shape": list(value.shape),
        "dtype": value.dtype,
        "data": data,
        "fortran": value.fortran,
    }


def _instants(value: Ndarray) -> Vector:
    unit = value.dtype[3:].strip("[]")
    if unit not in _UNITS_PER_S or len(value.shape) > 1:
        raise _not_convertible(f"A numpy array of type {value.dtype} has no exact form in R.")
    order = ">" if value.dtype[0] == ">" else "<"
    counts = struct.unpack(f"{order}{len(value.data) // 8}q", bytes(value.data))
    times = [None if count == _NOT_A_TIME else count / _UNITS_PER_S[unit] for count in counts]
    if unit == "D":
        return Vector(times, {"class": ["Date"]})
    return Vector(times, {"class": _TIME_CLASS, "tzone": ["UTC"]})


def _texts(data: bytes, dtype: str) -> list[str]:
    """The elements of an array of texts, each of which is padded with zeros."""
    width = int(dtype[2:]) * (4 if dtype[1] == "U" else 1)
    encoding = {"<": "utf-32-le", ">": "utf-32-be", "|": "latin-1"}[dtype[0]]
    pieces = (data[at : at + width] for at in range(0, len(data), width or 1))
    return [piece.decode(encoding).rstrip("\0") for piece in pieces]


def _condition(value: ExceptionRecord) -> Classed:
    fields = {"message": value.exception, "call": None, "stacktrace": value.stacktrace}
    return Classed(fields, (value.type, "python_error", "error", "condition"))


def _named_list(value: Mapping[Any, Any]) -> dict[str, Plain]:
    for key in value:
        if not isinstance(key, str):
            raise _not_convertible(f"A Python dict with the key {key!r} has no exact form in R.")
    if value.get("ndarray") is True:
        raise _not_convertible("A Python dict with the key 'ndarray' has no form in R.")
    return {_text(key): to_r(item) for key, item in value.items()}


def _sorted(value: set[Any] | frozenset[Any]) -> list[Any]:
    try:
        return sorted(value)
    except TypeError:
        # What has no common order is put in the one that is the same each time.
        return sorted(value, key=repr)


def _foreign(value: Any) -> Plain:
    if isinstance(value, ForeachFrame):
        return {name: getattr(value, name) for name in ForeachFrame.__slots__}
    if isinstance(value, ExceptionRecord):
        return _condition(value)
    name = value.type if isinstance(value, Opaque) else _type_name(value)
    if name == "pandas.DataFrame" or name.startswith("pandas.core.frame."):
        return _data_frame(value)
    if name.startswith("numpy.") and hasattr(value, "tobytes"):
        return _array(_portable(value))
    raise _not_convertible(f"A Python value of type {name} has no exact form in R.")


def _portable(array: Any) -> Ndarray:
    """A real array or number of numpy, which is there only if the user allowed its package."""
    data = array.tolist() if array.dtype.hasobject else array.tobytes()
    return Ndarray(tuple(array.shape), array.dtype.str, False, data)


def _type_name(value: Any) -> str:
    kind = type(value)
    return f"{kind.__module__}.{kind.__qualname__}"


def _data_frame(frame: Any) -> Classed:
    columns = {str(name): _column(frame[name]) for name in frame.columns}
    row_names = [str(name) for name in frame.index]
    if list(frame.index) == list(range(len(frame))):
        row_names = [str(number + 1) for number in range(len(frame))]
    return Classed(columns, ("data.frame",), {"row.names": row_names})


def _column(column: Any) -> Vector:
    """A column of a pandas data frame; its missing values are `NA`."""
    if hasattr(column, "cat"):
        codes = [None if code < 0 else int(code) + 1 for code in column.cat.codes]
        kind = ["ordered", "factor"] if column.cat.ordered else ["factor"]
        levels = [str(level) for level in column.cat.categories]
        return Vector(codes, {"levels": levels, "class": kind})
    missing = column.isna()
    # `tolist()` gives Python's own numbers, and instants that are datetimes.
    values = [None if gone else v for v, gone in zip(column.tolist(), missing, strict=True)]
    kinds = {type(value) for value in values if value is not None}
    if len(kinds) > 1:
        raise _not_convertible(f"The column {column.name!r} holds values of several types.")
    if any(isinstance(value, date | timedelta) for value in values):
        return _times(values)
    if not kinds <= {bool, int, float, complex, str}:
        raise _not_convertible(f"The column {column.name!r} holds {kinds.pop().__name__} values.")
    if int in kinds and any(abs(value or 0) >= 2**31 for value in values):
        values = [None if value is None else float(_integer(value)) for value in values]
    return Vector(values)


def _not_convertible(sentence: str) -> ArtifactNotConvertible:
    return ArtifactNotConvertible(sentence, "Read it in Python, with metaflow_core.client.")
