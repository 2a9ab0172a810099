"""Pickles as artifacts are stored in: written without surprises, read without running code.

Three kinds are written: plain Python values (`dumps_native`), R `serialize()` bytes as a
`bytearray` (`wrap_r`), and the two objects of stock Metaflow that its client wants to see
(`dumps_foreach_stack`, `dumps_exception`). All are protocol 4, as stock Metaflow's.

Reading allows builtins, dates, and a few other classes of plain data. The classes of Metaflow and
numpy become values of this module, so that neither needs to be installed. Any other class is
refused, since a pickle may name a function to call, and a store may come from anyone.
"""

from __future__ import annotations

import io
import pickle
import re
import struct
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any
from uuid import UUID, SafeUUID

from metaflow_core.datastore.blobs import Span
from metaflow_core.errors import ArtifactNotConvertible, UnsafePickle
from metaflow_core.files import Buffer
from metaflow_core.model.task import ForeachFrame

PROTOCOL = 4
"""Protocol of all artifacts, as in stock Metaflow (its `encoding` is ``pickle-v4``)."""

PREFIX_BYTES = 64
"""How much of a pickle `unwrap_r` needs to see."""

_ATOMS = (type(None), bool, int, float, str)
_R_HEADER = re.compile(rb"X\n\0\0\0[\2\3]|B\n[\2\3]\0\0\0|A\n[23]\n")
_BYTEARRAY = b"\x8c\x08builtins\x94\x8c\x09bytearray\x94\x93\x94"
_WRAPPED = re.compile(
    # PROTO 3 or 4 and the global builtins.bytearray, with or without frame and memo; or PROTO 5.
    rb"(?:\x80\x04(?:\x95.{8})?\x8c\x08builtins\x94?\x8c\x09bytearray\x94?\x93\x94?(?:\x95.{8})?"
    rb"|\x80\x03cbuiltins\nbytearray\n(?:q.)?"
    rb"|\x80\x05(?:\x95.{8})?)"
    rb"(?P<bytes>C(?P<size1>.)|B(?P<size4>.{4})|[\x8e\x96](?P<size8>.{8}))",
    re.DOTALL,
)
_TRAILER = b"\x94\x85\x94R\x94."

ROOM_BYTES = len(_BYTEARRAY) + 11
"""How many bytes before R `serialize()` bytes in a file make it a pickle, see `wrap_r_file`."""

_REST_BYTES = {
    3: {len(b"q\0\x85q\0Rq\0."), len(b"\x85R.")},
    4: {len(_TRAILER), len(b"\x85R.")},
    5: {len(b"\x94."), len(b".")},
}
"""By protocol: lengths of what follows the bytes, the call and the stop, with or without memo."""

_FRAME_BYTES, _FRAMED_REST_BYTES = 64_000, 15
"""From about 64 KiB on Python's pickler leaves its frame for the bytes and opens another one."""


def dumps_native(value: Any) -> bytes:
    """Pickle a plain value: `None`, bool, int, float, str, or a list, tuple or dict of these.

    Raises:
        ArtifactNotConvertible: If there is anything else in it.
    """
    _check_native(value)
    return pickle.dumps(value, PROTOCOL)


def wrap_r_file(size_bytes: int) -> tuple[bytes, bytes]:
    """As `wrap_r`, but what is put before always has `ROOM_BYTES`."""
    return b"\x80\x04" + _BYTEARRAY + b"\x8e" + struct.pack("<Q", size_bytes), _TRAILER


def wrap_r(size_bytes: int) -> tuple[bytes, bytes]:
    """What to put before and after R `serialize()` bytes to make the pickle of a `bytearray`."""
    if size_bytes < 1 << 8:
        opcode = b"C" + bytes([size_bytes])
    elif size_bytes < 1 << 32:
        opcode = b"B" + struct.pack("<I", size_bytes)
    else:
        opcode = b"\x8e" + struct.pack("<Q", size_bytes)
    return b"\x80\x04" + _BYTEARRAY + opcode, _TRAILER


def unwrap_r(prefix: Buffer, size_bytes: int | None = None) -> Span | None:
    """Where the bytes are in the pickle of a `bytearray`; None if it is not one.

    Knows the form of `wrap_r` and those of Python's pickler in protocols 3 to 5; that of
    protocol 2 has no such place, since its bytes are written as text.

    Args:
        prefix: The pickle, or its first `PREFIX_BYTES`.
        size_bytes: Length of the whole pickle, if it is known. Without it the pickle of a tuple
            that begins with a `bytearray` is taken for one.
    """
    found = _WRAPPED.match(bytes(prefix[:PREFIX_BYTES]))
    if found is None or (found["bytes"][:1] == b"\x96") != (prefix[1] == 5):
        return None
    size = found["size1"] or found["size4"] or found["size8"]
    span = Span(found.end(), int.from_bytes(size, "little"))
    if size_bytes is None:
        return span
    rest = size_bytes - span.start - span.length
    is_end = rest in _REST_BYTES[prefix[1]] or (
        rest == _FRAMED_REST_BYTES and span.length >= _FRAME_BYTES
    )
    return span if is_end else None


def is_r(data: Buffer) -> bool:
    """Whether bytes begin like an R serialization of version 2 or 3."""
    return _R_HEADER.match(bytes(data[:6])) is not None


def dumps_foreach_stack(frames: Sequence[ForeachFrame]) -> bytes:
    """The artifact `_foreach_stack`: a list of `ForeachFrame` of stock Metaflow.

    Its class lives in ``__main__``, where importing stock Metaflow puts it.
    """
    if not frames:
        return dumps_native([])
    items = [_foreach_frame(frame) for frame in frames]
    body = items[0] + b"a" if len(items) == 1 else b"(" + b"".join(items) + b"e"
    return _framed(b"]\x94" + body + b".")


def _foreach_frame(frame: ForeachFrame) -> bytes:
    fields = frame.step, frame.var, frame.num_splits, frame.index, frame.value
    arguments = b"".join([_atom(field) for field in fields])
    return _global("__main__", "ForeachFrame") + b"(" + arguments + b"t\x94\x81\x94"


def dumps_exception(type_name: str, message: str, stacktrace: str | None = None) -> bytes:
    """The artifact `_exception`, as stock Metaflow's client shows it.

    Args:
        type_name: Class of the error, such as ``"simpleError"``.
        message: Its message.
        stacktrace: What printing the exception shows; without it, the class and the message.
    """
    state = {"exception": message, "type": type_name, "stacktrace": stacktrace}
    pairs = b"".join(_atom(key) + _atom(value) for key, value in state.items())
    return _framed(
        _global("metaflow.exception", "MetaflowExceptionWrapper")
        + b"N\x85\x94R\x94}\x94("
        + pairs
        + b"ub."
    )


@dataclass(frozen=True)
class ExceptionRecord:
    """What stock Metaflow kept of an exception.

    Args:
        type: Its class, such as ``"builtins.ValueError"``.
        exception: Its message.
        stacktrace: The traceback as text, or None.
    """

    type: str = ""
    exception: str = ""
    stacktrace: str | None = None

    def __str__(self) -> str:
        return self.stacktrace or f"[no stacktrace]\n{self.type}: {self.exception}"

    def __setstate__(self, state: dict[str, Any]) -> None:
        _fill(self, **{name: state.get(name) for name in ("type", "exception", "stacktrace")})


@dataclass(frozen=True)
class Ndarray:
    """A numpy array or scalar, without numpy.

    Args:
        shape: Its dimensions; empty for a scalar.
        dtype: Such as ``"<f8"``, ``"|b1"``, ``"<U3"``, ``"|O"``, ``"<M8[ns]"``.
        fortran: Whether the first index runs fastest.
        data: The elements' bytes, or the elements themselves for ``"|O"``.
    """

    shape: tuple[int, ...] = ()
    dtype: str = ""
    fortran: bool = False
    data: bytes | list[Any] = b""

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, fortran, data = state
        _fill(self, shape=tuple(shape), dtype=str(dtype), fortran=bool(fortran), data=data)


@dataclass(frozen=True)
class Opaque:
    """An object of a class of Metaflow, kept as the data that it holds.

    Args:
        type: The class, such as ``"metaflow.includefile.IncludedFile"``.
        arguments: What it was made from.
        state: Its attributes.
    """

    type: str
    arguments: tuple[Any, ...] = ()
    state: Any = None

    def __setstate__(self, state: Any) -> None:
        _fill(self, state=state)


def loads_safe(data: Buffer, allow: Collection[str] = ()) -> Any:
    """Read a pickle without importing or calling anything but plain data's own classes.

    Args:
        data: The pickle.
        allow: Modules whose classes may be imported, with all below them, such as ``"pandas"``.

    Raises:
        UnsafePickle: If the pickle names another class.
        ArtifactNotConvertible: If it is not a pickle, or is damaged.
    """
    try:
        return _Unpickler(io.BytesIO(data), allow).load()
    except (UnsafePickle, ImportError):
        raise
    except Exception as error:
        # What is not a pickle can make the unpickler raise anything, such as MemoryError.
        raise ArtifactNotConvertible(f"The pickle cannot be read: {error!r}.") from error


class _Unpickler(pickle.Unpickler):
    """Finds classes in the tables below, and elsewhere only where it is allowed to."""

    def __init__(self, file: io.BytesIO, allow: Collection[str]) -> None:
        super().__init__(file)
        # A pandas object is made of numpy arrays.
        self._allow = {*allow, "numpy"} if "pandas" in allow else set(allow)

    def find_class(self, module: str, name: str) -> Any:
        if any(f"{module}.".startswith(f"{allowed}.") for allowed in self._allow):
            return super().find_class(module, name)
        known = _PLAIN.get((_MOVED.get(module, module), name))
        if known is not None:
            return known
        if module == "metaflow" or module.startswith("metaflow."):
            return _ForeachFrame if name == "ForeachFrame" else _opaque(f"{module}.{name}")
        top = module.partition(".")[0]
        raise UnsafePickle(
            f"The pickle names {module}.{name}, and reading it would run code of {top!r}.",
            f'If you trust where it comes from, allow it with allow = "{top}".',
        )

    def persistent_load(self, pid: Any) -> Any:
        raise UnsafePickle(f"The pickle refers to an object outside of it: {pid!r}.")


class _ForeachFrame(ForeachFrame):
    """Makes a frame from the fields of stock Metaflow's named tuple; older ones have no value."""

    def __new__(cls, *fields: Any) -> Any:
        return ForeachFrame(*fields)


class _Dtype:
    """A numpy dtype while its array is read."""

    def __init__(self, code: str, *_: Any) -> None:
        self._code, self._order, self._unit = code, "|", ""

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self._order = state[1]
        if len(state) > 8 and self._code[:1] in "Mm":
            # The ninth element of a time's state is (metadata, (unit, count, 1, 1)).
            unit, count = state[8][1][:2]
            unit = unit.decode() if isinstance(unit, bytes) else unit
            self._unit = f"[{unit}]" if count == 1 else f"[{count}{unit}]"

    def __str__(self) -> str:
        order = "|" if self._code in ("O", "O8", "b1", "i1", "u1") else self._order
        return f"{order}{self._code.replace('O8', 'O')}{self._unit}"


def _opaque(type_name: str) -> type:
    def make(_: type, *arguments: Any) -> Opaque:
        return Opaque(type_name, arguments)

    return type("Opaque", (), {"__new__": make})


def _latin1(text: str, encoding: str) -> bytes:
    """How protocol 2 writes bytes: as text, and a call of `codecs.encode`."""
    if encoding not in ("latin1", "latin-1"):
        raise UnsafePickle(f"The pickle asks for the encoding {encoding!r}.")
    return text.encode("latin-1")


def _ndarray_from_buffer(buffer: Buffer, dtype: _Dtype, shape: Any, order: str) -> Ndarray:
    dimensions = tuple(shape) if isinstance(shape, tuple | list) else (int(shape),)
    return Ndarray(dimensions, str(dtype), order == "F", bytes(buffer))


def _numpy() -> dict[tuple[str, str], Any]:
    """Numpy's names, before and after its core was renamed."""
    names: dict[tuple[str, str], Any] = {
        ("numpy", "ndarray"): Ndarray,
        ("numpy", "dtype"): _Dtype,
    }
    for core in ("numpy.core", "numpy._core"):
        names[f"{core}.multiarray", "_reconstruct"] = lambda *_: Ndarray()
        names[f"{core}.multiarray", "scalar"] = lambda dtype, data=b"": Ndarray(
            (), str(dtype), False, data
        )
        names[f"{core}.numeric", "_frombuffer"] = _ndarray_from_buffer
    return names


_BUILTINS = (set, frozenset, complex, bytearray, bytes, range, slice, bool, int, float, str)
_CONTAINERS = (list, dict, tuple, OrderedDict, defaultdict, deque, Counter)
_OTHERS = (date, datetime, time, timedelta, timezone, Decimal, Fraction, UUID, SafeUUID)

_PLAIN: dict[tuple[str, str], Any] = {
    **{(kind.__module__, kind.__name__): kind for kind in (*_BUILTINS, *_CONTAINERS, *_OTHERS)},
    ("builtins", "unicode"): str,
    ("builtins", "long"): int,
    ("builtins", "xrange"): range,
    ("_codecs", "encode"): _latin1,
    ("pathlib", "PurePosixPath"): PurePosixPath,
    ("pathlib", "PosixPath"): PurePosixPath,
    ("pathlib", "PureWindowsPath"): PureWindowsPath,
    ("pathlib", "WindowsPath"): PureWindowsPath,
    ("__main__", "ForeachFrame"): _ForeachFrame,
    ("metaflow.exception", "MetaflowExceptionWrapper"): lambda *_: ExceptionRecord(),
    **_numpy(),
}
"""What a pickle may name, by module and name. None of these does anything but hold its data."""

_MOVED = {"__builtin__": "builtins", "pathlib._local": "pathlib", "_decimal": "decimal"}
"""Modules that other versions of Python write for these."""


def _fill(value: Any, **fields: Any) -> None:
    """Complete a frozen value, which the unpickler makes empty and fills later."""
    for name, content in fields.items():
        object.__setattr__(value, name, content)


def _check_native(value: Any) -> None:
    if type(value) in _ATOMS:
        return
    if type(value) in (list, tuple):
        for item in value:
            if type(item) not in _ATOMS:
                _check_native(item)
    elif type(value) is dict:
        for key, item in value.items():
            _check_native(key)
            _check_native(item)
    else:
        raise ArtifactNotConvertible(
            f"A {type(value).__name__} is not a plain value that can be stored as a native pickle."
        )


def _global(module: str, name: str) -> bytes:
    return _atom(module) + _atom(name) + b"\x93\x94"


def _atom(value: str | int | None) -> bytes:
    """An atom's opcodes: what `pickle` writes between the protocol and the stop."""
    if isinstance(value, str):
        text = value.encode("utf-8", "surrogatepass")
        length = len(text)
        opcode = b"\x8c" + bytes([length]) if length < 1 << 8 else b"X" + struct.pack("<I", length)
        return opcode + text + b"\x94"
    return pickle.dumps(value, 2)[2:-1]


def _framed(body: bytes) -> bytes:
    return b"\x80\x04\x95" + struct.pack("<Q", len(body)) + body
