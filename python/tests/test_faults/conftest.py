"""Folders for scripts, and the check that R works at all."""

from pathlib import Path

import pytest
from r_folders import new_folder, r_works

__all__ = ["new_folder", "r_works"]


@pytest.fixture(scope="session")
def flows() -> Path:
    """The scripts that the tests of this folder run."""
    return Path(__file__).parent / "flows"
