"""`Flow/run/step/task[/artifact]` as a value with parts."""

from __future__ import annotations

from dataclasses import dataclass

from metaflow_core.errors import InvalidPathspec

LEVELS = ("flow", "run", "step", "task", "artifact")


@dataclass(frozen=True, slots=True)
class Pathspec:
    """Names a flow, or something inside of it; parts after the first may be absent.

    Args:
        flow: Name of the flow.
        run: Run id, such as ``"1795235811450006"`` or ``"sfn-5ca8…"``.
        step: Step name.
        task: Task id.
        artifact: Artifact name.
    """

    flow: str
    run: str | None = None
    step: str | None = None
    task: str | None = None
    artifact: str | None = None

    @classmethod
    def parse(cls, text: str) -> Pathspec:
        """Read ``Flow``, ``Flow/run``, … ``Flow/run/step/task/artifact``.

        Raises:
            InvalidPathspec: If a part is empty or there are more than five.
        """
        parts = text.split("/")
        if not 1 <= len(parts) <= len(LEVELS) or not all(parts) or set(parts) & {".", ".."}:
            raise InvalidPathspec(
                f"{text!r} is not a pathspec.", "Write Flow/run/step/task, or a leading part of it."
            )
        return cls(*parts)

    def __str__(self) -> str:
        return "/".join(self.parts)

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts that are present, in order."""
        given = (self.flow, self.run, self.step, self.task, self.artifact)
        return tuple([part for part in given if part is not None])

    @property
    def level(self) -> str:
        """What this names: one of `LEVELS`."""
        return LEVELS[len(self.parts) - 1]

    @property
    def parent(self) -> Pathspec | None:
        """The pathspec one level up, or None for a flow."""
        return Pathspec(*self.parts[:-1]) if len(self.parts) > 1 else None

    def child(self, part: str) -> Pathspec:
        """The pathspec one level down."""
        return Pathspec(*(*self.parts, part))
