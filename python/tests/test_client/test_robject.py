"""R's own values, read in Python."""

import sys

import pytest

from metaflow_core import wire
from metaflow_core.client import RObject, read_r
from metaflow_core.errors import ArtifactNotConvertible


def test_a_named_list_becomes_a_dict():
    value = RObject(wire.dumps({"a": 1.5, "b": "x"}), "list").to_python()

    assert {str(key): item.tolist() for key, item in value.items()} == {"a": [1.5], "b": ["x"]}


def test_a_bytearray_of_the_stock_client_can_be_read():
    assert read_r(bytearray(wire.dumps("text"))).tolist() == ["text"]


def test_bytes_that_are_no_serialization_are_refused():
    with pytest.raises(ArtifactNotConvertible, match="not an R serialization"):
        read_r(b"abc")


def test_a_damaged_serialization_is_an_error_of_ours():
    with pytest.raises(ArtifactNotConvertible, match="no form in Python"):
        read_r(wire.dumps({"a": 1.5})[:-20])


def test_without_the_package_the_error_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "rdata", None)

    with pytest.raises(ArtifactNotConvertible, match="pip install rdata"):
        read_r(wire.dumps(1.5))


def test_its_bytes_are_not_printed():
    assert repr(RObject(b"X\n" + bytes(100), "lm")) == "RObject(r_type='lm')"
