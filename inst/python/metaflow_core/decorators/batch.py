"""`batch`: run a step's tasks on AWS Batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from metaflow_core.decorators.base import DecoratorType, TaskPolicy


def _apply(policy: TaskPolicy, attributes: Mapping[str, Any]) -> TaskPolicy:
    return replace(policy, launcher="batch")


BATCH = DecoratorType(
    "batch",
    "step",
    {
        "cpu": 1,
        "gpu": 0,
        "memory": 4096,
        "image": None,
        "queue": None,
        "iam_role": None,
        "execution_role": None,
        "shared_memory": None,
        "max_swap": None,
        "swappiness": None,
    },
    apply=_apply,
)
