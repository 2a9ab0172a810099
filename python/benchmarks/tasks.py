"""What a task costs: alone, among many, in a process of its own, and cloned."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from benchmarks.benchmark import Figure, Limit, Target, Workbench, bare_r, benchmark
from benchmarks.measure import Cost

MANY, VERY_MANY, FEW = 1000, 10_000, 30

_MCLAPPLY = "invisible(parallel::mclapply(1:{n}, identity, mc.preschedule = FALSE, mc.cores = 2))"


@benchmark(
    "foreach-1000",
    Target(
        "task",
        "CPU of a no-op task of 1000",
        "ms",
        must=Limit(1 / 20, "ratio"),
        aim=Limit(1 / 40, "ratio"),
        reference="Rscript",
    ),
    Target(
        "rate",
        "no-op tasks a second",
        "1/s",
        must=Limit(100, at_least=True),
        aim=Limit(1, "ratio", at_least=True),
        reference="mclapply",
    ),
    Target(
        "command",
        "CPU of the whole command",
        "s",
        must=Limit(68, "ratio"),
        aim=Limit(29, "ratio"),
        reference="Rscript",
    ),
)
def foreach_1000(bench: Workbench) -> Mapping[str, Figure]:
    """A thousand tasks, each fully recorded; what one more of them costs, and the whole command."""
    bare = bare_r(bench)
    one, many = wide(bench, 1), wide(bench, MANY)
    forked = bench.r(_MCLAPPLY.format(n=MANY))
    return {
        "task": Figure(_cpu_ms(one, many, MANY), bare.cpu_s * 1e3),
        "rate": Figure(
            (MANY - 1) / (many.wall_s - one.wall_s), MANY / (forked.wall_s - bare.wall_s)
        ),
        "command": Figure(many.cpu_s, bare.cpu_s),
    }


@benchmark(
    "foreach-10000",
    Target(
        "task",
        "CPU of a no-op task of 10 000",
        "ms",
        must=Limit(1.1, "ratio"),
        reference="of 1000",
    ),
    Target("memory", "memory of the session", "MB", must=Limit(300)),
    Target("first", "split until its first task runs", "s", must=Limit(1)),
    most_rounds=2,
)
def foreach_10000(bench: Workbench) -> Mapping[str, Figure]:
    """Ten times as many, which must cost each as much, and be begun at once."""
    one, many, very_many = wide(bench, 1), wide(bench, MANY), wide(bench, VERY_MANY)
    return {
        "task": Figure(_cpu_ms(one, very_many, VERY_MANY), _cpu_ms(one, many, MANY)),
        "memory": Figure(very_many.peak_bytes / 1e6),
        "first": Figure(_until_first_s(very_many.output)),
    }


@benchmark(
    "process",
    Target(
        "task",
        "CPU of a task in a fresh process",
        "ms",
        must=Limit(1.3, "ratio"),
        aim=Limit(1.1, "ratio"),
        reference="Rscript",
    ),
)
def process(bench: Workbench) -> Mapping[str, Figure]:
    """A task that gets an R of its own, as many at a time as there are cores."""
    bare = bare_r(bench)
    words = ["run", "--max-workers", str(os.cpu_count())]
    one = bench.flow("wide.R", *words, splits=1, isolation="process")
    few = bench.flow("wide.R", *words, splits=FEW, isolation="process")
    return {"task": Figure(_cpu_ms(one, few, FEW), bare.cpu_s * 1e3)}


@benchmark(
    "resume-1000",
    Target("task", "CPU of a cloned task", "ms", must=Limit(3), aim=Limit(1)),
)
def resume_1000(bench: Workbench) -> Mapping[str, Figure]:
    """A run whose thousand tasks are taken over from the one that failed after them."""
    one, many = (_resumed(bench, size) for size in (1, MANY))
    return {"task": Figure(_cpu_ms(one, many, MANY))}


@benchmark(
    "debug_task",
    Target("wall", "failed task to its frame with its data, wall", "s", Limit(1.5), Limit(1)),
)
def debug_task(bench: Workbench) -> Mapping[str, Figure]:
    """One command, from R's start to the data of the task that failed."""
    # Not the run that others resume: the flow's latest one must be the one that failed.
    origin = bench.once("failed run to enter", lambda: _failed_run(bench, 1))
    return {"wall": Figure(bench.flow("debug.R", directory=origin).wall_s)}


def wide(bench: Workbench, size: int) -> Cost:
    """A foreach of *size* no-op tasks."""
    return bench.flow("wide.R", splits=size)


def _resumed(bench: Workbench, size: int) -> Cost:
    origin = bench.once(f"failed run of {size}", lambda: _failed_run(bench, size))
    words = ["resume", "--origin-run-id", (origin / "run_id").read_text()]
    return bench.flow("wide.R", *words, directory=origin, splits=size)


def _failed_run(bench: Workbench, size: int) -> Path:
    """Where a run of *size* tasks has failed after them; its id is in the file ``run_id``."""
    where = bench.directory()
    words = ["run", "--run-id-file", "run_id"]
    bench.flow("wide.R", *words, directory=where, exit_code=1, splits=size, fails="yes")
    return where


def _until_first_s(printed: str) -> float:
    """Seconds from the end of the step that split to the first line that a task of it printed."""
    lines = printed.splitlines()
    split = next(line for line in lines if "/start/" in line and "finished" in line)
    first = next(line for line in lines if "/work/" in line and "] task " in line)
    return (_time(first) - _time(split)).total_seconds()


def _time(line: str) -> datetime:
    return datetime.strptime(line[:23], "%Y-%m-%d %H:%M:%S.%f")


def _cpu_ms(one: Cost, many: Cost, size: int) -> float:
    """CPU of each task but the first, in milliseconds."""
    return (many.cpu_s - one.cpu_s) / (size - 1) * 1e3


BENCHMARKS = (
    foreach_1000,
    foreach_10000,
    process,
    resume_1000,
    debug_task,
)
