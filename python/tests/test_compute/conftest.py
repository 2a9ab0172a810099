"""A workshop for launchers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from workshop import Workshop

from metaflow_core.compute.loop import Loop


@pytest.fixture
def new_workshop(tmp_path: Path) -> Iterator[Callable[[str], Workshop]]:
    """Makes a workshop for an isolation."""
    made: list[Workshop] = []

    def make(isolation: str) -> Workshop:
        made.append(Workshop(tmp_path, Loop(), isolation))
        return made[-1]

    yield make
    for workshop in made:
        workshop.close()
