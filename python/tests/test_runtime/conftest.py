"""A stage for runs, in a store of the test's own."""

from __future__ import annotations

from pathlib import Path

import pytest
from played_run import Stage


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    monkeypatch.setenv("METAFLOW_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("METAFLOW_USER", "ada")
    return Stage(tmp_path / ".metaflow")
