"""Metadata providers that the contract is run on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from metaflow_core.metadata.local import LocalMetadata
from metaflow_core.metadata.provider import MetadataProvider

PROVIDERS: dict[str, Callable[[Path], MetadataProvider]] = {
    "local": lambda folder: LocalMetadata(folder / ".metaflow"),
}
"""A new provider adds a line here: it gives another instance on the same data each time."""


@pytest.fixture(params=PROVIDERS)
def another(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], MetadataProvider]:
    """Makes a provider as another process has it."""
    return lambda: PROVIDERS[request.param](tmp_path)


@pytest.fixture
def provider(another: Callable[[], MetadataProvider]) -> MetadataProvider:
    return another()
