"""Decides what a run does next: events in, actions out.

A task comes into being when all its parents are done, and goes through these states:

                 ┌──────── RetryDue ─────────┐
                 ▼                           │
    ─► ready ─► running ─ AttemptFailed ─► retrying        budget left
         │        │  │
         │        │  └─── AttemptFailed ─► catching ─ FailureCaught ─► done
         │        │  └─── AttemptFailed ─► failed          budget spent, not caught
         │        └ AttemptSucceeded ────► done            or failed: it split or chose wrongly
         │
    ─► cloning ─ TaskCloned ─────────────► done            resume: the origin run finished it

When the run stops, because a task failed or the user said so, `ready` and `retrying` tasks become
`cancelled` and `running` ones `cancelling`, until their attempts report: `done` if they were
quicker, `cancelled`, or `failed` with an error of their own. `cloning` and `catching` tasks are
waited for. Nothing is started any more, and when the last one has reported the run is finished.

A run is `new` until `RunStarted`, then `running`, perhaps `stopping`, and `finished` with the one
`FinishRun` action. It was successful if its `end` is done, whatever came later; otherwise its
status says what stopped it first.

The scheduler has no clock, process or storage: the runtime carries its actions out and reports
what happened. Each event costs the same in a run of ten tasks and of ten thousand.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, ClassVar, get_args

from metaflow_core.errors import MetaflowError
from metaflow_core.model.flow import END, START, Flow
from metaflow_core.model.graph import Graph
from metaflow_core.model.task import Failure, Outcome, TaskKey
from metaflow_core.scheduler.events import (
    Action,
    AttemptFailed,
    AttemptSucceeded,
    CancelAttempt,
    CloneTask,
    Event,
    FailureCaught,
    FinishRun,
    Interrupted,
    LaunchAttempt,
    Limits,
    RecordCaught,
    RetryDue,
    RunStarted,
    RunStatus,
    ScheduleRetry,
    StepPolicy,
    TaskCloned,
)
from metaflow_core.scheduler.ready import ReadyQueue
from metaflow_core.scheduler.resume import CloneRule, Origin
from metaflow_core.scheduler.snapshot import Phase, Snapshot, Tally, TaskState, Waiting

TaskEvent = AttemptSucceeded | AttemptFailed | RetryDue | FailureCaught | TaskCloned
"""Events that concern one task."""


@dataclass(frozen=True, slots=True)
class Transition:
    """One line of a task's story.

    Args:
        event: Class name of the event, or what else moved the task.
        attempt: The task's attempt at that time, counted from 0.
        start: State before; None when the task came into being.
        finish: State after.
    """

    event: str
    attempt: int
    start: TaskState | None
    finish: TaskState

    def __str__(self) -> str:
        return f"{self.event} (attempt {self.attempt}): {self.start or '-'} -> {self.finish}"


_transition = lru_cache(maxsize=64)(Transition)
"""One value for all tasks that went the same way: a run remembers thousands of stories."""


class InvalidTransition(MetaflowError):
    """The runtime reported what cannot have happened; a fault in the runtime, not in the flow.

    Args:
        subject: The task, or "run".
        state: State it is in; "" for a task that does not exist.
        event: What was reported.
        story: What happened to the task before.
    """

    def __init__(self, subject: str, state: str, event: str, story: tuple[str, ...] = ()) -> None:
        super().__init__(subject, state, event, story)
        self.subject, self.state, self.event, self.story = subject, state, event, story

    def __str__(self) -> str:
        state = self.state or "not begun"
        head = f"Scheduler: {self.event} was reported for {self.subject}, which is {state}."
        return "\n".join([head, *(f"  {line}" for line in self.story)])


@dataclass(slots=True)
class _Task:
    key: TaskKey
    parents: tuple[TaskKey, ...]
    policy: StepPolicy
    cloned: bool
    state: TaskState | None = None
    attempt: int = 0
    story: list[Transition] = field(default_factory=list)


class _Gathering:
    """The inputs of a join that is still waiting for some of them."""

    def __init__(self, count: int) -> None:
        self.inputs: list[TaskKey | None] = [None] * count
        self.missing = count
        self.executed: TaskKey | None = None

    def put(self, index: int, task: _Task) -> None:
        self.inputs[index] = task.key
        self.missing -= 1
        if not task.cloned:
            self.executed = task.key

    def parents(self) -> tuple[TaskKey, ...]:
        return tuple(key for key in self.inputs if key is not None)


_LAST = TaskKey(END)

_ACTIVE: tuple[TaskState, ...] = (
    "ready",
    "cloning",
    "running",
    "cancelling",
    "retrying",
    "catching",
)
"""States in which something is still to come of a task."""


class Scheduler:
    """The state of one run.

    Args:
        flow: A flow in which `check_graph` finds no problem.
        policies: What the decorators of each step mean; a step without one has the defaults.
        limits: Bounds of the run.
        origin: The run that is resumed, or None.
    """

    def __init__(
        self,
        flow: Flow,
        policies: Mapping[str, StepPolicy],
        limits: Limits,
        origin: Origin | None = None,
    ) -> None:
        self._flow, self._limits, self._origin = flow, limits, origin
        self._graph = Graph(flow)
        self._policies = {name: policies.get(name, StepPolicy()) for name in flow.steps}
        self._rule = CloneRule(self._graph, origin) if origin else None
        self._phase: Phase = "new"
        #: Why the run stops; set once, by what comes first.
        self._stopped_as: RunStatus = "failed"
        self._failures: list[tuple[TaskKey, Failure]] = []
        self._tasks: dict[TaskKey, _Task] = {}
        #: The tasks in each state; each task is in exactly one, in the order in which they came.
        self._by_state: dict[TaskState, dict[TaskKey, _Task]] = {
            state: {} for state in get_args(TaskState)
        }
        #: The same as numbers, for each step.
        self._step_counts: dict[str, Counter[TaskState]] = {name: Counter() for name in flow.steps}
        #: Items that the done tasks of each foreach had.
        self._items: Counter[str] = Counter()
        #: The tasks in state "ready", in the order in which they may start.
        self._ready = ReadyQueue(patience=limits.max_workers)
        #: Joins whose split is done, and which wait for inputs.
        self._gatherings: dict[TaskKey, _Gathering] = {}
        #: Cores of the attempts that run and say how many they use, and their number.
        self._cpus_used, self._cpu_tasks = 0.0, 0
        #: Steps of which a task was launched or cloned, and what the done switches chose.
        self._begun: set[str] = set()
        self._chosen: dict[str, set[str]] = {}

    def handle(self, event: Event) -> list[Action]:
        """Take in what happened, and say what to do now; the only way to change the state.

        Raises:
            InvalidTransition: If the event cannot happen in the present state.
        """
        if isinstance(event, (RunStarted, Interrupted)):
            actions = self._handle_run(event)
        else:
            actions = self._handle_task(event)
        actions += self._launch_ready()
        if self._phase in ("running", "stopping") and not any(
            self._by_state[state] for state in _ACTIVE
        ):
            self._phase = "finished"
            actions.append(self._finish())
        return actions

    def state(self) -> Snapshot:
        """How the run stands; costs time in the number of tasks, so it is not for every event."""
        slots_taken = self._workers_busy() >= self._limits.max_workers
        by_state = self._by_state
        return Snapshot(
            phase=self._phase,
            running=tuple(
                (key, task.attempt)
                for key, task in (*by_state["running"].items(), *by_state["cancelling"].items())
            ),
            waiting=(
                *(
                    Waiting(key, "worker slots" if slots_taken else "cpus")
                    for key in by_state["ready"]
                ),
                *(Waiting(key, "retry") for key in by_state["retrying"]),
                *(
                    Waiting(key, "parents", len(g.inputs) - g.missing, len(g.inputs))
                    for key, g in self._gatherings.items()
                ),
            ),
            counts={state: len(tasks) for state, tasks in by_state.items()},
            cloned=sum(task.cloned for task in self._tasks.values()),
        )

    def tallies(self) -> list[Tally]:
        """How far each step inside of a foreach has come; costs time in the number of steps.

        There are none once the run stops. Steps that may be passed by, because a switch stands
        before them, are left out.
        """
        found = []
        for name in self._graph.order if self._items and self._phase == "running" else ():
            foreach = self._graph.foreach_around(name)
            if foreach is None or not self._items[foreach]:
                continue
            if name in self._graph.certain[self._graph.next_steps[foreach][0]]:
                counts = self._step_counts[name]
                running = counts["running"] + counts["cancelling"]
                expected, done, failed = self._items[foreach], counts["done"], counts["failed"]
                found.append(Tally(name, expected, done, failed, running))
        return found

    def upcoming(self) -> int:
        """How many attempts will start as soon as some of those that run have ended well."""
        running = self._by_state["running"]
        if self._phase != "running" or not running or _LAST in running:
            return 0
        return min(max(len(self._by_state["ready"]), 1), self._limits.max_workers)

    def story(self, task: TaskKey) -> tuple[Transition, ...]:
        """What happened to a task, in order; empty if it has not come into being."""
        return tuple(self._tasks[task].story) if task in self._tasks else ()

    # Events of the run

    def _on_run_started(self) -> list[Action]:
        self._phase = "running"
        return self._begin(TaskKey(START), (), None)

    def _on_interrupted(self) -> list[Action]:
        return self._stop("interrupted")

    def _on_late(self) -> list[Action]:
        """The user was impatient, or quicker than the run."""
        return []

    # Events of a task

    def _on_succeeded(self, task: _Task, event: AttemptSucceeded) -> list[Action]:
        self._release_cpus(task)
        return self._complete(task, event, event.outcome)

    def _on_failed(self, task: _Task, event: AttemptFailed) -> list[Action]:
        """Retry while the budget lasts, else catch, else the task has failed for good."""
        self._release_cpus(task)
        if self._has_budget(task, event.failure):
            self._move(task, "retrying", event)
            task.attempt += 1
            return [ScheduleRetry(task.key, task.attempt, task.policy.retry_wait_s)]
        return self._give_up(task, event)

    def _on_failed_while_cancelling(self, task: _Task, event: AttemptFailed) -> list[Action]:
        """Being stopped is no failure, nor is an error that a retry would have followed."""
        self._release_cpus(task)
        if event.failure.kind == "stopped" or self._has_budget(task, event.failure):
            self._move(task, "cancelled", event)
            return []
        return self._give_up(task, event)

    def _on_retry_due(self, task: _Task, event: RetryDue) -> list[Action]:
        self._move(task, "ready", event)
        self._ready.push(task.key, task.policy.cpu)
        return []

    def _on_retry_due_too_late(self, task: _Task, event: RetryDue) -> list[Action]:
        """The run stopped while the task waited, and the runtime's timer ran on."""
        return []

    def _on_caught(self, task: _Task, event: FailureCaught) -> list[Action]:
        return self._complete(task, event, Outcome())

    def _on_cloned(self, task: _Task, event: TaskCloned) -> list[Action]:
        return self._complete(task, event, event.outcome)

    _RUN_TRANSITIONS: ClassVar[dict[tuple[Phase, type], Callable[[Any], list[Action]]]] = {
        ("new", RunStarted): _on_run_started,
        ("new", Interrupted): _on_interrupted,
        ("running", Interrupted): _on_interrupted,
        ("stopping", Interrupted): _on_late,
        ("finished", Interrupted): _on_late,
        ("finished", RunStarted): _on_late,
    }

    _TRANSITIONS: ClassVar[
        dict[tuple[TaskState | None, type], Callable[[Any, _Task, Any], list[Action]]]
    ] = {
        ("running", AttemptSucceeded): _on_succeeded,
        ("running", AttemptFailed): _on_failed,
        ("cancelling", AttemptSucceeded): _on_succeeded,
        ("cancelling", AttemptFailed): _on_failed_while_cancelling,
        ("retrying", RetryDue): _on_retry_due,
        ("cancelled", RetryDue): _on_retry_due_too_late,
        ("catching", FailureCaught): _on_caught,
        ("cloning", TaskCloned): _on_cloned,
    }

    def _handle_run(self, event: RunStarted | Interrupted) -> list[Action]:
        transition = self._RUN_TRANSITIONS.get((self._phase, type(event)))
        if transition is None:
            raise InvalidTransition("the run", self._phase, type(event).__name__)
        return transition(self)

    def _handle_task(self, event: TaskEvent) -> list[Action]:
        task = self._tasks.get(event.task)
        name, attempt = type(event).__name__, getattr(event, "attempt", 0)
        if task is None:
            raise InvalidTransition(str(event.task), "", f"{name} of attempt {attempt}")
        transition = self._TRANSITIONS.get((task.state, type(event)))
        if transition is None or attempt != task.attempt:
            story = tuple(map(str, task.story))
            raise InvalidTransition(
                str(event.task), task.state or "", f"{name} of attempt {attempt}", story
            )
        return transition(self, task, event)

    # What becomes of a task

    def _begin(
        self, key: TaskKey, parents: tuple[TaskKey, ...], executed_parent: TaskKey | None
    ) -> list[Action]:
        """All parents of a task are done: clone it if the origin run finished it, else queue it."""
        cloned = self._rule is not None and self._rule.obstacle(key, executed_parent) is None
        task = _Task(key, parents, self._policies[key.step], cloned)
        self._tasks[key] = task
        if cloned and self._origin is not None:
            self._move(task, "cloning", "its parents are cloned")
            self._begun.add(key.step)
            return [CloneTask(key, self._origin.tasks[key].task_id, parents)]
        self._move(task, "ready", "its parents are done")
        self._ready.push(key, task.policy.cpu)
        return []

    def _complete(self, task: _Task, event: TaskEvent, outcome: Outcome) -> list[Action]:
        """The task's results are stored: go on to what follows, unless the run stops."""
        failure = self._misfit(task, outcome) if self._phase == "running" else None
        if failure is not None:
            return self._fail(task, event, failure)
        self._move(task, "done", event)
        return self._follow(task, outcome) if self._phase == "running" else []

    def _misfit(self, task: _Task, outcome: Outcome) -> Failure | None:
        """Why the run cannot go on with what a task decided, or None.

        A cloned task was let through when it ran: the limit guards against a foreach that nobody
        meant, and this one is known.
        """
        name, splits = task.key.step, outcome.num_splits
        step, limit = self._flow.steps[name], self._limits.max_num_splits
        message = ""
        if step.is_foreach and not splits:
            message = f"Step `{name}` did not tell how many items `{step.foreach}` has."
        elif step.is_foreach and splits is not None and splits > limit and not task.cloned:
            message = (
                f"The foreach over `{step.foreach}` has {splits} splits, more than the {limit} "
                f"that are allowed. Allow them with `--max-num-splits {splits}`."
            )
        elif step.is_switch and outcome.chosen not in step.next_steps:
            message = (
                f"`{step.condition}` chose {outcome.chosen!r}, which does not follow `{name}`."
            )
        return Failure("error", message, retriable=False) if message else None

    def _follow(self, task: _Task, outcome: Outcome) -> list[Action]:
        """Begin what only waited for this task."""
        key, step = task.key, self._flow.steps[task.key.step]
        targets = self._graph.next_steps[key.step]
        if step.is_switch and outcome.chosen is not None:
            self._chosen.setdefault(key.step, set()).add(outcome.chosen)
            targets = (outcome.chosen,)
        if step.is_split:
            join = TaskKey(self._graph.matching_join[key.step], key.indexes)
            self._gatherings[join] = _Gathering(outcome.num_splits or len(targets))
        if step.is_foreach:
            self._items[key.step] += outcome.num_splits or 0
            following = [
                TaskKey(targets[0], (*key.indexes, index))
                for index in range(outcome.num_splits or 0)
            ]
        else:
            following = [TaskKey(target, key.indexes) for target in targets]
        actions: list[Action] = []
        for target in following:
            if self._flow.steps[target.step].is_join:
                actions += self._deliver(task, target.step)
            else:
                actions += self._begin(target, (key,), None if task.cloned else key)
        return actions

    def _deliver(self, task: _Task, join: str) -> list[Action]:
        """Hand a task to the join that follows it; the last of its inputs begins the join."""
        indexes = task.key.indexes
        if self._flow.steps[self._graph.split_of[join]].is_foreach:
            *outer, index = indexes
            key = TaskKey(join, tuple(outer))
        else:
            index, key = self._graph.branch_index(task.key.step), TaskKey(join, indexes)
        gathering = self._gatherings[key]
        gathering.put(index, task)
        if gathering.missing:
            return []
        del self._gatherings[key]
        return self._begin(key, gathering.parents(), gathering.executed)

    def _has_budget(self, task: _Task, failure: Failure) -> bool:
        return failure.retriable and task.attempt < task.policy.retries

    def _give_up(self, task: _Task, event: AttemptFailed) -> list[Action]:
        """No attempt is left: catch the failure if the step says so."""
        if not task.policy.catches:
            return self._fail(task, event, event.failure)
        self._move(task, "catching", event)
        task.attempt += 1
        return [RecordCaught(task.key, task.attempt, event.failure)]

    def _fail(self, task: _Task, event: TaskEvent, failure: Failure) -> list[Action]:
        self._move(task, "failed", event)
        self._failures.append((task.key, failure))
        if self._limits.on_error == "continue" or self._phase != "running":
            return []
        return self._stop("failed", task.key)

    def _move(self, task: _Task, state: TaskState, cause: TaskEvent | str) -> None:
        """Put a task into a state; the only place where this happens."""
        event = cause if isinstance(cause, str) else type(cause).__name__
        task.story.append(_transition(event, task.attempt, task.state, state))
        counts = self._step_counts[task.key.step]
        if task.state is not None:
            del self._by_state[task.state][task.key]
            counts[task.state] -= 1
        counts[state] += 1
        task.state = state
        self._by_state[state][task.key] = task

    # What becomes of the run

    def _stop(self, status: RunStatus, failed: TaskKey | None = None) -> list[Action]:
        """Start nothing any more and cancel what runs."""
        because = "the run was interrupted" if failed is None else f"task {failed} failed"
        self._phase, self._stopped_as = "stopping", status
        self._ready.clear()
        self._gatherings.clear()
        for task in (*self._by_state["ready"].values(), *self._by_state["retrying"].values()):
            self._move(task, "cancelled", because)
        running = list(self._by_state["running"].values())
        for task in running:
            self._move(task, "cancelling", because)
        return [CancelAttempt(task.key, task.attempt, failed) for task in running]

    def _launch_ready(self) -> list[Action]:
        """Start ready tasks while there is room."""
        actions: list[Action] = []
        while self._workers_busy() < self._limits.max_workers:
            key = self._ready.pop(self._free_cpus())
            if key is None:
                break
            task = self._tasks[key]
            self._take_cpus(task)
            self._begun.add(key.step)
            self._move(task, "running", "there is room")
            actions.append(LaunchAttempt(key, task.attempt, task.parents))
        return actions

    def _workers_busy(self) -> int:
        return len(self._by_state["running"]) + len(self._by_state["cancelling"])

    def _free_cpus(self) -> float:
        # A task that wants more than there is may run if it is the only one that says so.
        return self._limits.cpus - self._cpus_used + 1e-9 if self._cpu_tasks else math.inf

    def _take_cpus(self, task: _Task) -> None:
        self._cpus_used += task.policy.cpu
        self._cpu_tasks += task.policy.cpu > 0

    def _release_cpus(self, task: _Task) -> None:
        self._cpu_tasks -= task.policy.cpu > 0
        self._cpus_used -= task.policy.cpu

    def _finish(self) -> FinishRun:
        if _LAST in self._by_state["done"]:
            return FinishRun("successful")
        return FinishRun(self._stopped_as, tuple(self._failures), self._never_ran())

    def _never_ran(self) -> tuple[str, ...]:
        """Steps that were not begun although the run was bound for them.

        A switch that has not chosen is bound for what all its alternatives lead to.
        """
        bound = {START}
        for name in self._graph.order:
            if name in bound:
                bound |= self._chosen.get(name) or self._bound_after(name)
        return tuple(name for name in self._graph.order if name in bound - self._begun)

    def _bound_after(self, name: str) -> frozenset[str]:
        if self._flow.steps[name].is_switch:
            return self._graph.certain[name]
        return frozenset(self._graph.next_steps[name])
