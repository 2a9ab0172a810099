"""Which tasks lead to which, from what the store records.

A task in a foreach records its ``foreach-execution-path``, such as ``"outer:1,inner:0"``: for each
enclosing foreach the step that it fans out to, and the index. The run's ``_graph_info`` holds the
steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

GraphInfo = Mapping[str, Any]
"""The artifact ``_graph_info``."""

ForeachPath = tuple[str, ...]
"""``("outer:1", "inner:0")``, outermost first; empty outside of a foreach."""

_FOREACH_TYPES = ("split-foreach", "split-parallel")


def foreach_path(text: str | None) -> ForeachPath:
    """Read a ``foreach-execution-path``."""
    return tuple(text.split(",")) if text else ()


def indexes(path: ForeachPath) -> tuple[int, ...]:
    """The index in each enclosing foreach."""
    return tuple(int(part.rpartition(":")[2]) for part in path)


def steps_before(graph: GraphInfo, step: str) -> list[str]:
    """Steps that lead to *step*."""
    return [name for name, node in graph["steps"].items() if step in node["next"]]


def steps_after(graph: GraphInfo, step: str) -> list[str]:
    """Steps that *step* leads to; none for one outside of the graph, such as ``_parameters``."""
    return list(graph["steps"].get(step, {"next": ()})["next"])


def steps_in_order(graph: GraphInfo) -> list[str]:
    """All steps, each after those that lead to it, and as written where that leaves a choice."""
    order: list[str] = []
    waiting = list(graph["steps"])
    while waiting:
        ready = [step for step in waiting if not set(steps_before(graph, step)) - set(order)]
        # A cycle, which a switch may make, is cut where it was written first.
        chosen = ready[0] if ready else waiting[0]
        order.append(chosen)
        waiting.remove(chosen)
    return order


def leads_to(
    graph: GraphInfo,
    parent: tuple[str, ForeachPath],
    child: tuple[str, ForeachPath],
) -> bool:
    """Whether the task at *parent* is a parent of the task at *child*.

    Args:
        graph: The run's ``_graph_info``.
        parent: Step and foreach path of a task, the step being one before the child's.
        child: Step and foreach path of a task.
    """
    (parent_step, parent_path), (child_step, child_path) = parent, child
    if graph["steps"][parent_step]["type"] in _FOREACH_TYPES:
        return child_path[:-1] == parent_path
    if graph["steps"][child_step]["type"] == "join":
        # A join that ends a foreach is one level up; one that ends a branch is on the same level.
        return parent_path[: len(child_path)] == child_path
    return parent_path == child_path
