"""Small random flows whose results are known, as `flows/drawn.R` makes them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from random import Random
from typing import Any

from random_flows import Plan, plan_of

from metaflow_core.model.task import Outcome, TaskKey

_MOST_PARTS = 5
_DOES = ("work", "work", "work", "retried", "caught")
"""What steps do that neither split nor join; one in five is tried again, one is caught."""


@dataclass(frozen=True)
class Left:
    """What a task leaves, by artifact: `drawn.R` has the same."""

    trace: str
    bulk_bytes: int
    items: tuple[str, ...]
    size: str


@dataclass(frozen=True)
class DrawnFlow:
    """A flow and what each step does.

    Args:
        name: Its name.
        plan: Its graph.
        does: What each step but `end` does: a function of `drawn.R`.
    """

    name: str
    plan: Plan
    does: dict[str, str]

    @classmethod
    def draw(cls, random: Random, name: str) -> DrawnFlow:
        """A random flow."""
        room = count(1)
        drawn = [_draw(random, room, depth=0) for _ in range(random.randint(1, 3))]
        plan = plan_of(drawn)
        does = {
            step.name: _does(random, step.is_join, bool(step.is_split or step.is_switch))
            for step in plan.flow.steps.values()
        }
        # The first step has no trace to leave as it is.
        if does["start"] == "caught":
            does["start"] = "work"
        return cls(name, plan, {**does, "end": "work"})

    def description(self) -> dict[str, Any]:
        """The flow as `drawn.R` reads it."""
        return {
            "name": self.name,
            "steps": [
                {
                    "name": step.name,
                    "next_steps": list(step.next_steps),
                    "foreach": step.foreach,
                    "condition": step.condition,
                    "cases": dict(step.cases),
                    "does": self.does[step.name],
                }
                for step in self.plan.flow.steps.values()
            ],
        }

    def results(self) -> dict[TaskKey, Left]:
        """What each task of a run leaves."""
        left: dict[TaskKey, Left] = {}

        def decide(key: TaskKey, parents: tuple[TaskKey, ...]) -> Outcome:
            left[key] = self._left(key, [left[parent] for parent in parents])
            step, now = self.plan.flow.steps[key.step], left[key]
            chosen = step.cases[now.size] if step.is_switch else None
            return Outcome(chosen, len(now.items) if step.is_foreach else None)

        tasks = self.plan.tasks(decide)
        end = TaskKey("end")
        left[end] = self._left(end, [left[parent] for parent in tasks[end]])
        return left

    def _left(self, key: TaskKey, before: list[Left]) -> Left:
        if self.does[key.step] == "caught":
            return before[0]
        place = str(key.indexes[-1]) if key.indexes else "-"
        number = _checksum(" ".join([key.step, place, *(left.trace for left in before)]))
        return Left(
            f"{key.step}/{number}",
            150000 if number % 3 == 0 else 50,
            tuple(f"item {i + 1}" for i in range(1 + number % 3)),
            f"case {number % 2}",
        )


def _draw(random: Random, room: count[int], depth: int) -> tuple[str, list[Any]]:
    kinds = ["linear", "linear", "branch", "foreach", "switch"]
    kind = random.choice(kinds) if depth < 2 and next(room) < _MOST_PARTS else "linear"
    if kind == "linear":
        return kind, []

    def sequence(least: int) -> list[Any]:
        return [_draw(random, room, depth + 1) for _ in range(random.randint(least, 2))]

    return kind, [sequence(1) for _ in range(1 if kind == "foreach" else 2)]


def _does(random: Random, is_join: bool, decides: bool) -> str:
    if is_join:
        return "join"
    does = random.choice(_DOES)
    return "work" if decides and does == "caught" else does


def _checksum(text: str) -> int:
    return sum(code * place for place, code in enumerate(map(ord, text), 1)) % 99991
