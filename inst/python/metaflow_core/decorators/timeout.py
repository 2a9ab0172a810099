"""`timeout`: end an attempt that takes too long."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from metaflow_core.decorators.base import DecoratorType, TaskPolicy, number_at_least
from metaflow_core.model.flow import Step

_SECONDS = {"seconds": 1, "minutes": 60, "hours": 3600}


def _problems(attributes: Mapping[str, Any], step: Step | None) -> list[str]:
    found = [problem for unit in _SECONDS for problem in number_at_least(attributes, unit, 0)]
    if not found and not _timeout_s(attributes):
        found = ["`seconds`, `minutes` or `hours` must be given and above 0"]
    return found


def _timeout_s(attributes: Mapping[str, Any]) -> float:
    return float(sum(attributes[unit] * length for unit, length in _SECONDS.items()))


def _apply(policy: TaskPolicy, attributes: Mapping[str, Any]) -> TaskPolicy:
    return replace(policy, timeout_s=_timeout_s(attributes))


TIMEOUT = DecoratorType(
    "timeout", "step", {"seconds": 0, "minutes": 0, "hours": 0}, _problems, _apply
)
