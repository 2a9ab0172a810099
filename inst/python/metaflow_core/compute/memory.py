"""Whether a process that was killed had probably used up the memory."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

_VMSTAT = Path("/proc/vmstat")
_CGROUP_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
_LARGE_SHARE = 0.5
"""Share of all memory from which a process that was killed is taken to have been too large."""


class OutOfMemoryKills:
    """Counts what the kernel has killed because there was no memory left.

    Args:
        vmstat: File with the kernel's counters.
    """

    def __init__(self, vmstat: Path = _VMSTAT) -> None:
        self._vmstat = vmstat
        self._seen = self._count()

    def are_new(self) -> bool:
        """Whether there were any since this was asked last."""
        before, self._seen = self._seen, self._count()
        return self._seen > before

    def _count(self) -> int:
        with contextlib.suppress(OSError):
            for line in self._vmstat.read_text(encoding="ascii").splitlines():
                name, _, value = line.partition(" ")
                if name == "oom_kill":
                    return int(value)
        return 0


def is_large(size_bytes: int) -> bool:
    """Whether a process of this size took much of the memory that there is."""
    return size_bytes >= _LARGE_SHARE * memory_bytes()


def memory_bytes() -> float:
    """Memory of this machine, or of the container; infinite if it is not known."""
    limits = [float("inf")]
    with contextlib.suppress(OSError, ValueError, AttributeError):
        limits.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for path in _CGROUP_LIMITS:
        with contextlib.suppress(OSError, ValueError):
            limits.append(int(path.read_text(encoding="ascii")))
    return min(limits)
