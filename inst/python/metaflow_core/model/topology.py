"""Orders the steps of any directed graph, sound or not, and names its cycles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

Edges = Mapping[str, tuple[str, ...]]
"""The steps that follow each step; every target is a key too."""


def walk(edges: Edges, roots: Iterable[str]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Visit what can be reached from *roots*, depth first.

    Args:
        edges: The graph.
        roots: Where to begin, in this order.

    Returns:
        The visited steps so that each comes after those that lead to it, one branch after the
        other as written; and the cycles: each a path whose last step leads back to its first.
        Without these last edges the graph has no cycle, and the order holds for all others.
    """
    finished: list[str] = []
    cycles: list[tuple[str, ...]] = []
    seen: set[str] = set()
    # A later root is finished later, and the result is read backwards.
    for root in reversed(list(roots)):
        if root not in seen:
            _visit(root, edges, seen, finished, cycles)
    return tuple(reversed(finished)), cycles


def _visit(
    root: str,
    edges: Edges,
    seen: set[str],
    finished: list[str],
    cycles: list[tuple[str, ...]],
) -> None:
    """Depth-first search with its own stack: a flow may be longer than Python's recursion limit."""
    path, unvisited, on_path = [root], [reversed(edges[root])], {root}
    seen.add(root)
    while path:
        target = next(unvisited[-1], None)
        if target is None:
            unvisited.pop()
            finished.append(path.pop())
            on_path.remove(finished[-1])
        elif target in on_path:
            cycles.append(tuple(path[path.index(target) :]))
        elif target not in seen:
            seen.add(target)
            on_path.add(target)
            path.append(target)
            unvisited.append(reversed(edges[target]))
