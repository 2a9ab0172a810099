"""`catch`: keep a failure as a value and go on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from metaflow_core.decorators.base import DecoratorType, TaskPolicy
from metaflow_core.model.flow import Step


def _problems(attributes: Mapping[str, Any], step: Step | None) -> list[str]:
    found = []
    var = attributes["var"]
    if var is not None and not (isinstance(var, str) and var.isidentifier()):
        found.append(f"`var` must be the name of an artifact, not {var!r}")
    if step is not None and (step.is_foreach or step.is_switch):
        kind = "fans out with `foreach`" if step.is_foreach else "chooses with `condition`"
        found.append(
            f"the step {kind}, and a caught failure leaves nothing to go on with; "
            "do the work that may fail in a step before it"
        )
    return found


def _apply(policy: TaskPolicy, attributes: Mapping[str, Any]) -> TaskPolicy:
    return replace(
        policy,
        catches=True,
        catch_var=attributes["var"],
        print_exception=bool(attributes["print_exception"]),
    )


CATCH = DecoratorType("catch", "step", {"var": None, "print_exception": True}, _problems, _apply)
