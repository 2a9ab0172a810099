"""Why an attempt failed: what its worker told, or what its end tells."""

from __future__ import annotations

import errno
import signal
from collections.abc import Mapping
from typing import Any

from metaflow_core import wire
from metaflow_core.compute import memory
from metaflow_core.compute.launcher import Exit
from metaflow_core.model.task import Failure

_FULL = {errno.ENOSPC, errno.EDQUOT}


def failure_of(
    result: Mapping[str, Any] | None, how: Exit, kills: memory.OutOfMemoryKills, *, started: bool
) -> Failure | None:
    """Why an attempt that nobody stopped has failed; None if it has not.

    Args:
        result: What the worker said at its end, or None.
        how: How the worker ended.
        kills: Tells whether the kernel has ended processes for want of memory.
        started: Whether the worker ran at all.
    """
    if how.fault:
        is_gone = how.code is None and how.signal is None
        kind = "start" if not started else "lost" if is_gone else "malformed"
        return Failure(kind, how.fault)
    if result is None:
        return _of_exit(how, kills)
    flaw = _flaw(result)
    if flaw:
        return Failure("malformed", f"The worker's result cannot be used: {flaw}.")
    if not result["ok"]:
        return _told(result["failure"])
    return _of_exit(how, kills) if how.code != 0 else None


def of_stop(stopped: Failure, result: Mapping[str, Any] | None) -> Failure:
    """Why an attempt failed that the core has ended, as R told it in *result* if it did."""
    if result is None or _flaw(result) or result["ok"]:
        return stopped
    told = _told(result["failure"])
    return told if told.kind == stopped.kind else stopped


def of_save(error: Exception) -> Failure:
    """What could not be stored, as a failure; a full disk is told apart."""
    number = getattr(error.__cause__ or error, "errno", None)
    return Failure("disk_full" if number in _FULL else "save", str(error))


def condition_bytes(failure: Failure) -> bytes:
    """A failure as an R condition, in R `serialize()` bytes: R's own, or one made for it."""
    if failure.condition:
        return failure.condition
    kind = f"metaflow_task_{failure.kind}"
    return wire.dumps(
        wire.Classed(
            {"message": failure.message, "call": None},
            (kind, "metaflow_task_failed", "metaflow_error", "error", "condition"),
        )
    )


def trace(failure: Failure) -> str:
    """The message and the user's frames below it, innermost first."""
    return "\n".join([failure.message, *(f"  at {place(f)}" for f in reversed(failure.frames))])


def place(frame: Mapping[str, Any]) -> str:
    """``file:line in call``, or the call alone where R does not know its place."""
    where = f"{frame['file']}:{frame['line']} in " if frame.get("file") else ""
    return f"{where}{frame['call']}"


def _told(item: Mapping[str, Any]) -> Failure:
    classes = item.get("classes") or []
    return Failure(
        kind=item["kind"],
        message=item["message"] or "",
        call=item.get("call") or "",
        classes=tuple(classes if isinstance(classes, list) else [classes]),
        frames=tuple(item.get("frames") or ()),
        condition=item.get("condition") or b"",
    )


def _flaw(result: Mapping[str, Any]) -> str:
    """What a result lacks that every one has, or ""."""
    if not isinstance(result.get("ok"), bool):
        return "it does not say whether the step was done"
    if not result["ok"]:
        failure = result.get("failure")
        known = isinstance(failure, Mapping) and {"kind", "message"} <= set(failure)
        return "" if known else "it does not say why the step failed"
    artifacts = result.get("artifacts") or ()
    named = all(isinstance(a, Mapping) and {"name", "kind"} <= set(a) for a in artifacts)
    return "" if named else "an artifact in it has no name or no kind"


_CRASHES = {signal.SIGSEGV, signal.SIGABRT, signal.SIGFPE, signal.SIGILL, signal.SIGBUS}


def _of_exit(how: Exit, kills: memory.OutOfMemoryKills) -> Failure:
    if how.signal is None:
        return Failure(
            "quit",
            f"The task's R process ended with status {how.code} before the step was done: a step "
            "must return, and neither call `quit()` nor let other code end R.",
        )
    peak = f" at {how.peak_memory_bytes / 1e9:.1f} GB" if how.peak_memory_bytes else ""
    told = f"The task was killed by signal {how.signal} ({_name(how.signal)}){peak}"
    if how.signal == signal.SIGKILL and (kills.are_new() or memory.is_large(how.peak_memory_bytes)):
        return Failure("out_of_memory", f"{told}: it had probably run out of memory.")
    if _name(how.signal) == "SIGXFSZ":
        return Failure("killed", f"{told}: it wrote a larger file than `ulimit -f` allows.")
    if how.signal in _CRASHES:
        return Failure("killed", f"{told}: R crashed, most likely in compiled code of a package.")
    return Failure("killed", f"{told}.")


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"
