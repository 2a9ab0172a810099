"""`python -m benchmarks [NAME | list]`: measures, prints a table, and writes it as JSON.

`RUNS` says how many rounds are measured (5). What takes long has at most two or three, so that all
is done in a quarter of an hour on two cores; the table says how many. `FULL=1` measures what is
large at full size.
`Rscript` is taken from the path, and the package from `R_LIBS`. The exit code is 1 if a target
that must be reached is not.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import artifacts, history, startup, tasks
from benchmarks.benchmark import Benchmark, Workbench
from benchmarks.measure import CommandFailed
from benchmarks.table import HEADER, Row, rows, text

RESULTS = Path(__file__).with_name("results.json")

BENCHMARKS = {
    benchmark.name: benchmark
    for subject in (startup, tasks, artifacts, history)
    for benchmark in subject.BENCHMARKS
}


def main(words: list[str]) -> int:
    """Measure what *words* name, or all."""
    if words == ["list"]:
        lines = [(b.name, (b.round.__doc__ or "").splitlines()[0]) for b in BENCHMARKS.values()]
        print(text(("benchmark", "what"), lines))
        return 0
    unknown = [word for word in words if word not in BENCHMARKS]
    if unknown:
        print(f"No benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}, and list.")
        return 2
    started_s = time.perf_counter()
    runs = int(os.environ.get("RUNS") or 5)
    with tempfile.TemporaryDirectory(prefix="metaflow-bench-") as root:
        bench = Workbench(Path(root), is_full=bool(os.environ.get("FULL")))
        try:
            names = words or BENCHMARKS
            measured = [row for name in names for row in measure(BENCHMARKS[name], bench, runs)]
        except CommandFailed as failure:
            print(failure, file=sys.stderr)
            return 1
    print(text(HEADER, [row.cells() for row in measured]))
    write(measured)
    missed = [row for row in measured if row.reaches(row.target.must) is False]
    reached, took_min = len(measured) - len(missed), (time.perf_counter() - started_s) / 60
    print(f"{reached} of {len(measured)} reached, in {took_min:.0f} min; written to {RESULTS}")
    return 1 if missed else 0


def measure(benchmark: Benchmark, bench: Workbench, runs: int) -> list[Row]:
    """Run a benchmark *runs* times, or as often as it may be, and say so meanwhile."""
    rounds = []
    started_s = time.perf_counter()
    for number in range(min(runs, benchmark.most_rounds)):
        print(f"\r{benchmark.name}: round {number + 1} ", end="", file=sys.stderr, flush=True)
        rounds.append(benchmark.round(bench))
    took_s = time.perf_counter() - started_s
    print(f"\r{benchmark.name}: {len(rounds)} rounds in {took_s:.0f} s", file=sys.stderr)
    return rows(benchmark, rounds)


def write(measured: list[Row]) -> None:
    """Write all rows as JSON, beside this file."""
    data = {
        "machine": {"cpus": os.cpu_count(), "system": platform.platform()},
        "measured_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "rows": [row.as_data() for row in measured],
    }
    RESULTS.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
