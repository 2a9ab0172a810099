"""The launcher protocol: start an attempt's worker, talk with it, learn how it ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

Stream = Literal["stdout", "stderr"]


@dataclass(frozen=True, slots=True)
class Exit:
    """How a worker ended.

    Args:
        code: Exit code, or None if a signal ended it.
        signal: Number of that signal, or None.
        fault: For a worker that the launcher ended by itself: the reason, a sentence; else "".
        cpu_s: User and system time, in seconds.
        peak_memory_bytes: Largest resident size; 0 if it is not known.
    """

    code: int | None
    signal: int | None
    fault: str = ""
    cpu_s: float = 0.0
    peak_memory_bytes: int = 0


class Listener(Protocol):
    """What a launcher tells about a worker; all calls come from the runtime's own thread."""

    def on_start(self, label: str, *, is_loading: bool = False) -> None:
        """The worker runs.

        Args:
            label: What the console shows for it, such as ``"pid 4711"``.
            is_loading: Whether it has yet to load the flow; it sends `loaded` when it has.
        """
        ...

    def on_message(self, message: dict[str, Any]) -> None:
        """The worker sent a message (see `protocol`); what it wrote before has been told before."""
        ...

    def on_output(self, stream: Stream, data: bytes, *, is_shown: bool = False) -> None:
        """The worker, C code in it, or a child of it wrote to its standard output or error.

        Args:
            stream: Which of them.
            data: What it wrote.
            is_shown: Whether the user has seen it already.
        """
        ...

    def on_exit(self, how: Exit) -> None:
        """The worker ended. Called once, after everything that it wrote has been handed over."""
        ...


class Worker(Protocol):
    """A worker that was asked for; it may still have to start."""

    def send(self, message: Mapping[str, Any]) -> None:
        """Send a message; nothing happens if the worker is gone."""
        ...

    def interrupt(self) -> None:
        """Let the worker, and not its children, tell where it is and end; one that has not begun
        ends at once. Nothing else is forced: see `stop`."""
        ...

    def stop(self, grace_s: float) -> None:
        """End the worker and its children: ask first, and force it after *grace_s* seconds."""
        ...


class Launcher(Protocol):
    """Starts workers."""

    def prepare(self) -> None:
        """Start what can be started before the first attempt; to be called once, or not at all."""
        ...

    def on_load(self, hear: Callable[[bytes], object]) -> None:
        """Let *hear* have what is printed while the flow is loaded once for many attempts."""
        ...

    def expect(self, count: int) -> None:
        """Start ahead what *count* further attempts will need, which come soon if all goes well."""
        ...

    def start(self, listener: Listener, isolation: str | None = None) -> Worker:
        """Start a worker for one attempt.

        Args:
            listener: Is told what happens, from now on.
            isolation: How the attempt is kept apart from others, where the launcher knows ways;
                None for the run's own.

        Raises:
            WorkerError: If none can be started; the sentence says why.
        """
        ...

    def close(self) -> None:
        """End whatever the launcher keeps running."""
        ...
