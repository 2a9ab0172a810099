"""What is waited for before anything runs."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.benchmark import Figure, Limit, Target, Workbench, bare_r, benchmark

_ATTACH = "library(metaflow, warn.conflicts = FALSE); cat('reticulate' %in% loadedNamespaces())"


@benchmark(
    "library",
    Target(
        "wall",
        "library(metaflow), wall",
        "ms",
        must=Limit(150, "difference"),
        reference="Rscript",
    ),
    Target("python", "ways to Python that it loads", "", must=Limit(0)),
)
def library(bench: Workbench) -> Mapping[str, Figure]:
    """The package is attached."""
    bare, attached = bare_r(bench), bench.r(_ATTACH)
    return {
        "wall": Figure(attached.wall_s * 1e3, bare.wall_s * 1e3),
        "python": Figure(int(attached.output == "TRUE")),
    }


@benchmark(
    "command",
    Target(
        "run",
        "flow.R run, two no-op steps, wall",
        "s",
        must=Limit(0.5, "difference"),
        aim=Limit(0.2, "difference"),
        reference="reticulate",
    ),
    Target("show", "flow.R show, wall", "s", reference="reticulate"),
    Target("list", "flow.R list-runs, wall", "s", reference="reticulate"),
)
def command(bench: Workbench) -> Mapping[str, Figure]:
    """The least flow, and looking at it."""
    python = bench.r('reticulate::import("json")').wall_s
    where = bench.directory()
    walls = {
        name: bench.flow("empty.R", word, directory=where).wall_s
        for name, word in {"run": "run", "show": "show", "list": "list-runs"}.items()
    }
    return {name: Figure(wall, python) for name, wall in walls.items()}


BENCHMARKS = (
    library,
    command,
)
