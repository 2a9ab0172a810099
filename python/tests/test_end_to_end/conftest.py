"""Folders for scripts, the check that R works at all, and a package that does what forks mind."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from r_folders import new_folder, r_works

__all__ = ["new_folder", "r_works"]


@pytest.fixture(scope="session")
def flows() -> Path:
    """The scripts that the tests of this folder run."""
    return Path(__file__).parent / "flows"


@pytest.fixture(scope="session")
def hazard_library(flows: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Libraries of R, the package `hazard` in the first of them."""
    source, library = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("library")
    shutil.copytree(flows / "hazard", source / "hazard")
    subprocess.run(
        ["R", "CMD", "INSTALL", "--no-docs", "-l", library, source / "hazard"],
        check=True,
        capture_output=True,
    )
    return os.pathsep.join([str(library), os.environ.get("R_LIBS", "")])
