"""What large artifacts cost on their way from R to R."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Mapping
from pathlib import Path

from benchmarks.benchmark import FLOWS, Figure, Limit, Target, Workbench, benchmark
from benchmarks.measure import cost_of, touch_memory

_MATRIX_MB = 100.0
_FRAME_MB = 30.9
"""A data frame of ``flows/large.R`` as R serializes it, in megabytes."""

_READ_FRAME = "cat(sum(system.time(readRDS('frame.rds'))[1:2]))"
"""R code: the CPU seconds of reading what ``flows/peer_frame.R`` has left, in a fresh process."""

_COUNT = 2
"""How many such values ``flows/large.R`` saves and loads."""

_TOUCHED_MB = 300
"""More memory than that takes in one step, as values or as files; and with what else is freed
meanwhile less than the gigabyte that a machine was seen to keep of its free memory."""


@benchmark(
    "matrix",
    Target(
        "save",
        "save a matrix of 100 MB, CPU",
        "MB/s",
        must=Limit(400, at_least=True),
        aim=Limit(1 / 1.3, "ratio", at_least=True),
        reference="serialize+sha1",
    ),
    Target(
        "load",
        "load it, CPU",
        "MB/s",
        must=Limit(400, at_least=True),
    ),
)
def matrix(bench: Workbench) -> Mapping[str, Figure]:
    """A matrix of random doubles, which does not compress."""
    save, load = _speeds(bench, "matrix", _MATRIX_MB)
    return {"save": Figure(save, _MATRIX_MB / _least_save_s(bench)), "load": Figure(load)}


@benchmark(
    "frame",
    Target(
        "save",
        "save a data frame of 1e6 rows, CPU",
        "MB/s",
        must=Limit(8, "ratio", at_least=True),
        reference="peer's save",
    ),
    Target(
        "load",
        "load it, CPU",
        "MB/s",
        must=Limit(1, "ratio", at_least=True),
        reference="readRDS",
    ),
    Target(
        "beside",
        "the same, beside the peer",
        "MB/s",
        aim=Limit(8, "ratio", at_least=True),
        reference="peer's save",
    ),
)
def frame(bench: Workbench) -> Mapping[str, Figure]:
    """An integer, a double and a million different strings.

    R looks up each string that it loads in the one table of all strings, which alone takes longer
    than an eighth of the peer's save: the load is to be no slower than R's own.
    """
    save, load = _speeds(bench, "frame", _FRAME_MB)
    where = bench.directory()
    touch_memory(_TOUCHED_MB)
    peer = cost_of(["Rscript", "--vanilla", FLOWS / "peer_frame.R"], where).output.split()
    peer_save = _FRAME_MB / float(peer[0])
    touch_memory(_TOUCHED_MB)
    alone = cost_of(["Rscript", "--vanilla", "-e", _READ_FRAME], where).output
    return {
        "save": Figure(save, peer_save),
        "load": Figure(load, _FRAME_MB / float(alone)),
        "beside": Figure(load, peer_save),
    }


@benchmark(
    "untouched",
    Target("read", "read of an artifact that is passed on", "MB", must=Limit(0.5, "difference")),
)
def untouched(bench: Workbench) -> Mapping[str, Figure]:
    """A run that is resumed after the step that made an artifact, which nobody looks at.

    All that its processes read is compared with the same of an artifact that is no larger than a
    number. The core's share is the session's.
    """
    large, small = (_read_mb(bench, size_mb) for size_mb in (1000 if bench.is_full else 200, 1e-5))
    return {"read": Figure(large, small)}


def _speeds(bench: Workbench, kind: str, size_mb: float) -> tuple[float, float]:
    """CPU speed of save and of load in MB/s, from R to R."""
    output = bench.flow("large.R", kind=kind, count=_COUNT, touch_mb=_TOUCHED_MB).output
    save_s, load_s = output.splitlines()[-1].split()
    return _COUNT * size_mb / float(save_s), _COUNT * size_mb / float(load_s)


def _least_save_s(bench: Workbench) -> float:
    """CPU of serialize to a file, in R, and of sha1 over it."""
    where = bench.directory()
    file = where / "matrix"
    script = FLOWS / "serialize_matrix.R"
    touch_memory(_TOUCHED_MB)
    wrote = cost_of(["Rscript", "--vanilla", script], where, {"BENCH_FILE": file})
    started_s = time.process_time()
    with file.open("rb") as written:
        hashlib.file_digest(written, "sha1")
    return float(wrote.output) + time.process_time() - started_s


def _read_mb(bench: Workbench, size_mb: float) -> float:
    """Megabytes that the resumed task and its session read."""

    def make() -> Path:
        where = bench.directory()
        bench.flow("untouched.R", "run", "--run-id-file", "run_id", directory=where, mb=size_mb)
        return where

    origin = bench.once(f"artifact of {size_mb} MB", make)
    words = ["resume", "carry", "--origin-run-id", (origin / "run_id").read_text()]
    output = bench.flow("untouched.R", *words, directory=origin, mb=size_mb).output
    return sum(map(int, re.findall(r"read-by-\w+ (\d+)", output))) / 1e6


BENCHMARKS = (
    matrix,
    frame,
    untouched,
)
