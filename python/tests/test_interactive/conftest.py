"""Folders where a session works, and the flows that it finds there."""

from collections.abc import Callable
from pathlib import Path

import pytest
from r_folders import r_works
from r_scripts import Folder

__all__ = ["r_works"]

FLOWS = Path(__file__).parent / "flows"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """A folder with all flows."""
    return Folder.make(tmp_path_factory.mktemp("r"), sorted(FLOWS.glob("*.R")))


@pytest.fixture(scope="module")
def release(folder: Folder) -> Callable[[bool], None]:
    """Whether the steps that wait may go on."""

    def set_free(may_go_on: bool) -> None:
        path = folder.path / "go"
        path.touch() if may_go_on else path.unlink(missing_ok=True)

    return set_free
