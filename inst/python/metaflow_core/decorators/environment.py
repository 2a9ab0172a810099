"""`environment`: environment variables of a step's tasks (`environment_variables()` in R)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from metaflow_core.decorators.base import DecoratorType, TaskPolicy
from metaflow_core.model.flow import Step


def _problems(attributes: Mapping[str, Any], step: Step | None) -> list[str]:
    variables = attributes["vars"]
    if not isinstance(variables, Mapping):
        return [f"`vars` must be a named list of texts, not {variables!r}"]
    return [
        f"the variable {name!r} must be a name without `=` and have one text as its value"
        for name, value in variables.items()
        if not name or "=" in name or isinstance(value, list | dict) or value is None
    ]


def _apply(policy: TaskPolicy, attributes: Mapping[str, Any]) -> TaskPolicy:
    variables = {name: _text(value) for name, value in attributes["vars"].items()}
    return replace(policy, environment={**policy.environment, **variables})


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).upper()  # as R's Sys.setenv() would write it
    return f"{value:.15g}" if isinstance(value, float) else str(value)


ENVIRONMENT = DecoratorType("environment", "step", {"vars": {}}, _problems, _apply)
