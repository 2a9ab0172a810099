"""`resources`: what a task needs; on this machine a hint that bounds how many run at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from metaflow_core.decorators.base import DecoratorType, TaskPolicy, number_at_least
from metaflow_core.model.flow import Step


def _problems(attributes: Mapping[str, Any], step: Step | None) -> list[str]:
    found = number_at_least(attributes, "memory", 0)
    for name in ("cpu", "gpu", "shared_memory"):
        if attributes[name] is not None:
            found += number_at_least(attributes, name, 0)
    return found


def _apply(policy: TaskPolicy, attributes: Mapping[str, Any]) -> TaskPolicy:
    return replace(policy, cpu=float(attributes["cpu"] or 0))


RESOURCES = DecoratorType(
    "resources",
    "step",
    # Source of the defaults: Netflix/metaflow 2.19, plugins/resources_decorator.py. Memory in MB.
    {"cpu": 1, "gpu": None, "memory": 4096, "shared_memory": None, "disk": None},
    _problems,
    _apply,
)
