"""Folders for scripts, and the check that R works at all."""

from collections.abc import Callable
from pathlib import Path

import pytest
from r_scripts import Folder, r_problem

FLOWS = Path(__file__).parent / "flows"


@pytest.fixture(scope="session", autouse=True)
def _r_works() -> None:
    problem = r_problem()
    if problem:
        pytest.fail(problem)


@pytest.fixture(scope="session")
def new_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Folder]:
    """Makes a folder with copies of the flows that are named."""

    def make(*scripts: str) -> Folder:
        return Folder.make(tmp_path_factory.mktemp("r"), [FLOWS / script for script in scripts])

    return make
