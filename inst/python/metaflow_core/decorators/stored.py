"""Decorators that are kept with the flow and change nothing about a task on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from metaflow_core.decorators.base import DecoratorType
from metaflow_core.model.flow import Step


def _one_schedule(attributes: Mapping[str, Any], step: Step | None) -> list[str]:
    chosen = [name for name in ("cron", "weekly", "daily", "hourly") if attributes[name]]
    if len(chosen) > 1:
        return [f"only one of {', '.join(f'`{name}`' for name in chosen)} can be given"]
    return []


SCHEDULE = DecoratorType(
    "schedule",
    "flow",
    # What says nothing is daily, as in Metaflow; that is made explicit where a schedule is used,
    # since a default here would contradict what is given.
    {"cron": None, "weekly": False, "daily": False, "hourly": False, "timezone": None},
    _one_schedule,
)

SECRETS = DecoratorType(
    "secrets",
    "step",
    {"sources": [], "role": None, "allow_override": False},
    repeatable=True,
)

CARD = DecoratorType(
    "card",
    "step",
    {
        "type": "default",
        "id": None,
        "options": {},
        "timeout": 45,
        "refresh_interval": 5,
        "customize": False,
        "save_errors": True,
    },
    repeatable=True,
)
