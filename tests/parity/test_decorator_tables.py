"""R's table of decorators and the core's name the same decorators, arguments and defaults."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from metaflow_core import wire
from metaflow_core.decorators.registry import REGISTRY

TABLE = Path(__file__).parents[2] / "R" / "decorator-kinds.R"

# Only the table is read: neither the package nor anything that it needs has to be installed.
PROGRAM = """
source(commandArgs(trailingOnly = TRUE))
kinds <- lapply(decorator_kinds(), function(kind) {
  list(level = kind$level, defaults = lapply(kind$arguments, function(x) x$default))
})
bytes <- serialize(kinds, NULL, version = 2)
cat(format(bytes), sep = "")
"""


@pytest.fixture(scope="module")
def r_kinds() -> dict[str, Any]:
    command = ["Rscript", "--vanilla", "-e", PROGRAM, str(TABLE)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return wire.loads(bytes.fromhex(printed))


def test_both_have_the_same_decorators(r_kinds):
    assert set(r_kinds) == set(REGISTRY)


@pytest.mark.parametrize("kind", REGISTRY.values(), ids=REGISTRY)
def test_both_put_a_decorator_at_the_same_level(r_kinds, kind):
    assert r_kinds[kind.name]["level"] == kind.level


@pytest.mark.parametrize("kind", REGISTRY.values(), ids=REGISTRY)
def test_both_have_the_same_arguments_with_the_same_defaults(r_kinds, kind):
    def comparable(defaults: dict[str, Any]) -> dict[str, Any]:
        # What is empty is NULL or an empty list in R, and None, a list or a dict in Python.
        return {name: None if value in ([], {}) else value for name, value in defaults.items()}

    assert comparable(r_kinds[kind.name]["defaults"]) == comparable(dict(kind.defaults))
