"""Runs of the old R package can be read: their values, as it pickled them.

The pickles are those that were recorded of its version 2.3.0 under Metaflow 2.19; numpy's are
written out, as numpy 1 and numpy 2 name their module.
"""

import pickle
import struct
from datetime import date

import pytest
from written_runs import FlowWriter

from metaflow_core import client, wire
from metaflow_core.bridge.client import artifact
from metaflow_core.client import RObject
from metaflow_core.wire import Vector

NUMBERS = struct.pack("<4d", 1, 2, 3, 4)
MATRIX = (
    b"\x80\x04\x8c%c%smultiarray\x94\x8c\x0c_reconstruct\x94\x93\x94\x8c\x05numpy\x94"
    b"\x8c\x07ndarray\x94\x93\x94K\x00\x85\x94C\x01b\x94\x87\x94R\x94(K\x01K\x02K\x02\x86\x94h\x03"
    b"\x8c\x05dtype\x94\x93\x94\x8c\x02f8\x94\x89\x88\x87\x94R\x94(K\x03\x8c\x01<\x94NNN"
    b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00t\x94b\x88C " + NUMBERS + b"\x94t\x94b."
)
SERIALIZED = wire.dumps(wire.Classed({"a": 1}, ("model",)))

NA = Vector([None], kind=int)

VALUES = {
    "null": (b"\x80\x04N.", None),
    "dbl1": (bytes.fromhex("8004950a00000000000000473ff00000000000002e"), 1.0),
    "int1": (b"\x80\x04K\x05.", 5),
    "na_int": (pickle.dumps(-(2**31), 4), NA),
    "int_vec_na": (pickle.dumps([1, -(2**31)], 4), [1, NA]),
    "true": (b"\x80\x04\x88.", True),
    "chr1": (bytes.fromhex("80049507000000000000008c03656e64942e"), "end"),
    "dbl_vec": (pickle.dumps([1.5, 2.5], 4), [1.5, 2.5]),
    "list0": (b"\x80\x04]\x94.", []),
    "list_named": (pickle.dumps({"a": 1, "b": "x"}, 4), {"a": 1, "b": "x"}),
    "raw": (pickle.dumps(bytearray(b"\x01\x02"), 4), b"\x01\x02"),
    "cplx": (pickle.dumps(1 - 2j, 4), Vector([1 - 2j])),
    "date": (pickle.dumps(date(2024, 2, 29), 4), Vector([19782.0], {"class": ["Date"]})),
}


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run whose artifacts someone else wrote."""
    monkeypatch.setenv("METAFLOW_USER", "tester")
    monkeypatch.setenv("METAFLOW_DATASTORE_SYSROOT_LOCAL", str(tmp_path))
    return FlowWriter(tmp_path, "OldFlow").run(system_tags=["metaflow_r_version:2.3.0"])


@pytest.fixture
def store(run):
    """Stores a pickle as the old package did; the artifact's pathspec."""

    def store(pickled, type_name="object"):
        task = run.task("start")
        with run.attempt(task) as stored:
            info = {
                "size": len(pickled),
                "type": f"<class '{type_name}'>",
                "encoding": "pickle-v4",
                "serializer_info": {"source": "metaflow"},
            }
            stored.refer("x", run.flow.store.blobs.save([pickled]), info)
        return f"{task}/x"

    return store


@pytest.mark.parametrize("kind", VALUES)
def test_a_value_that_it_pickled(store, tmp_path, kind):
    pickled, expected = VALUES[kind]

    found = artifact(pathspec=store(pickled), spool=str(tmp_path))

    assert found == {"kind": "python", "value": expected}


def test_the_number_that_is_na_in_r_is_a_number_in_a_python_flow(tmp_path, run):
    task = FlowWriter(tmp_path, "PythonFlow").run().done("start", x=-(2**31))
    stored = client.DataArtifact(f"{task}/x").for_r(tmp_path, 0)

    assert stored["value"] == -(2**31)


def test_a_value_that_r_serialized(store, tmp_path):
    pathspec = store(pickle.dumps(bytearray(SERIALIZED), 4), "bytearray")

    found = artifact(pathspec=pathspec, spool=str(tmp_path))

    assert found == {"kind": "r", "bytes": SERIALIZED, "r_type": ""}
    assert client.DataArtifact(pathspec).data == RObject(SERIALIZED)


@pytest.mark.parametrize("core", [b"numpy.core.", b"numpy._core."])
def test_a_matrix(store, tmp_path, core):
    pathspec = store(MATRIX % (len(core) + len("multiarray"), core), "numpy.ndarray")

    found = artifact(pathspec=pathspec, spool=str(tmp_path))

    assert found["value"] == {
        "ndarray": True,
        "shape": [2, 2],
        "dtype": "<f8",
        "data": NUMBERS,
        "fortran": True,
    }


def test_a_failure_of_an_old_run_is_told(run):
    task = run.task("start")
    wrapper = (
        b"\x80\x04\x8c\x12metaflow.exception\x94\x8c\x18MetaflowExceptionWrapper\x94\x93\x94"
        b"N\x85\x94R\x94}\x94(\x8c\x09exception\x94\x8c\x03bad\x94\x8c\x04type\x94"
        b"\x8c\x0cRuntimeError\x94\x8c\x0astacktrace\x94\x8c\x09Traceback\x94ub."
    )
    writer = run.begin(task, 0)
    writer.save_native("_task_ok", False)
    writer.save_pickle("_exception", wrapper, "MetaflowExceptionWrapper")
    writer.commit()

    failure = client.Task(str(task)).failure

    assert (failure.message, failure.classes) == ("bad", ("RuntimeError",))
