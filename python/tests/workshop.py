"""Launchers whose workers, and zygote, are small Python programs (see `fake_rscript`)."""

from __future__ import annotations

import itertools
import os
import signal
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import metaflow_core
from metaflow_core.compute.fork import ZygoteProcess
from metaflow_core.compute.inline import Hear, Say
from metaflow_core.compute.launcher import Exit, Stream, Worker
from metaflow_core.compute.local import LocalLauncher
from metaflow_core.compute.loop import Loop
from metaflow_core.compute.process import RCommand

_RSCRIPT = f"""\
#!{sys.executable} -IS
import sys
sys.path[:0] = [{str(Path(__file__).parent)!r}, {str(Path(metaflow_core.__file__).parents[1])!r}]
import fake_rscript
fake_rscript.main()
"""


@dataclass
class Told:
    """A listener that keeps what it is told."""

    labels: list[str] = field(default_factory=list)
    loading: list[bool] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)
    output: dict[Stream, bytes] = field(default_factory=lambda: {"stdout": b"", "stderr": b""})
    shown: list[bool] = field(default_factory=list)
    ends: list[Exit] = field(default_factory=list)
    after_end: list[object] = field(default_factory=list)

    def on_start(self, label: str, *, is_loading: bool = False) -> None:
        self._note(label)
        self.labels.append(label)
        self.loading.append(is_loading)

    def on_message(self, message: dict[str, Any]) -> None:
        self._note(message)
        self.messages.append(message)

    def on_output(self, stream: Stream, data: bytes, *, is_shown: bool = False) -> None:
        self._note(data)
        self.shown.append(is_shown)
        self.output[stream] += data

    def on_exit(self, how: Exit) -> None:
        self._note(how)
        self.ends.append(how)

    @property
    def end(self) -> Exit:
        """How the worker ended."""
        (end,) = self.ends
        return end

    def _note(self, what: object) -> None:
        if self.ends:
            self.after_end.append(what)


def _serve_inline(program: Path, hear: Hear, say: Say) -> int | None:
    """Run *program* in this process, in the place of the session."""

    def send(**message: Any) -> None:
        say(message)

    names = {"receive": hear, "send": send, "os": os, "signal": signal, "time": time}
    try:
        exec(compile(program.read_text(), program.name, "exec"), names)
    except SystemExit as end:
        return int(end.code or 0)
    except KeyboardInterrupt:
        return None
    return 0


@dataclass
class Workshop:
    """Makes launchers whose workers are Python programs, and waits for what they tell.

    Args:
        folder: For the programs and what they write.
        loop: Where is waited.
        isolation: What the launchers take, if nothing else is asked for.
    """

    folder: Path
    loop: Loop
    isolation: str
    said: list[str] = field(default_factory=list)
    _launchers: list[LocalLauncher] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def rscript(self, program: str, zygote: str = "ready()") -> Path:
        """A stand-in for Rscript whose workers run *program*, and whose zygote begins so."""
        folder = self.folder / f"r-{next(self._numbers)}"
        folder.mkdir()
        rscript = folder / "rscript"
        rscript.write_text(_RSCRIPT)
        rscript.chmod(0o755)
        (folder / "program.py").write_text(textwrap.dedent(program))
        (folder / "zygote.py").write_text(textwrap.dedent(zygote))
        return rscript

    def launcher(
        self,
        program: str,
        *,
        zygote: str = "ready()",
        isolation: str = "",
        ahead: ZygoteProcess | None = None,
        **changed: str,
    ) -> LocalLauncher:
        """A launcher whose workers run *program*, and whose zygote begins with *zygote*."""
        rscript = self.rscript(program, zygote)
        folder = rscript.parent
        command = {
            "rscript": str(rscript),
            "working_dir": str(self.folder),
            "temporary_dir": str(folder),
            **changed,
        }
        launcher = LocalLauncher(
            self.loop,
            command=RCommand(libraries=("/a library", "/b"), **command),
            scripts=Path("scripts"),
            payload=Path("payload"),
            isolation=isolation or self.isolation,
            say=self.said.append,
            serve_inline=partial(_serve_inline, folder / "program.py"),
            ahead=ahead,
        )
        self._launchers.append(launcher)
        return launcher

    def start(self, program: str) -> tuple[Worker, Told]:
        """Start a worker that runs *program*."""
        told = Told()
        return self.launcher(program).start(told), told

    def run(self, program: str) -> Told:
        """What a worker that runs *program* told, once it has ended."""
        _, told = self.start(program)
        return self.wait(told)

    def wait(self, *told: Told) -> Told:
        """Wait until the workers have ended; what the first one told."""
        self.until(lambda: all(t.ends for t in told))
        assert [t.after_end for t in told] == [[]] * len(told)
        return told[0]

    def until(self, done: Callable[[], object]) -> None:
        """Wait until *done*; what never happens fails the test instead of hanging it."""
        late: list[bool] = []
        cancel = self.loop.call_later(30, lambda: late.append(True))
        while not done():
            self.loop.step()
            assert not late
        cancel()

    def close(self) -> None:
        """End all launchers."""
        for launcher in self._launchers:
            launcher.close()
        self.loop.close()
