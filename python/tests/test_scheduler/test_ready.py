"""Who starts first."""

from __future__ import annotations

from math import inf

from metaflow_core.model.task import TaskKey
from metaflow_core.scheduler.ready import ReadyQueue


def filled(*cpus: float, patience: int = 2) -> ReadyQueue:
    """A queue of tasks that are named for their place in it."""
    queue = ReadyQueue(patience)
    for number, cpu in enumerate(cpus):
        queue.push(TaskKey("task", (number,)), cpu)
    return queue


def popped(queue: ReadyQueue, *free_cpus: float) -> list[int | None]:
    tasks = [queue.pop(free) for free in free_cpus]
    return [task and task.indexes[0] for task in tasks]


def test_tasks_start_in_the_order_in_which_they_came():
    assert popped(filled(0, 1, 0, 2, 1), *[inf] * 6) == [0, 1, 2, 3, 4, None]


def test_tasks_that_fit_overtake_one_that_waits_for_cpus():
    assert popped(filled(4, 0, 1), 2, 1, 0) == [1, 2, None]


def test_a_task_that_waited_longest_for_cpus_is_not_overtaken_by_others_for_ever():
    queue = filled(4, 1, 1, 1, 0, patience=2)

    assert popped(queue, 2, 2) == [1, 2]
    assert popped(queue, 2, 2) == [4, None], "only a task without cpus may still pass"
    assert popped(queue, 4, 2) == [0, 3]


def test_patience_begins_anew_with_the_next_task_that_waits():
    queue = filled(4, 1, 4, 1, 1, patience=1)

    assert popped(queue, 1, 1, 4) == [1, None, 0]
    assert popped(queue, 1, 1, 4) == [3, None, 2]


def test_nothing_is_left_after_clearing():
    queue = filled(0, 1)
    queue.clear()

    assert popped(queue, inf) == [None]
