"""Values that only R can hold exactly: kept as they were serialized, read on request."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from metaflow_core.errors import ArtifactNotConvertible

_MAGIC = (b"X\n", b"B\n", b"A\n")


@dataclass(frozen=True, slots=True)
class RObject:
    """An artifact that R serialized.

    Args:
        serialized: R `serialize()` bytes.
        r_type: Short name of its class in R, or "" where the store does not say.
    """

    serialized: bytes = field(repr=False)
    r_type: str = ""

    def to_python(self) -> Any:
        """The value in Python's types: numpy arrays, lists, dicts, pandas data frames.

        Raises:
            ArtifactNotConvertible: If the packages that read it are not installed, or the value
                has no form in Python.
        """
        return read_r(self.serialized)


def is_r_serialization(data: bytes | bytearray) -> bool:
    """Whether *data* starts as R `serialize()` writes."""
    return bytes(data[:2]) in _MAGIC


def read_r(serialized: bytes | bytearray) -> Any:
    """R `serialize()` bytes as a Python value, such as a data frame for pandas.

    With the stock client: ``read_r(Task("Flow/1/end/3").data.model)``.

    Raises:
        ArtifactNotConvertible: If the packages that read it are not installed, or the value has
            no form in Python.
    """
    if not is_r_serialization(serialized):
        raise ArtifactNotConvertible("These bytes are not an R serialization.")
    try:
        import rdata
    except ImportError as error:
        raise ArtifactNotConvertible(
            "Reading R's own values in Python needs the package rdata.",
            "Install it: pip install rdata",
        ) from error
    try:
        return rdata.conversion.convert(
            rdata.parser.parse_data(bytes(serialized), extension=".rds")
        )
    except Exception as error:  # what it cannot read ends in errors of many classes
        raise ArtifactNotConvertible(
            f"This R value has no form in Python ({type(error).__name__}: {error}).",
            "Read it in R, or save a list or a data frame instead.",
        ) from error
