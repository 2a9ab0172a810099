"""Whatever is killed, and whenever: the store is whole, and a resume ends as a run without kills.

`KILLS` kills, of which `SEED` decides; ``make soak N=3000 SEED=7`` for more and others.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest
from core_process import CoreServer
from killed_runs import KilledRun, Recorded, Tally, record_flows

KILLS = int(os.environ.get("KILLS", "300"))
SEED = int(os.environ.get("SEED", "1"))
_SEEDS_OF_A_FLOW = 10


@dataclass
class Soak:
    """Kills runs, as many at a time as there are processors, until there were enough kills.

    Args:
        flows: What is run, by number.
        folder: For the runs' folders.
        tally: What was seen.
        failures: What went wrong, with the seed that it came from.
    """

    flows: dict[int, Recorded]
    folder: Path
    tally: Tally = field(default_factory=Tally)
    failures: list[str] = field(default_factory=list)

    def go_on(self, seeds: Iterator[int]) -> None:
        """Take the next seed until there is no need to; one thread, of which there may be many."""
        server = CoreServer()
        try:
            while self.tally.kills < KILLS and not self.failures:
                self._kill(next(seeds), server)
        finally:
            server.close()

    def _kill(self, seed: int, server: CoreServer) -> None:
        run = KilledRun(seed, self.flows[seed // _SEEDS_OF_A_FLOW], self.folder, server)
        try:
            run.go_through()
        except Exception as error:
            story = "\n".join(run.story)
            self.failures.append(f"make soak N=1 SEED={seed}: {error!r}\n{story}")
        self.tally.add(run.tally)


def test_nothing_is_lost(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # Most seeds kill more than once.
    numbers = range(SEED // _SEEDS_OF_A_FLOW, (SEED + KILLS) // _SEEDS_OF_A_FLOW + 2)
    soak, seeds = Soak(record_flows(tmp_path, numbers), tmp_path), count(SEED)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for thread in [pool.submit(soak.go_on, seeds) for _ in range(os.cpu_count() or 1)]:
            thread.result()
    with capsys.disabled():
        print(f"\n{soak.tally}")

    assert soak.failures == [], "\n".join(soak.failures)
    assert soak.tally.lost == 0
