"""The cost of a command and of all that it starts."""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_MAXRSS_BYTES = 1 if sys.platform == "darwin" else 1024
"""Unit of a process's largest resident size."""


@dataclass(frozen=True)
class Cost:
    """What a command took.

    Args:
        cpu_s: CPU time of the process and of every descendant that was waited for, in seconds.
        wall_s: Wall time in seconds.
        peak_bytes: Largest resident size of any one of these processes.
        output: What it printed on standard output.
    """

    cpu_s: float
    wall_s: float
    peak_bytes: int
    output: str


def touch_memory(size_mb: int) -> None:
    """Write to each page of as much memory, and free it: the next to ask for memory gets it.

    A virtual machine whose free memory is its host's again gets every page of it from there: the
    first write of 400 MB to files was seen to take 1.25 CPU-seconds on such a machine, and 0.08
    where the memory had just been freed. What is measured of large values is not the host.
    """
    size_bytes = size_mb * 1_000_000
    with mmap.mmap(-1, size_bytes) as memory:
        for page in range(0, size_bytes, mmap.PAGESIZE):
            memory[page] = 1


class CommandFailed(Exception):
    """A command that is measured ended with another exit code than it must."""


def cost_of(
    command: Sequence[object],
    directory: Path,
    environment: Mapping[str, object] | None = None,
    exit_code: int = 0,
) -> Cost:
    """Run *command* and measure it.

    Args:
        command: The program and its arguments.
        directory: Where it runs; what it prints is kept there.
        environment: Further environment variables.
        exit_code: How it must end.

    Raises:
        CommandFailed: If it ended otherwise; with the end of what it printed.
    """
    words = [str(word) for word in command]
    added = {name: str(value) for name, value in (environment or {}).items()}
    printed = directory / "stdout.txt"
    # A file and not a pipe: nobody has to read it, and so nobody's CPU time is in the measure.
    with printed.open("w+b") as out, (directory / "stderr.txt").open("w+b") as err:
        started_s = time.perf_counter()
        process = subprocess.Popen(
            words, cwd=directory, env={**os.environ, **added}, stdout=out, stderr=err
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - started_s
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        output, errors = out.read().decode(), err.read().decode()
    if process.returncode != exit_code:
        tail = (output + errors)[-2000:]
        raise CommandFailed(f"{' '.join(words)} ended with {process.returncode}:\n{tail}")
    cpu_s = usage.ru_utime + usage.ru_stime
    return Cost(cpu_s, wall_s, usage.ru_maxrss * _MAXRSS_BYTES, output)
