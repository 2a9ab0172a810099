"""Prints what pip is to install: the core's dependencies and those of the extras named."""

import sys
import tomllib
from pathlib import Path

PYPROJECT = Path(__file__).parent.parent / "python" / "pyproject.toml"

project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
requirements = list(project["dependencies"])
for extra in sys.argv[1:]:
    requirements += project["optional-dependencies"][extra]
print("\n".join(requirements))
