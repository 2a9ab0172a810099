"""What follows from a sound flow's steps: its order, its splits and joins, its description.

Each step stands inside a stack of open splits. A split opens one level for what follows it, its
join closes it; a switch opens none, for only one of its alternatives runs. The stack gives
everything else: how deep in foreach loops a step is, which join closes which split, and which
input of the join a branch is. `model.check` refuses flows in which two ways to a step differ in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePath
from typing import Any

from metaflow_core.model.check import check_graph
from metaflow_core.model.flow import END, START, Decorator, Flow, Parameter, Step
from metaflow_core.model.topology import walk

__all__ = ["Branch", "Graph", "check_graph", "flow_from_info", "graph_info"]


@dataclass(frozen=True, slots=True)
class Branch:
    """One way out of a split that is not joined yet.

    Args:
        split: The step that splits.
        step: The first step of the branch.
    """

    split: str
    step: str


class Graph:
    """Facts about a sound flow, worked out once.

    Args:
        flow: A flow in which `check_graph` finds no problem.
    """

    def __init__(self, flow: Flow) -> None:
        self.flow = flow
        #: The steps that follow each step, each once.
        self.next_steps: Mapping[str, tuple[str, ...]] = {
            name: tuple(dict.fromkeys(step.next_steps)) for name, step in flow.steps.items()
        }
        #: Every step after those that lead to it, one branch after the other.
        self.order: tuple[str, ...] = walk(self.next_steps, [START])[0]
        #: The steps that lead to each step, in `order`.
        self.parents: Mapping[str, tuple[str, ...]] = self._find_parents()
        #: The splits that are open while a step runs, outermost first; a join has closed its own.
        self.open_splits: Mapping[str, tuple[Branch, ...]] = self._find_open_splits()
        #: The split that each join closes.
        self.split_of: Mapping[str, str] = {
            name: self._way_in(self.open_splits, name)[-1].split
            for name in self.order
            if flow.steps[name].is_join
        }
        #: The join that closes each split.
        self.matching_join: Mapping[str, str] = {
            split: join for join, split in self.split_of.items()
        }

    def foreach_depth(self, step: str) -> int:
        """Number of foreach loops that a step's tasks stand in: the length of their `indexes`."""
        return sum(self.flow.steps[b.split].is_foreach for b in self.open_splits[step])

    def foreach_around(self, step: str) -> str | None:
        """The step whose foreach a step's tasks stand in, the innermost; None outside of one."""
        around = (b.split for b in reversed(self.open_splits[step]))
        return next((split for split in around if self.flow.steps[split].is_foreach), None)

    def branch_index(self, step: str) -> int:
        """Which input of its join the innermost branch around *step* is, counted from 0."""
        branch = self.open_splits[step][-1]
        return self.next_steps[branch.split].index(branch.step)

    def descendants(self, step: str) -> frozenset[str]:
        """All steps that can run after *step*, without itself."""
        return frozenset(walk(self.next_steps, [step])[0]) - {step}

    @cached_property
    def certain(self) -> Mapping[str, frozenset[str]]:
        """For each step, the steps that run after it, or are it, whatever a switch chooses."""
        found: dict[str, frozenset[str]] = {}
        for name in reversed(self.order):
            following = [found[n] for n in self.next_steps[name]]
            switch = self.flow.steps[name].is_switch
            common = frozenset.intersection(*following) if switch else frozenset().union(*following)
            found[name] = common | {name}
        return found

    def _find_parents(self) -> dict[str, tuple[str, ...]]:
        parents: dict[str, tuple[str, ...]] = dict.fromkeys(self.order, ())
        for name in self.order:
            for following in self.next_steps[name]:
                parents[following] += (name,)
        return parents

    def _find_open_splits(self) -> dict[str, tuple[Branch, ...]]:
        found: dict[str, tuple[Branch, ...]] = {START: ()}
        for name in self.order[1:]:
            stack = self._way_in(found, name)
            found[name] = stack[:-1] if self.flow.steps[name].is_join else stack
        return found

    def _way_in(
        self, open_splits: Mapping[str, tuple[Branch, ...]], step: str
    ) -> tuple[Branch, ...]:
        """The splits that are open on a way to *step*; all ways agree but for the branch."""
        parent = self.parents[step][0]
        stack = open_splits[parent]
        return (*stack, Branch(parent, step)) if self.flow.steps[parent].is_split else stack


def graph_info(flow: Flow) -> dict[str, Any]:
    """The flow as stock Metaflow describes one in the artifact `_graph_info`.

    Source:
        Netflix/metaflow 2.19, graph.py `output_steps` and flowspec.py, for the dictionary's form.
    """
    graph = Graph(flow)
    return {
        "file": PurePath(flow.script).name,
        "start_step": START,
        "end_step": END,
        "parameters": [{"name": name, "type": "Parameter"} for name in sorted(flow.parameters)],
        "constants": [],
        "steps": {name: _step_info(graph, flow.steps[name]) for name in graph.order},
        "graph_structure": [*_Structure(graph).block(START, END), END],
        "doc": flow.doc,
        "decorators": _decorators_info(flow.decorators),
        "extensions": {"installed": {}},
    }


def _step_info(graph: Graph, step: Step) -> dict[str, Any]:
    info: dict[str, Any] = {
        "name": step.name,
        "type": _step_type(step),
        "line": step.line,
        "source_file": step.source_file,
        "doc": step.doc,
        "decorators": _decorators_info(step.decorators),
        "next": list(graph.next_steps[step.name]),
        "node_info": {},
    }
    if step.is_foreach:
        info["foreach_artifact"] = step.foreach
    if step.is_switch:
        info |= {"condition": step.condition, "switch_cases": dict(step.cases)}
    if step.name in graph.matching_join:
        info["matching_join"] = graph.matching_join[step.name]
    return info


def _step_type(step: Step) -> str:
    if step.is_foreach:
        return "split-foreach"
    if step.is_switch:
        return "split-switch"
    if step.is_branch:
        return "split-static"
    if step.is_join:
        return "join"
    return step.name if step.name in (START, END) else "linear"


def _decorators_info(decorators: tuple[Decorator, ...]) -> list[dict[str, Any]]:
    return [
        {
            "name": decorator.name,
            "attributes": dict(decorator.attributes),
            "statically_defined": True,
            "inserted_by": None,
        }
        for decorator in decorators
    ]


class _Structure:
    """The nested list of step names; each split is followed by the list of its branches.

    The alternatives of a switch are listed up to the end of the enclosing block, with what they
    have in common in each of them, as stock does. Equal lists are one object: without that, each
    further switch in a row would double the work and the size of the pickle.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._blocks: dict[tuple[str, str], list[Any]] = {}

    def block(self, start: str, stop: str) -> list[Any]:
        """Names from *start* until before *stop*."""
        if (start, stop) not in self._blocks:
            self._blocks[start, stop] = self._walk(start, stop)
        return self._blocks[start, stop]

    def _walk(self, start: str, stop: str) -> list[Any]:
        names: list[Any] = []
        name = start
        while name != stop:
            names.append(name)
            following = self._graph.next_steps[name]
            after = following[0]
            if self._graph.flow.steps[name].is_switch:
                after = stop
            elif name in self._graph.matching_join:
                after = self._graph.matching_join[name]
            if len(following) > 1 or after != following[0]:
                names.append([self.block(step, after) for step in following])
            name = after
        return names


def flow_from_info(name: str, info: Mapping[str, Any]) -> Flow:
    """The flow that `graph_info`, or stock Metaflow, described; without what it does not tell.

    Args:
        name: The flow's name.
        info: The artifact `_graph_info`.
    """
    steps = info["steps"]
    joins = {step.get("matching_join") for step in steps.values()}
    return Flow(
        name,
        {at: _step_from_info(step, is_join=at in joins) for at, step in steps.items()},
        {item["name"]: Parameter(item["name"]) for item in info.get("parameters", ())},
        _decorators_from_info(info.get("decorators", ())),
        info.get("doc") or "",
        info.get("file") or "",
    )


def _step_from_info(info: Mapping[str, Any], *, is_join: bool) -> Step:
    is_switch = info["type"] == "split-switch"
    return Step(
        name=info["name"],
        next_steps=tuple(info["next"]),
        foreach=info.get("foreach_artifact") if info["type"] == "split-foreach" else None,
        condition=info.get("condition") if is_switch else None,
        cases=dict(info.get("switch_cases") or {}) if is_switch else {},
        # A join that splits again is of that type.
        is_join=is_join or info["type"] == "join",
        decorators=_decorators_from_info(info.get("decorators", ())),
        doc=info.get("doc") or "",
        source_file=info.get("source_file") or "",
        line=info.get("line") or 0,
    )


def _decorators_from_info(items: Iterable[Mapping[str, Any]]) -> tuple[Decorator, ...]:
    return tuple(Decorator(item["name"], dict(item.get("attributes") or {})) for item in items)
