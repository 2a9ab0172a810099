"""A client that looks at a store of this test alone."""

import pytest
from written_runs import FlowWriter

from metaflow_core import client


@pytest.fixture
def directory(tmp_path, monkeypatch):
    """The directory of the store; the client looks at it as the user `tester`."""
    monkeypatch.setenv("METAFLOW_USER", "tester")
    monkeypatch.setenv("METAFLOW_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("METAFLOW_DATASTORE_SYSROOT_LOCAL", str(tmp_path))
    yield tmp_path
    client.default_metadata()
    client.default_namespace()


@pytest.fixture
def flow(directory):
    """Writes runs of the flow `Line`, of the steps `start` and `end`."""
    return FlowWriter(directory, "Line")
