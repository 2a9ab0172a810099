"""A runtime without processes: everything that can happen happens in a random order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random

from metaflow_core.model.flow import Flow
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
    ScheduleRetry,
    StepPolicy,
    TaskCloned,
)
from metaflow_core.scheduler.resume import Origin, OriginTask
from metaflow_core.scheduler.scheduler import Scheduler

STOPPED = Failure("stopped", "stopped with the run")


@dataclass
class SimulatedRun:
    """Drives a scheduler and asserts at each action that it was allowed to ask for it.

    Args:
        flow: The flow.
        decide: What each task decides about what follows.
        random: Source of all chance.
        policies: What the decorators mean.
        limits: Bounds of the run.
        origin: The run that is resumed.
        failing: Probability that an attempt fails.
        interrupting: Probability, at each event, that the user interrupts the run.
    """

    flow: Flow
    decide: Callable[[TaskKey], Outcome]
    random: Random
    policies: Mapping[str, StepPolicy] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    origin: Origin | None = None
    failing: float = 0.0
    interrupting: float = 0.0

    def __post_init__(self) -> None:
        self.scheduler = Scheduler(self.flow, self.policies, self.limits, self.origin)
        #: What can happen next, by what it happens to.
        self.pending: dict[object, Event] = {"run": RunStarted()}
        self.running: dict[TaskKey, int] = {}
        self.parents: dict[TaskKey, tuple[TaskKey, ...]] = {}
        self.attempts: Counter[TaskKey] = Counter()
        self.retries: Counter[TaskKey] = Counter()
        self.cloned: set[TaskKey] = set()
        #: Tasks whose results are stored, and what they decided.
        self.done: dict[TaskKey, Outcome] = {}
        self.failed: dict[TaskKey, Failure] = {}
        self.cancelled: set[TaskKey] = set()
        self.stopped_by: str | None = None
        self.end: FinishRun | None = None

    def execute(self) -> FinishRun:
        """Let everything happen until the run ends; how it ended."""
        while self.end is None:
            assert self.pending, "the run neither goes on nor ends"
            if self.random.random() < self.interrupting:
                self._happen(Interrupted())
            else:
                self._happen(self.pending.pop(self.random.choice(list(self.pending))))
        self._check_silence()
        return self.end

    def as_origin(self, from_step: str | None = None) -> Origin:
        """This run as one to resume from."""
        finished = {key: OriginTask(f"id of {key}", out) for key, out in self.done.items()}
        unfinished = dict.fromkeys(self.parents.keys() - self.done.keys(), "failed")
        return Origin("153", finished, unfinished, from_step)

    def policy(self, task: TaskKey) -> StepPolicy:
        return self.policies.get(task.step, StepPolicy())

    # What happens

    def _happen(self, event: Event) -> None:
        match event:
            case AttemptSucceeded() | TaskCloned():
                self.running.pop(event.task, None)
                self.done[event.task] = event.outcome
            case FailureCaught():
                self.done[event.task] = Outcome()
            case AttemptFailed():
                del self.running[event.task]
                self._fail(event)
            case Interrupted():
                self.stopped_by = self.stopped_by or "interrupted"
        for action in self.scheduler.handle(event):
            self._carry_out(action)
        self._check_state()

    def _fail(self, event: AttemptFailed) -> None:
        policy, failure = self.policy(event.task), event.failure
        may_retry = failure.retriable and event.attempt < policy.retries
        if failure.kind == "stopped" or may_retry or policy.catches:
            return
        self.failed[event.task] = failure
        if self.limits.on_error == "stop":
            self.stopped_by = self.stopped_by or "failed"

    def _ending(self, task: TaskKey, attempt: int) -> Event:
        if self.random.random() >= self.failing:
            return AttemptSucceeded(task, attempt, self.decide(task))
        retriable = self.random.random() < 0.8
        return AttemptFailed(task, attempt, Failure("error", "no luck", retriable=retriable))

    # What is asked for

    def _carry_out(self, action: Action) -> None:
        assert self.end is None, f"after the end: {action}"
        match action:
            case LaunchAttempt():
                self._launch(action)
            case CloneTask():
                self._clone(action)
            case ScheduleRetry():
                self._schedule_retry(action)
            case RecordCaught():
                assert self.policy(action.task).catches
                assert action.attempt == self.attempts[action.task]
                self.pending[action.task] = FailureCaught(action.task, action.attempt)
            case CancelAttempt():
                self._cancel(action)
            case FinishRun():
                assert all(isinstance(e, RetryDue | RunStarted) for e in self.pending.values())
                self.end = action

    def _launch(self, action: LaunchAttempt) -> None:
        task = action.task
        assert self.stopped_by is None, f"after a stop: {action}"
        assert action.attempt == self.attempts[task], "attempts come one after the other, once each"
        assert action.attempt <= self.policy(task).retries
        assert task not in self.done
        assert self.parents.setdefault(task, action.parents) == action.parents
        assert self.done.keys() >= set(action.parents), "parents come first"
        self.attempts[task] += 1
        self.running[task] = action.attempt
        self.pending[task] = self._ending(task, action.attempt)
        self._check_room()

    def _clone(self, action: CloneTask) -> None:
        assert self.stopped_by is None
        assert self.origin is not None
        assert self.cloned >= set(action.parents)
        assert action.task not in self.parents
        origin_task = self.origin.tasks[action.task]
        assert action.origin_task_id == origin_task.task_id
        self.parents[action.task] = action.parents
        self.cloned.add(action.task)
        self.pending[action.task] = TaskCloned(action.task, origin_task.outcome)

    def _schedule_retry(self, action: ScheduleRetry) -> None:
        assert self.stopped_by is None
        assert action.attempt == self.attempts[action.task]
        assert action.delay_s == self.policy(action.task).retry_wait_s
        self.retries[action.task] += 1
        assert self.retries[action.task] <= self.policy(action.task).retries
        self.pending[action.task] = RetryDue(action.task, action.attempt)

    def _cancel(self, action: CancelAttempt) -> None:
        assert self.stopped_by is not None
        assert self.running[action.task] == action.attempt
        assert action.task not in self.cancelled, "cancelled once"
        self.cancelled.add(action.task)
        # It may still end by itself, well or badly, before it is stopped.
        if self.random.random() < 0.6:
            self.pending[action.task] = AttemptFailed(action.task, action.attempt, STOPPED)

    # What must hold all the time

    def _check_room(self) -> None:
        assert len(self.running) <= self.limits.max_workers
        cpus = [cpu for task in self.running if (cpu := self.policy(task).cpu)]
        assert len(cpus) <= 1 or sum(cpus) <= self.limits.cpus + 1e-6

    def _check_state(self) -> None:
        state = self.scheduler.state()
        assert dict(state.running) == self.running
        assert state.counts["done"] == len(self.done)
        assert state.counts["failed"] == len(self.failed)
        if self.stopped_by is None and self.end is None and state.phase != "new":
            idle = len(self.running) < self.limits.max_workers
            slots = [w for w in state.waiting if w.why == "worker slots"]
            cpus = [w for w in state.waiting if w.why == "cpus"]
            assert not (idle and slots)
            assert not (cpus and not any(self.policy(task).cpu for task in self.running))

    def _check_silence(self) -> None:
        for event in [*self.pending.values(), Interrupted(), Interrupted()]:
            assert self.scheduler.handle(event) == []
