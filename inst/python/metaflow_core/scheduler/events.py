"""What the runtime tells the scheduler, and what the scheduler asks of the runtime."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from metaflow_core.model.task import Failure, Outcome, TaskKey

RunStatus = Literal["successful", "failed", "interrupted"]


@dataclass(frozen=True, slots=True)
class StepPolicy:
    """What the decorators of a step mean for its tasks.

    Args:
        retries: Further attempts after a failed first one, >= 0.
        retry_wait_s: Wait before each of them, in seconds.
        catches: Whether a task that failed for good is recorded as caught, and the run goes on.
        cpu: Cores that a task is said to use; 0 for a step that says nothing.
    """

    retries: int = 0
    retry_wait_s: float = 0.0
    catches: bool = False
    cpu: float = 0.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of a run.

    Args:
        max_workers: Attempts that may run at once, >= 1.
        max_num_splits: Largest foreach that is let through, >= 1.
        cpus: Cores shared by the tasks that say how many they use; a task that asks for more
            runs when no other such task does.
        on_error: ``"stop"``: a failed task stops the run; ``"continue"``: what does not depend on
            it is finished first.
    """

    max_workers: int = 16
    max_num_splits: int = 100
    cpus: float = 1.0
    on_error: Literal["stop", "continue"] = "stop"


# Events


@dataclass(frozen=True, slots=True)
class RunStarted:
    """The run is registered and its parameters are stored."""


@dataclass(frozen=True, slots=True)
class AttemptSucceeded:
    """An attempt finished and its results are stored."""

    task: TaskKey
    attempt: int
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class AttemptFailed:
    """An attempt ended without results that count."""

    task: TaskKey
    attempt: int
    failure: Failure


@dataclass(frozen=True, slots=True)
class RetryDue:
    """The wait before an attempt is over."""

    task: TaskKey
    attempt: int


@dataclass(frozen=True, slots=True)
class FailureCaught:
    """A caught failure is stored."""

    task: TaskKey
    attempt: int


@dataclass(frozen=True, slots=True)
class TaskCloned:
    """A task of the origin run is now one of this run too."""

    task: TaskKey
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The user wants the run to stop."""


Event = (
    RunStarted
    | AttemptSucceeded
    | AttemptFailed
    | RetryDue
    | FailureCaught
    | TaskCloned
    | Interrupted
)


# Actions


@dataclass(frozen=True, slots=True)
class LaunchAttempt:
    """Start an attempt; *parents* are in the order of the join's inputs."""

    task: TaskKey
    attempt: int
    parents: tuple[TaskKey, ...]


@dataclass(frozen=True, slots=True)
class CloneTask:
    """Make the origin run's task *origin_task_id* one of this run too."""

    task: TaskKey
    origin_task_id: str
    parents: tuple[TaskKey, ...]


@dataclass(frozen=True, slots=True)
class ScheduleRetry:
    """Send `RetryDue` for this attempt after *delay_s* seconds."""

    task: TaskKey
    attempt: int
    delay_s: float


@dataclass(frozen=True, slots=True)
class RecordCaught:
    """Store the failure as the task's result, as attempt *attempt*, then send `FailureCaught`."""

    task: TaskKey
    attempt: int
    failure: Failure


@dataclass(frozen=True, slots=True)
class CancelAttempt:
    """Stop a running attempt; it will report `AttemptFailed` of kind ``"stopped"``.

    Args:
        task: Its task.
        attempt: Its number.
        failed: The task whose failure stops the run; None if the user does.
    """

    task: TaskKey
    attempt: int
    failed: TaskKey | None


@dataclass(frozen=True, slots=True)
class FinishRun:
    """Nothing is left to do; the run ends with this status.

    Args:
        status: How the run ended.
        failures: Tasks that failed for good and were not caught, first failure first.
        never_ran: Steps of which no task was started although the run should have reached them.
    """

    status: RunStatus
    failures: tuple[tuple[TaskKey, Failure], ...] = ()
    never_ran: tuple[str, ...] = ()


Action = LaunchAttempt | CloneTask | ScheduleRetry | RecordCaught | CancelAttempt | FinishRun
