"""A flow as a value: its steps, parameters and decorators."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

START, END, PARAMETERS = "start", "end", "_parameters"
"""Names that every flow has: its first step, its last step, and the task that holds parameters."""


@dataclass(frozen=True, slots=True)
class Decorator:
    """A named set of arguments on a step or a flow.

    Args:
        name: Such as ``"retry"``.
        attributes: Arguments by name, plain data.
    """

    name: str
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """A node of the flow's graph.

    Args:
        name: Step name.
        next_steps: Names of the steps that follow, in the order written.
        foreach: Name of the artifact that is fanned out over, or None.
        condition: Name of the artifact whose value chooses the next step, or None.
        cases: For a condition: the artifact's value (as text) to the step's name.
        is_join: Whether the step takes `inputs`.
        decorators: In the order written.
        has_function: False for a step that passes through.
        doc: What the user wrote about it.
        source_file: File of the step's function, or "".
        line: Line in that file, 0 if not known.
    """

    name: str
    next_steps: tuple[str, ...] = ()
    foreach: str | None = None
    condition: str | None = None
    cases: Mapping[str, str] = field(default_factory=dict)
    is_join: bool = False
    decorators: tuple[Decorator, ...] = ()
    has_function: bool = False
    doc: str = ""
    source_file: str = ""
    line: int = 0

    @property
    def is_foreach(self) -> bool:
        """Whether each element of an artifact becomes a task of the next step."""
        return self.foreach is not None

    @property
    def is_switch(self) -> bool:
        """Whether one of the next steps is chosen at run time."""
        return self.condition is not None

    @property
    def is_branch(self) -> bool:
        """Whether all of several next steps run."""
        return len(self.next_steps) > 1 and not self.is_switch

    @property
    def is_split(self) -> bool:
        """Whether a join must close what this step opens."""
        return self.is_foreach or self.is_branch

    def decorator(self, name: str) -> Decorator | None:
        """The step's decorator of that name, or None."""
        return next((d for d in self.decorators if d.name == name), None)


@dataclass(frozen=True, slots=True)
class Parameter:
    """A value that a run is given from outside.

    Args:
        name: Parameter name.
        type: One of ``"int" "float" "str" "bool" "json"``, or None to tell from the default.
        required: Whether a run without it is refused.
        help: One line for `--help`.
        separator: Text that splits a value into a list of strings, or None.
        default: Plain data, None if there is none.
        default_is_function: Whether R evaluates the default when a run starts.
        is_flag: Whether it is a switch without a value on the command line.
    """

    name: str
    type: str | None = None
    required: bool = False
    help: str = ""
    separator: str | None = None
    default: Any = None
    default_is_function: bool = False
    is_flag: bool = False


@dataclass(frozen=True)
class Flow:
    """A whole flow.

    Args:
        name: Flow name.
        steps: By name, in the order written.
        parameters: By name, in the order written.
        decorators: Flow-level decorators.
        doc: What the user wrote about it.
        script: Path of the script that made it, or "".
    """

    name: str
    steps: Mapping[str, Step]
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    decorators: tuple[Decorator, ...] = ()
    doc: str = ""
    script: str = ""

    def decorator(self, name: str) -> Decorator | None:
        """The flow's decorator of that name, or None."""
        return next((d for d in self.decorators if d.name == name), None)

    @classmethod
    def of(cls, name: str, *steps: Step, **rest: Any) -> Flow:
        """A flow from its steps; short for tests and callers that have them in a row."""
        return cls(name, {step.name: step for step in steps}, **rest)
