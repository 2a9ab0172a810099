"""`project`: runs of a flow grouped into a project and its branches."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from metaflow_core.decorators.base import DecoratorType
from metaflow_core.model.flow import Flow, Step

_NAME = re.compile(r"[a-z0-9_]{1,128}")
"""Source: Netflix/metaflow 2.19, plugins/project_decorator.py."""


@dataclass(frozen=True, slots=True)
class Project:
    """Where a run belongs.

    Args:
        name: Project name.
        branch: ``"user.<name>"``, ``"test.<branch>"`` or ``"prod"``.
        is_production: Whether the branch is one of production.
    """

    name: str
    branch: str
    is_production: bool

    @property
    def tags(self) -> tuple[str, ...]:
        """System tags of the project's runs."""
        return (f"project:{self.name}", f"project_branch:{self.branch}")


def _problems(attributes: Mapping[str, Any], step: Step | None) -> list[str]:
    names = {"name": attributes["name"]}
    if attributes["branch"] is not None:
        names["branch"] = attributes["branch"]
    return [
        f"`{what}` must be 1 to 128 lowercase letters, digits and underscores, not {name!r}"
        for what, name in names.items()
        if not isinstance(name, str) or not _NAME.fullmatch(name)
    ]


def project_of(flow: Flow, user: str) -> Project | None:
    """The project of a run that *user* starts on a machine of theirs, or None."""
    decorator = flow.decorator("project")
    if decorator is None:
        return None
    attributes = {**PROJECT.defaults, **decorator.attributes}
    branch, production = attributes["branch"], bool(attributes["production"])
    if branch:
        full = f"{'prod' if production else 'test'}.{branch}"
    else:
        full = "prod" if production else f"user.{user}"
    return Project(attributes["name"], full, production)


PROJECT = DecoratorType(
    "project", "flow", {"name": None, "branch": None, "production": False}, _problems
)
