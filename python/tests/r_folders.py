"""What tests that run R share: the check that it works, and copies of their flows."""

from collections.abc import Callable
from pathlib import Path

import pytest
from r_scripts import Folder, r_problem


@pytest.fixture(scope="session", autouse=True)
def r_works() -> None:
    problem = r_problem()
    if problem:
        pytest.fail(problem)


@pytest.fixture(scope="session")
def new_folder(tmp_path_factory: pytest.TempPathFactory, flows: Path) -> Callable[..., Folder]:
    """Makes a folder with copies of the flows that are named."""

    def make(*scripts: str) -> Folder:
        return Folder.make(tmp_path_factory.mktemp("r"), [flows / script for script in scripts])

    return make
