"""Tells how far a large foreach has come, now and then."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from metaflow_core.compute.loop import Loop
from metaflow_core.runtime.console import Console
from metaflow_core.scheduler.snapshot import Tally

FEWEST_TASKS = 50
"""Smaller foreach loops are told by their tasks' own lines."""

_TICK_S = 1.0
_SILENT_S = 10.0
"""A line is due after so long, or when a tenth of the tasks has ended since the last one."""

_WINDOW_S = 30.0
"""How far back the rate looks: tasks of a foreach may differ."""


@dataclass
class _Watched:
    """What was seen of one step.

    Args:
        began_at: When it was first seen, in seconds of the clock.
        seen: When so many tasks had ended, of the last seconds.
        told_at: When it was told last, or first seen.
        told: How many tasks had ended then.
        is_told: Whether a line told of it.
    """

    began_at: float
    seen: deque[tuple[float, int]] = field(default_factory=deque)
    told_at: float = 0.0
    told: int = 0
    is_told: bool = False

    def rate(self) -> float:
        """Tasks that ended in a second, lately."""
        (first_at, first), (last_at, last) = self.seen[0], self.seen[-1]
        return (last - first) / (last_at - first_at) if last_at > first_at else 0.0


class Progress:
    """Looks at the tallies once a second while there is a large foreach.

    On a terminal a line below all others shows them; elsewhere they are lines among others.

    Args:
        console: Where they are told.
        loop: The loop that keeps the time.
        tallies: How far each foreach has come.
        clock: Seconds since some time.
    """

    def __init__(
        self,
        console: Console,
        loop: Loop,
        tallies: Callable[[], Sequence[Tally]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console, self._loop, self._tallies, self._clock = console, loop, tallies, clock
        self._watched: dict[str, _Watched] = {}
        self._is_ticking = False

    def watch(self, num_splits: int | None) -> None:
        """A foreach of *num_splits* items begins, or none."""
        if num_splits and not self._is_ticking and not self._console.quiet:
            self._is_ticking = True
            self._look()
            self._loop.call_later(_TICK_S, self._tick)

    def stop(self) -> None:
        """Tell nothing any more."""
        self._is_ticking = False
        self._console.status("")

    def _tick(self) -> None:
        if not self._is_ticking:
            return
        texts = self._look()
        if texts is None:
            self.stop()
            return
        self._console.status("; ".join(texts))
        self._loop.call_later(_TICK_S, self._tick)

    def _look(self) -> list[str] | None:
        """What there is to tell of the steps that are under way; None if all have ended."""
        now, texts, goes_on = self._clock(), [], False
        for tally in self._tallies():
            if tally.expected < FEWEST_TASKS:
                continue
            watched = self._watched.setdefault(tally.step, _Watched(now, told_at=now))
            watched.seen.append((now, tally.ended))
            while now - watched.seen[0][0] > _WINDOW_S:
                watched.seen.popleft()
            if tally.ended < tally.expected:
                goes_on = True
                # Tasks that wait behind a failed one never come.
                if tally.running or tally.ended > watched.told:
                    texts.append(describe(tally, watched.rate()))
                    self._tell(tally, watched, texts[-1], now)
            elif watched.is_told:
                watched.is_told = False
                took = _duration(now - watched.began_at)
                self._console.line(f"{_ended(tally)}, in {took}")
        return texts if goes_on else None

    def _tell(self, tally: Tally, watched: _Watched, text: str, now: float) -> None:
        """A line of its own, where there is no place for a line that changes."""
        share = (tally.ended - watched.told) / tally.expected
        is_due = now - watched.told_at >= (_TICK_S if share >= 0.1 else _SILENT_S)
        if is_due:
            watched.told_at, watched.told, watched.is_told = now, tally.ended, True
            if self._console.show_status is None:
                self._console.line(text)


def describe(tally: Tally, rate: float) -> str:
    """A tally in words.

    Args:
        tally: How far a step has come.
        rate: Tasks that end in a second.
    """
    parts = [_ended(tally), f"{tally.running} running"]
    if rate > 0:
        left = _duration((tally.expected - tally.ended) / rate)
        parts += [_rate(rate), f"about {left} left"]
    return ", ".join(parts)


def _ended(tally: Tally) -> str:
    done = f"{tally.step}: {tally.done} of {tally.expected} done"
    return f"{done}, {tally.failed} failed" if tally.failed else done


def _rate(rate: float) -> str:
    for per, unit in ((1, "s"), (60, "min")):
        if rate * per >= 1:
            return f"{rate * per:.0f} tasks/{unit}"
    return f"{rate * 3600:.1f} tasks/h"


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
