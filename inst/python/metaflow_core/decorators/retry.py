"""`retry`: further attempts for a task that failed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from metaflow_core.decorators.base import (
    MAX_ATTEMPTS,
    DecoratorType,
    TaskPolicy,
    number_at_least,
)
from metaflow_core.model.flow import Step


def _problems(attributes: Mapping[str, Any], step: Step | None) -> list[str]:
    found = number_at_least(attributes, "times", 0, whole=True)
    if not found and attributes["times"] > MAX_ATTEMPTS - 2:
        # One attempt is left for the record of a caught failure.
        found = [f"`times` must be at most {MAX_ATTEMPTS - 2}, not {attributes['times']}"]
    return found + number_at_least(attributes, "minutes_between_retries", 0)


def _apply(policy: TaskPolicy, attributes: Mapping[str, Any]) -> TaskPolicy:
    return replace(
        policy,
        retries=int(attributes["times"]),
        retry_wait_s=60.0 * attributes["minutes_between_retries"],
    )


RETRY = DecoratorType(
    "retry",
    "step",
    # Source of the defaults: Netflix/metaflow 2.19, plugins/retry_decorator.py.
    {"times": 3, "minutes_between_retries": 2},
    _problems,
    _apply,
)
