"""What a process of this machine uses; read from ``/proc``, and not known where there is none."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_PROC = Path("/proc")

_PID = re.compile(r"\bpid (\d+)")

_CLOCK_SLACK_S = 2.0
"""How much the clock may have been set since the machine started."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process has used so far.

    Args:
        cpu_s: CPU time in seconds.
        memory_bytes: Resident size.
        started_at: When it started, in seconds since 1970.
    """

    cpu_s: float
    memory_bytes: int
    started_at: float


def usage(pid: int) -> Usage | None:
    """What process *pid* of this machine uses; None if it is gone or cannot be looked at."""
    try:
        text = (_PROC / str(pid) / "stat").read_text()
        boot = (_PROC / "stat").read_text().partition("\nbtime ")[2].split("\n", 1)[0]
    except OSError:
        return None
    # The name, in parentheses, may hold anything; what follows it is counted from there.
    fields = text.rpartition(")")[2].split()
    if fields[0] in ("Z", "X"):
        return None
    tick_s = 1 / os.sysconf("SC_CLK_TCK")
    return Usage(
        cpu_s=(int(fields[11]) + int(fields[12])) * tick_s,
        memory_bytes=int(fields[21]) * os.sysconf("SC_PAGE_SIZE"),
        started_at=int(boot) + int(fields[19]) * tick_s,
    )


def is_alive(state: Mapping[str, Any]) -> bool | None:
    """Whether the process that sent a heartbeat is still there; None if that cannot be known.

    It may have been on another machine; and another process may have its id by now.

    Args:
        state: The heartbeat: ``host pid at``.
    """
    if not is_here(state) or not _PROC.is_dir() or not isinstance(state.get("pid"), int):
        return None
    found = usage(state["pid"])
    return found is not None and found.started_at <= state["at"] + _CLOCK_SLACK_S


def is_here(state: Mapping[str, Any]) -> bool:
    """Whether a heartbeat came from this machine."""
    return state.get("host") == socket.gethostname()


def pid_of(worker: str) -> int | None:
    """The process of a worker that is called ``pid 123``, or None."""
    found = _PID.search(worker)
    return int(found[1]) if found else None
