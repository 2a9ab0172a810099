"""The queue of tasks that could run now, if there were room for them."""

from __future__ import annotations

from collections import deque
from itertools import count

from metaflow_core.model.task import TaskKey


class ReadyQueue:
    """First come, first served, save that a task that fits may overtake those that need more cpus.

    Nobody starves: a task without cpus is never held up by one that waits for them, and once
    *patience* tasks with cpus have overtaken the one that has waited longest, no other task with
    cpus starts before it. All operations take constant time in the number of tasks.

    Args:
        patience: How often the task that has waited longest for cpus lets others pass, >= 1.
    """

    def __init__(self, patience: int) -> None:
        self._patience = patience
        self._overtaken = 0
        self._order = count()
        # One queue for each cpu demand: there are no more demands than steps.
        self._queues: dict[float, deque[tuple[int, TaskKey]]] = {}

    def push(self, task: TaskKey, cpu: float) -> None:
        """Put a task that uses *cpu* cores last."""
        self._queues.setdefault(cpu, deque()).append((next(self._order), task))

    def pop(self, free_cpus: float) -> TaskKey | None:
        """Take the task that has waited longest of those that may start now, or None.

        Args:
            free_cpus: Cores that are free; `math.inf` if no task with cpus runs.
        """
        waiting = sorted((queue[0][0], cpu) for cpu, queue in self._queues.items())
        first_with_cpus = next((cpu for _, cpu in waiting if cpu), None)
        for _, cpu in waiting:
            held_up = cpu and cpu != first_with_cpus and self._overtaken >= self._patience
            if cpu <= free_cpus and not held_up:
                if cpu:
                    self._overtaken = 0 if cpu == first_with_cpus else self._overtaken + 1
                return self._take(cpu)
        return None

    def clear(self) -> None:
        """Forget all tasks."""
        self._queues.clear()

    def _take(self, cpu: float) -> TaskKey:
        queue = self._queues[cpu]
        task = queue.popleft()[1]
        if not queue:
            del self._queues[cpu]
        return task
