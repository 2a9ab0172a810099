"""Finds everything that is wrong with a flow's graph before anything runs."""

from __future__ import annotations

from metaflow_core.model.flow import Flow


def check_graph(flow: Flow) -> list[str]:
    """Every problem of a flow's graph."""
    return []
