"""Artifacts in the form in which they travel to R."""

import pickle
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import numpy
import pandas
import pytest

from metaflow_core import wire
from metaflow_core.client import DataArtifact
from metaflow_core.client.for_r import to_r
from metaflow_core.datastore.pickles import ExceptionRecord, Ndarray, loads_safe
from metaflow_core.errors import ArtifactNotConvertible
from metaflow_core.model.task import ForeachFrame
from metaflow_core.wire import Classed, Vector

POSIXCT = ("POSIXct", "POSIXt")


def array(value):
    """A numpy value as it is read from a store."""
    return loads_safe(pickle.dumps(value, 4))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (3, 3),
        (2**53, 2**53),
        ("é", "é"),
        (b"\0x", b"\0x"),
        (bytearray(b"x"), b"x"),
        ((1, "a"), [1, "a"]),
        ({3, 1}, [1, 3]),
        (frozenset({"b", 1}), ["b", 1]),
        ({"a": {"b": [None]}}, {"a": {"b": [None]}}),
        (1 - 2j, Vector([1 - 2j])),
        (date(2024, 2, 29), Vector([19782.0], {"class": ["Date"]})),
        (
            datetime(2024, 2, 29, 12),
            Vector([1709208000.0], {"class": POSIXCT, "tzone": ["UTC"]}),
        ),
        (
            datetime(2024, 2, 29, 13, tzinfo=timezone(timedelta(hours=1))),
            Vector([1709208000.0], {"class": POSIXCT, "tzone": ["UTC+01:00"]}),
        ),
        (timedelta(minutes=2), Vector([120.0], {"class": ["difftime"], "units": ["secs"]})),
        (
            ForeachFrame("s", "xs", 2, 1, "b"),
            {"step": "s", "var": "xs", "num_splits": 2, "index": 1, "value": "b"},
        ),
        (
            ExceptionRecord("ValueError", "bad", "Traceback"),
            Classed(
                {"message": "bad", "call": None, "stacktrace": "Traceback"},
                ("ValueError", "python_error", "error", "condition"),
            ),
        ),
        (
            array(numpy.array(["2024-02-29", "NaT"], "M8[D]")),
            Vector([19782.0, None], {"class": ["Date"]}),
        ),
        (
            array(numpy.array(["2024-02-29T12:00"], "M8[ns]")),
            Vector([1709208000.0], {"class": POSIXCT, "tzone": ["UTC"]}),
        ),
    ],
)
def test_a_python_value_becomes(value, expected):
    found = to_r(value)

    assert found == expected
    wire.dumps(found)


@pytest.mark.parametrize(
    ("value", "dtype", "data"),
    [
        (numpy.array([1.5]), "<f8", numpy.array([1.5]).tobytes()),
        (numpy.array(["a", "bé"]), "<U2", ["a", "bé"]),
        (numpy.array([b"a", b"bc"]), "|S2", ["a", "bc"]),
        (numpy.array([{"a": 1}, None], dtype=object), "|O", [{"a": 1}, None]),
        (numpy.int64(3), "<i8", numpy.int64(3).tobytes()),
    ],
)
def test_a_numpy_array_travels_as_its_bytes_or_its_elements(value, dtype, data):
    found = to_r(array(value))

    assert found == {
        "ndarray": True,
        "shape": list(value.shape),
        "dtype": dtype,
        "data": data,
        "fortran": False,
    }


def test_a_matrix_of_columns_says_so():
    matrix = numpy.asfortranarray([[1.0, 3.0], [2.0, 4.0]])

    found = to_r(array(matrix))

    assert found["fortran"] is True
    assert found["data"] == matrix.tobytes("F")


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (2**53 + 1, "9007199254740993"),
        ({1: "a"}, "key 1"),
        ("a\0b", "NUL"),
        ({"a\0b": 1}, "NUL"),
        ([Decimal("1.1")], "decimal.Decimal"),
        ({"ndarray": True}, "ndarray"),
        (Ndarray((1,), "<m8[s]", False, bytes(8)), "<m8"),
        (loads_safe(pickle.dumps(range(3), 4)), "range"),
    ],
)
def test_what_has_no_exact_form_is_an_error_that_names_it(value, named):
    with pytest.raises(ArtifactNotConvertible, match=rf"{named}.*metaflow_core.client"):
        to_r(value)


def test_a_data_frame_keeps_its_columns_types_names_and_missing_values():
    frame = pandas.DataFrame(
        {
            "n": [1, 2],
            "x": [0.5, None],
            "s": ["a", None],
            "f": pandas.Categorical(["lo", None], categories=["lo", "hi"], ordered=True),
            "t": pandas.to_datetime(["2024-02-29T12:00", None]).tz_localize(UTC),
            "b": [True, False],
        }
    )

    found = to_r(frame)

    assert found.classes == ("data.frame",)
    assert found.attributes == {"row.names": ["1", "2"]}
    assert found.fields == {
        "n": Vector([1, 2]),
        "x": Vector([0.5, None]),
        "s": Vector(["a", None]),
        "f": Vector([1, None], {"levels": ["lo", "hi"], "class": ["ordered", "factor"]}),
        "t": Vector([1709208000.0, None], {"class": POSIXCT, "tzone": ["UTC"]}),
        "b": Vector([True, False]),
    }
    wire.dumps(found)


def test_a_column_of_lists_has_no_form():
    with pytest.raises(ArtifactNotConvertible, match="column 'x'"):
        to_r(pandas.DataFrame({"x": [[1], [2]]}))


class TestTravelling:
    @pytest.fixture
    def travel(self, flow, tmp_path):
        """Stores an artifact and lets it travel; the message's part."""

        def travel(method, *arguments, limit=64, allow=()):
            run = flow.run()
            task = run.task("start")
            with run.attempt(task) as stored:
                getattr(stored, method)("x", *arguments)
            return DataArtifact(f"{task}/x").for_r(tmp_path, limit, allow)

        return travel

    @pytest.mark.parametrize("value", [1, "x", None, [], [1, "x"], [1, None], [2**31, 1], {"a": 1}])
    def test_what_is_native_travels_as_it_is(self, travel, value):
        assert travel("save_native", value) == {"kind": "native", "value": value}

    @pytest.mark.parametrize("value", [[1, 2], [1.5], ["x", "y"], [True, False]])
    def test_a_native_list_of_one_type_travels_as_a_vector(self, travel, value):
        found = travel("save_native", value)

        assert found == {"kind": "native", "value": Vector(value)}
        wire.dumps(found)

    def test_what_r_wrote_travels_as_r_has_it(self, travel):
        data = wire.dumps(1.5)

        assert travel("save_r", data, "numeric", limit=1000) == {
            "kind": "r",
            "bytes": data,
            "r_type": "numeric",
        }

    def test_what_is_large_travels_in_a_file(self, travel, tmp_path):
        data = wire.dumps(["x" * 1000])

        found = travel("save_r", data, "list")

        assert found["kind"] == "r"
        path = tmp_path / found["path"].rpartition("/")[2]
        assert path.read_bytes()[found["offset"] :].startswith(data)

    def test_what_python_wrote_travels_as_r_vectors(self, travel):
        found = travel("save_pickle", pickle.dumps(date(2024, 2, 29), 4), "date")

        assert found == {"kind": "python", "value": Vector([19782.0], {"class": ["Date"]})}

    def test_what_is_not_allowed_is_told_in_the_answer(self, travel):
        frame = pickle.dumps(pandas.DataFrame({"x": [1]}), 4)

        found = travel("save_pickle", frame, "DataFrame")

        assert (found["kind"], found["class"]) == ("error", "artifact_not_convertible")
        assert "pandas" in found["message"]
        allowed = travel("save_pickle", frame, "DataFrame", allow=("pandas",))
        assert allowed["value"].fields == {"x": Vector([1])}
