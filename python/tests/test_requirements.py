"""What pip and `install_metaflow()` install is the same."""

import tomllib
from pathlib import Path

WORKSHOP = Path(__file__).parents[1]
SHIPPED = WORKSHOP.parent / "inst" / "python" / "requirements.txt"


def test_the_shipped_requirements_are_the_declared_ones():
    declared = tomllib.loads((WORKSHOP / "pyproject.toml").read_text())["project"]["dependencies"]
    lines = SHIPPED.read_text().splitlines()

    assert [line for line in lines if not line.startswith("#")] == declared
