"""Runs that are killed at random points and resumed, and what must hold afterwards.

What happens follows from a seed, but for how long the system takes for each thing.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from core_process import CoreRun, CoreServer
from drawn_flows import DrawnFlow, Left
from r_scripts import DEADLINE_S, Folder, wait_until

from metaflow_core.datastore.attempts import AttemptReader, FlowDatastore
from metaflow_core.datastore.fsck import verify
from metaflow_core.datastore.local import FOLDER, LocalStorage
from metaflow_core.errors import MetaflowError
from metaflow_core.metadata.local import LocalMetadata
from metaflow_core.model.flow import PARAMETERS
from metaflow_core.model.pathspec import Pathspec
from metaflow_core.model.task import TaskKey

SCRIPT = Path(__file__).parent / "test_faults" / "flows" / "drawn.R"

_VICTIMS = {"core": 10, "zygote": 4, "worker": 5, "session": 1}
"""How often each is killed; the session is the user's R, in which the core runs."""

_ISOLATIONS = {"auto": 4, "fork": 3, "process": 1}
_EVENTS_OF_A_START, _EVENTS_OF_A_TASK = 60, 90
_SESSION_S = (0.5, 2.0)
_STARTED = re.compile(r"\[\d+/\w+/(\d+) \(pid \d+\)\] Task is starting\.")


@dataclass(frozen=True)
class Recorded:
    """A flow with what R gives the core for it.

    Args:
        drawn: The flow.
        path: What R gives.
        place: Its place among those that were drawn together, from 1.
        description: The file that describes them.
        results: What each of its tasks leaves.
    """

    drawn: DrawnFlow
    path: Path
    place: int
    description: Path
    results: dict[TaskKey, Left]


def record_flows(folder: Path, numbers: Sequence[int]) -> dict[int, Recorded]:
    """Draw the flows of these numbers, and let R record what it would give the core for them."""
    drawn = [DrawnFlow.draw(Random(number), f"Drawn{number}Flow") for number in numbers]
    description = folder / "drawn.json"
    description.write_text(json.dumps([flow.description() for flow in drawn]))
    environment = {**os.environ, "DRAWN": str(description), "RECORD": str(folder)}
    subprocess.run(["Rscript", SCRIPT], cwd=folder, env=environment, check=True, timeout=DEADLINE_S)
    return {
        number: Recorded(flow, folder / f"{flow.name}.rds", place, description, flow.results())
        for place, (number, flow) in enumerate(zip(numbers, drawn, strict=True), 1)
    }


@dataclass
class Tally:
    """What was seen in all: runs, kills, artifacts that were as they had to be, tasks lost."""

    runs: int = 0
    kills: int = 0
    artifacts: int = 0
    lost: int = 0

    def add(self, other: Tally) -> None:
        """Count *other*, too."""
        self.runs += other.runs
        self.kills += other.kills
        self.artifacts += other.artifacts
        self.lost += other.lost

    def __str__(self) -> str:
        return (
            f"{self.runs} runs, {self.kills} kills, {self.artifacts} artifacts verified, "
            f"lost: {self.lost}"
        )


@dataclass
class KilledRun:
    """A run that is killed, perhaps again while it is resumed, and brought to its end.

    Args:
        seed: Decides what is killed, and when.
        recorded: The flow.
        parent: Where its folder is made; it is removed if all is well.
        server: What runs the core.
        tally: What was seen.
        story: What was done, for who has to find out what went wrong.
    """

    seed: int
    recorded: Recorded
    parent: Path
    server: CoreServer
    tally: Tally = field(default_factory=Tally)
    story: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = Random(self.seed)
        self._own = self.parent / f"seed-{self.seed}"
        self._own.mkdir()
        self._folder = Folder.make(self._own, [SCRIPT])
        self._isolation = _draw(self._random, _ISOLATIONS)
        self._root = self._folder.path / FOLDER
        self._store = FlowDatastore(LocalStorage(self._root), self.recorded.drawn.name)
        self._metadata = LocalMetadata(self._root)
        self._done: set[TaskKey] = set()

    def go_through(self) -> None:
        """Kill and resume until the run is done. Raises AssertionError if anything is not right."""
        for _ in range(self._random.randint(1, 3)):
            if self._go(_draw(self._random, _VICTIMS)) == 0:
                break
        else:
            assert self._go("nobody") == 0, self.story[-1]
        self._check_end()
        shutil.rmtree(self._own)

    def _go(self, victim: str) -> int:
        """Start or resume the run, and kill the victim meanwhile; the exit code."""
        origin = self._latest()
        self._done |= set(self._readers(origin)) if origin else set()
        words = ["resume" if origin else "run", "--isolation", self._isolation]
        go = self._session if victim == "session" else self._core
        code, killed, said = go(victim, words)
        self.story.append(f"{' '.join(words)}: killed {killed or 'nobody'}, exit {code}\n{said}")
        self.tally.runs += 1
        self.tally.kills += bool(killed)
        # The core and the session are killed, or they tell what became of the others.
        assert code in ((-9,) if victim in killed and code < 0 else (0, 1)), said
        wait_until(lambda: not self._folder.processes(), "every process has ended")
        assert verify(self._store) == []
        if self._latest() != origin:
            self._check_nothing_done_again(said)
        return code

    def _core(self, victim: str, words: list[str]) -> tuple[int, str, str]:
        killed, output = self._own / "killed", self._own / f"output-{self.tally.runs}"
        killed.unlink(missing_ok=True)
        most = _EVENTS_OF_A_START + _EVENTS_OF_A_TASK * len(self.recorded.results)
        code = self.server.run(
            CoreRun(
                str(self.recorded.path),
                words,
                str(self._folder.path),
                self._folder.environment(),
                str(output),
                victim,
                0 if victim == "nobody" else self._random.randint(1, most),
                str(killed),
            )
        )
        return code, killed.read_text() if killed.exists() else "", output.read_text()

    def _session(self, victim: str, words: list[str]) -> tuple[int, str, str]:
        output = self._own / f"output-{self.tally.runs}"
        variables = {"DRAWN": str(self.recorded.description), "FLOW": str(self.recorded.place)}
        with output.open("wb") as file:
            process = subprocess.Popen(
                ["Rscript", SCRIPT.name, *words],
                cwd=self._folder.path,
                env=self._folder.environment(**variables),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        # A random moment is meant, and not one at which something has happened.
        time.sleep(self._random.uniform(*_SESSION_S))
        process.kill()
        code = process.wait(DEADLINE_S)
        return code, victim if code < 0 else "", output.read_text()

    # What must hold

    def _check_nothing_done_again(self, said: str) -> None:
        """No task that any run before had finished was started; *said* is what it printed."""
        run = self._latest()
        started = set(_STARTED.findall(said))
        again = [
            key
            for key, reader in (self._readers(run) if run else {}).items()
            if key in self._done and reader.path.task in started
        ]
        self.tally.lost += len(again)
        assert not again, f"finished, and run again: {again}"

    def _check_end(self) -> None:
        """All results are there, and nothing else is."""
        run = self._latest()
        assert run is not None
        left = self.recorded.results
        readers = self._readers(run)
        assert readers.keys() == left.keys()
        for key, reader in readers.items():
            self._check_task(reader, left[key])
        # R's own folder of a session that was killed is R's.
        left = [p.name for p in self._folder.temporary.iterdir() if not p.name.startswith("Rtmp")]
        assert left == [], left
        files = (path for path in self._root.rglob(".*") if path.is_file())
        # The index is no temporary file.
        hidden = [str(path) for path in files if not path.name.startswith(".index.")]
        assert hidden == [], hidden

    def _check_task(self, reader: AttemptReader, left: Left) -> None:
        assert reader.load("trace").value() == left.trace
        assert reader.load("items").value() == _as_r(left.items)
        bulk = reader.load("bulk").r_bytes()
        assert bytes(bulk).endswith((left.trace.encode() * left.bulk_bytes)[: left.bulk_bytes])
        assert reader.load("size").value() == left.size
        self.tally.artifacts += 4

    def _latest(self) -> Pathspec | None:
        """The run that a resume begins with: the last one that has come to its tasks."""
        runs = sorted(self._store.runs(), key=int, reverse=True)
        flow = self._store.flow
        begun = (run for run in runs if 0 in self._store.attempts(run, PARAMETERS, "0")[1])
        return next((Pathspec(flow, run) for run in begun), None)

    def _readers(self, run: Pathspec) -> dict[TaskKey, AttemptReader]:
        found = {}
        run_id = run.run or ""
        for step, task in self._store.tasks(run_id):
            try:
                reader = self._store.reader(run_id, step, task)
            except MetaflowError:
                continue
            if step.startswith("_") or not reader.load("_task_ok").value():
                continue
            indexes = tuple(frame.index for frame in reader.load("_foreach_stack").value())
            key = TaskKey(step, indexes)
            assert key not in found, f"{key} ran twice"
            found[key] = reader
        return found


def _as_r(items: tuple[str, ...]) -> object:
    return items[0] if len(items) == 1 else list(items)


def _draw(random: Random, weights: dict[str, int]) -> str:
    (drawn,) = random.choices(list(weights), list(weights.values()))
    return drawn
