"""R scripts run as a user runs them: with `Rscript`, in a folder of their own."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from metaflow_core import client

DEADLINE_S = 120.0
"""How long anything may take before a test gives up on it."""

_TASK_LINE = re.compile(
    r"^\S+ \S+ \[(?P<run>[^/]+)/(?P<step>\w+)/(?P<task>\w+)[^\]]*\] (?P<text>.*)$"
)


@dataclass(frozen=True)
class Ended:
    """How a script ended.

    Args:
        code: Exit code.
        out: What it printed on stdout, and on stderr too if both were one.
        err: What it printed on stderr.
    """

    code: int
    out: str
    err: str = ""

    def expect(self, code: int) -> Ended:
        """This, if it ended with *code*."""
        told = "\n".join(line[:200] for line in f"{self.out}\n{self.err}".splitlines())
        assert self.code == code, f"exit code {self.code}, not {code}\n{told}"
        return self

    @property
    def run_id(self) -> str:
        """Id of the run that it started."""
        found = re.search(r"Workflow starting \(run-id (\S+)\):", self.out)
        assert found, f"No run was started:\n{self.out}\n{self.err}"
        return found[1]

    @property
    def started_a_run(self) -> bool:
        """Whether it started a run."""
        return "Workflow starting" in self.out

    def task_lines(self, step: str) -> list[str]:
        """What the tasks of *step* have on the console, without time and task."""
        matches = (_TASK_LINE.match(line) for line in self.out.splitlines())
        return [match["text"] for match in matches if match and match["step"] == step]

    def steps_with(self, text: str) -> list[str]:
        """The step of each task line that begins with *text*, in their order."""
        matches = (_TASK_LINE.match(line) for line in self.out.splitlines())
        return [match["step"] for match in matches if match and match["text"].startswith(text)]

    @property
    def started(self) -> list[str]:
        """The step of each task that was started."""
        return self.steps_with("Task is starting.")

    @property
    def cloned(self) -> list[str]:
        """The step of each task that was cloned."""
        return self.steps_with("Cloning results of a previously run task")

    def facts(self, step: str) -> dict[str, str]:
        """What the tasks of *step* printed as ``name=value``."""
        pairs = (line.partition("=") for line in self.task_lines(step))
        return {name: value for name, equals, value in pairs if equals}


@dataclass(frozen=True)
class Folder:
    """A folder with scripts, where they run and where their runs are stored.

    Args:
        path: The folder.
        temporary: What scripts have as TMPDIR.
        mark: Value of the variable ``END_TO_END_MARK`` in every process that starts here.
    """

    path: Path
    temporary: Path
    mark: str

    @classmethod
    def make(cls, parent: Path, scripts: Sequence[Path]) -> Folder:
        """A new folder with copies of *scripts*."""
        path, temporary = parent / "flows", parent / "tmp"
        path.mkdir()
        temporary.mkdir()
        for script in scripts:
            shutil.copy(script, path)
        return cls(path, temporary, str(parent))

    def environment(self, **more: str) -> dict[str, str]:
        """The environment of every script: the caller's, with nothing of Metaflow but a user.

        And how tasks are kept apart, so that all scripts can be run in each way.
        """
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("METAFLOW_") or name == "METAFLOW_DEFAULT_ISOLATION"
        }
        own = {
            "METAFLOW_USER": "tester",
            "METAFLOW_HOME": str(self.temporary.parent / "home"),
            "TMPDIR": str(self.temporary),
            "END_TO_END_MARK": self.mark,
        }
        return {**kept, **own, **more}

    def start(self, *words: str, merged: bool = False, **environment: str) -> subprocess.Popen[str]:
        """Start ``Rscript`` with *words*, as the leader of a session of its own."""
        return subprocess.Popen(
            ["Rscript", *words],
            cwd=self.path,
            env=self.environment(**environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if merged else subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )

    def rscript(self, *words: str, merged: bool = False, **environment: str) -> Ended:
        """Run ``Rscript`` with *words*; with *merged* stdout and stderr come in their order."""
        process = self.start(*words, merged=merged, **environment)
        try:
            out, err = process.communicate(timeout=DEADLINE_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, err = process.communicate()
            raise AssertionError(f"{words} did not end:\n{out}\n{err}") from None
        return Ended(process.returncode, out, err or "")

    def at_once(self, commands: Mapping[str, Sequence[str]]) -> dict[str, Ended]:
        """Run several commands, as many at a time as there are processors."""
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            running = {name: pool.submit(self.rscript, *words) for name, words in commands.items()}
            return {name: future.result() for name, future in running.items()}

    def edit(self, script: str, old: str, new: str) -> None:
        """Change a script as its user would."""
        path = self.path / script
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")

    def runs(self, flow: str) -> list[str]:
        """Ids of the runs that are stored, the oldest first."""
        stored = (self.path / ".metaflow" / flow).glob("[0-9]*")
        return sorted(path.name for path in stored)

    def leftovers(self) -> list[str]:
        """Files that are neither scripts nor the store, and whatever is in TMPDIR."""
        ours = [path.name for path in self.path.iterdir() if path.suffix != ".R"]
        temporary = [path.name for path in self.temporary.iterdir()]
        return sorted({*ours, *temporary} - {".metaflow"})

    def processes(self) -> list[str]:
        """Command lines of the processes that started here and are still there."""
        return [
            _command_line(process)
            for process in Path("/proc").glob("[0-9]*")
            if f"END_TO_END_MARK={self.mark}".encode() in _environment_of(process)
        ]

    @contextlib.contextmanager
    def client(self) -> Iterator[None]:
        """The Python client of this process looks at all runs of this folder."""
        client.metadata(f"local@{self.path}")
        client.namespace(None)
        try:
            yield
        finally:
            client.default_namespace()
            client.default_metadata()


def wait_until(holds: Callable[[], object], what: str) -> None:
    """Wait until *holds* is true; *what* says it in words."""
    deadline = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < deadline, f"Not in time: {what}"
        time.sleep(0.02)


def r_problem() -> str:
    """Why R cannot run the scripts, or ""."""
    try:
        ended = subprocess.run(
            ["Rscript", "-e", "library(metaflow)"], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return "There is no Rscript on the PATH: `make setup` installs it."
    if ended.returncode == 0:
        return ""
    return f"R cannot load the package (`make setup` installs it):\n{ended.stderr}"


def _command_line(process: Path) -> str:
    try:
        return (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def _environment_of(process: Path) -> bytes:
    try:
        return (process / "environ").read_bytes()
    except OSError:
        return b""
