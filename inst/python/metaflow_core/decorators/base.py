"""The decorator protocol: checked attributes, and what they change about a task."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from metaflow_core.model.flow import Step

MAX_ATTEMPTS = 6
"""Attempts that stock Metaflow looks at (its `MAX_ATTEMPTS`); later ones it would not see."""


@dataclass(frozen=True, slots=True)
class TaskPolicy:
    """How the tasks of a step are run.

    Args:
        retries: Further attempts after a failed first one, >= 0.
        retry_wait_s: Wait before each of them, in seconds.
        catches: Whether a failure for good is kept as a value and the run goes on.
        catch_var: Artifact that holds the caught condition, or None.
        print_exception: Whether a caught failure's trace is printed.
        timeout_s: Longest duration of an attempt, in seconds, or None.
        environment: Environment variables of the task.
        cpu: Cores it says it uses; 0 if it says nothing.
        isolation: How its tasks are kept apart from others; None for the run's own way.
        launcher: Name of the launcher that runs its attempts.
    """

    retries: int = 0
    retry_wait_s: float = 0.0
    catches: bool = False
    catch_var: str | None = None
    print_exception: bool = True
    timeout_s: float | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    cpu: float = 0.0
    isolation: str | None = None
    launcher: str = "local"


def _unchanged(policy: TaskPolicy, attributes: Mapping[str, Any]) -> TaskPolicy:
    return policy


def _no_problems(attributes: Mapping[str, Any], step: Step | None) -> list[str]:
    return []


@dataclass(frozen=True, slots=True)
class DecoratorType:
    """A kind of decorator.

    Args:
        name: As in stock Metaflow.
        level: Whether it decorates steps or flows.
        defaults: Every attribute it takes, with its default.
        problems: What is wrong with given attributes on a given step (None for a flow, or for a
            step that is not known yet), one sentence each.
        apply: How the attributes change the policy of a step's tasks.
        repeatable: Whether there may be several on one step or flow.
    """

    name: str
    level: Literal["step", "flow"]
    defaults: Mapping[str, Any]
    problems: Callable[[Mapping[str, Any], Step | None], list[str]] = _no_problems
    apply: Callable[[TaskPolicy, Mapping[str, Any]], TaskPolicy] = _unchanged
    repeatable: bool = False


def number_at_least(
    attributes: Mapping[str, Any], name: str, least: float, *, whole: bool = False
) -> list[str]:
    """The problem with a numeric attribute, if it has one."""
    value = attributes[name]
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and least <= value < math.inf and (not whole or value == int(value)):
        return []
    kind = "a whole number" if whole else "a number"
    return [f"`{name}` must be {kind} of at least {least:g}, not {value!r}"]
