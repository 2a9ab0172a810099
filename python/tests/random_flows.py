"""Random sound flows, made from the inside out, and what must happen in a run of one.

A flow is drawn as a nested plan of parts, not as a graph; `Plan.tasks` walks this plan, so that it
knows each task and its parents without any of the core's graph code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count

from hypothesis import strategies as st

from metaflow_core.model.flow import END, START, Flow, Step
from metaflow_core.model.task import Outcome, TaskKey

Decide = Callable[[TaskKey, tuple[TaskKey, ...]], Outcome]
"""What a task with these parents decides about what follows."""


@dataclass
class Part:
    """A piece of a flow: one step, or a split with all that it opens.

    Args:
        kind: "linear", "branch", "foreach" or "switch".
        inner: The sequences of parts inside; those of a switch may be empty.
    """

    kind: str
    inner: tuple[tuple[Part, ...], ...] = ()
    name: str = ""
    join: str = ""


@dataclass
class Plan:
    """A flow and the nested parts it was made from."""

    parts: tuple[Part, ...]
    flow: Flow

    def tasks(self, decide: Decide) -> dict[TaskKey, tuple[TaskKey, ...]]:
        """Each task of a run in which tasks decide like this, with its parents in order."""
        found: dict[TaskKey, tuple[TaskKey, ...]] = {}
        last = _tasks(self.parts, (), (), decide, found)
        found[TaskKey(END)] = (last,)
        return found

    def splits(self) -> Iterator[Part]:
        """All branches and foreachs."""
        todo = list(self.parts)
        while todo:
            part = todo.pop()
            todo += [p for sequence in part.inner for p in sequence]
            if part.join:
                yield part


def plans() -> st.SearchStrategy[Plan]:
    """Random sound flows of up to some dozens of steps."""
    return st.lists(_parts(), min_size=1, max_size=3).map(plan_of)


def _parts() -> st.SearchStrategy[tuple]:
    def nest(part):
        sequence = st.lists(part, min_size=1, max_size=2)
        return st.one_of(
            st.tuples(st.just("foreach"), st.lists(sequence, min_size=1, max_size=1)),
            st.tuples(st.just("branch"), st.lists(sequence, min_size=2, max_size=3)),
            st.tuples(
                st.just("switch"), st.lists(st.lists(part, max_size=2), min_size=2, max_size=3)
            ),
        )

    return st.recursive(st.just(("linear", [])), nest, max_leaves=8)


def plan_of(drawn: list[tuple]) -> Plan:
    """The flow of parts that were drawn: each its kind, and the sequences inside."""
    parts = tuple(map(_part, drawn))
    steps: list[Step] = []
    _build(parts, END, steps, count(1), START)
    return Plan(parts, Flow.of("RandomFlow", *reversed(steps), Step(END)))


def _part(drawn: tuple) -> Part:
    kind, inner = drawn
    return Part(kind, tuple(tuple(map(_part, sequence)) for sequence in inner))


def _build(
    parts: tuple[Part, ...], after: str, steps: list[Step], numbers: count, first: str = ""
) -> str:
    """Append the steps of a sequence, last first; the name of the step to enter it by."""
    for index, part in reversed(list(enumerate(parts))):
        part.name = first if first and index == 0 else f"{part.kind}_{next(numbers)}"
        if part.kind == "linear":
            steps.append(Step(part.name, (after,)))
        elif part.kind == "switch":
            entries = [_build(sequence, after, steps, numbers) for sequence in part.inner]
            cases = {f"case {i}": entry for i, entry in enumerate(entries)}
            steps.append(Step(part.name, tuple(entries), condition="size", cases=cases))
        else:
            part.join = f"join_{next(numbers)}"
            steps.append(Step(part.join, (after,), is_join=True))
            entries = [_build(sequence, part.join, steps, numbers) for sequence in part.inner]
            over = "items" if part.kind == "foreach" else None
            steps.append(Step(part.name, tuple(entries), foreach=over))
        after = part.name
    return after


def _tasks(
    parts: tuple[Part, ...],
    indexes: tuple[int, ...],
    parents: tuple[TaskKey, ...],
    decide: Decide,
    found: dict[TaskKey, tuple[TaskKey, ...]],
) -> TaskKey:
    """Add the tasks of a sequence; the last of them."""
    for part in parts:
        key = TaskKey(part.name, indexes)
        found[key] = parents
        outcome = decide(key, parents)
        parents = (key,)
        if part.kind == "switch":
            chosen = next((s for s in part.inner if s and s[0].name == outcome.chosen), ())
            parents = (_tasks(chosen, indexes, parents, decide, found),) if chosen else parents
        elif part.join:
            if part.kind == "foreach":
                ways = [(part.inner[0], (*indexes, i)) for i in range(outcome.num_splits or 0)]
            else:
                ways = [(sequence, indexes) for sequence in part.inner]
            found_ends = tuple(_tasks(s, at, (key,), decide, found) for s, at in ways)
            join = TaskKey(part.join, indexes)
            found[join] = found_ends
            decide(join, found_ends)
            parents = (join,)
    return parents[0]
