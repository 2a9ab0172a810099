"""`isolation`: how a step's tasks are kept apart from others on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from metaflow_core.compute.isolation import ISOLATIONS
from metaflow_core.decorators.base import DecoratorType, TaskPolicy
from metaflow_core.model.flow import Step


def _problems(attributes: Mapping[str, Any], step: Step | None) -> list[str]:
    mode = attributes["mode"]
    known = ", ".join(f'"{name}"' for name in ISOLATIONS)
    return [] if mode in ISOLATIONS else [f"`mode` must be one of {known}, not {mode!r}"]


def _apply(policy: TaskPolicy, attributes: Mapping[str, Any]) -> TaskPolicy:
    return replace(policy, isolation=attributes["mode"])


ISOLATION = DecoratorType("isolation", "step", {"mode": "auto"}, _problems, _apply)
