"""Carries out the scheduler's actions and tells it what happened, until the run ends."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

from metaflow_core.client.run import Run
from metaflow_core.client.store import Store
from metaflow_core.compute.launcher import Launcher
from metaflow_core.compute.loop import Loop
from metaflow_core.errors import StoreError
from metaflow_core.model.flow import PARAMETERS
from metaflow_core.model.task import Failure, TaskKey
from metaflow_core.runtime.attempt import Attempt
from metaflow_core.runtime.context import RunContext
from metaflow_core.runtime.failure import of_save
from metaflow_core.runtime.heartbeat import Heartbeat
from metaflow_core.runtime.progress import Progress
from metaflow_core.runtime.resume import OriginRun
from metaflow_core.runtime.runlog import RunLog
from metaflow_core.runtime.tasks import FinishedTask, Place, place_of
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
    RecordCaught,
    RetryDue,
    RunStarted,
    ScheduleRetry,
    TaskCloned,
)
from metaflow_core.scheduler.scheduler import Scheduler

LINGER_S = 3.0
"""How long tasks may go on when another one has failed: one that is about to finish is not lost."""

STOP_GRACE_S = 5.0
"""How long a stopped worker has to end by itself."""

_MOST_LISTED = 100
"""How many waiting tasks a heartbeat lists."""


class Runtime:
    """One run, from its first task to its end.

    Args:
        run: What all tasks of the run share.
        scheduler: Decides what is done.
        launcher: Starts workers.
        loop: The loop that *launcher* uses.
        origin: The run that is resumed, or None.
    """

    def __init__(
        self,
        run: RunContext,
        scheduler: Scheduler,
        launcher: Launcher,
        loop: Loop,
        origin: OriginRun | None,
    ) -> None:
        self._run, self._scheduler = run, scheduler
        self._launcher, self._loop, self._origin = launcher, loop, origin
        self._events: deque[Event] = deque()
        self._finished: dict[TaskKey, FinishedTask] = {}
        self._running: dict[TaskKey, Attempt] = {}
        self._places: dict[TaskKey, Place] = {}
        self._end: FinishRun | None = None
        self._is_interrupted = False
        self._lingering: list[Callable[[], None]] = []
        self.stopped: list[str] = []
        parameters = run.parameters
        self._log = RunLog(
            run.store.writer(run.pathspec.run or "", PARAMETERS, parameters.task_id, 0)
        )
        self._heartbeat = Heartbeat(run.pathspec, run.metadata, loop, self._state, self._ending)
        self._progress = Progress(run.console, loop, scheduler.tallies)

    def execute(self) -> FinishRun:
        """Run until nothing is left to do; how the run ended.

        Whatever goes wrong, no worker is left running.
        """
        try:
            with self._loop.catching_signals(self._interrupt):
                self._log.starts(self._run)
                self._launcher.on_load(self._log.loaded)
                self._heartbeat.start()
                self._tell(RunStarted())
                self._drain()
                while self._end is None:
                    self._launcher.expect(self._scheduler.upcoming())
                    self._loop.step()
                    self._drain()
        finally:
            for attempt in self._running.values():
                attempt.stop("stopped", "The run ended before its time.", grace_s=0)
            self._launcher.close()
            self._progress.stop()
            self._heartbeat.stop(self._end.status if self._end else "failed")
        return self._end

    def place(self, task: TaskKey) -> Place | None:
        """The place of a task; None if it could not be registered."""
        return self._places.get(task)

    def _interrupt(self, number: int) -> None:
        self._is_interrupted = True
        for stop in self._lingering:
            stop()
        self._tell(Interrupted())

    def _tell(self, event: Event) -> None:
        self._log.happened(event)
        self._events.append(event)

    def _drain(self) -> None:
        while self._events:
            event = self._events.popleft()
            for action in self._scheduler.handle(event):
                self._carry_out(action)
            if isinstance(event, (AttemptSucceeded, TaskCloned)):
                self._progress.watch(event.outcome.num_splits)

    def _carry_out(self, action: Action) -> None:
        self._log.happened(action)
        match action:
            case LaunchAttempt():
                self._launch(action)
            case CloneTask():
                self._clone(action)
            case ScheduleRetry():
                due = RetryDue(action.task, action.attempt)
                self._loop.call_later(action.delay_s, lambda: self._tell(due))
            case RecordCaught():
                self._record_caught(action)
            case CancelAttempt():
                self._cancel(action)
            case FinishRun():
                self._end = action

    def _launch(self, action: LaunchAttempt) -> None:
        key = action.task
        try:
            place = self._place(key, action.parents)
        except StoreError as error:
            self._tell(AttemptFailed(key, action.attempt, of_save(error)))
            return
        self._running[key] = Attempt(self._run, place, action.attempt, self._ended)
        self._running[key].start(self._launcher, self._loop)

    def _ended(self, attempt: Attempt, what: FinishedTask | Failure) -> None:
        key = attempt.place.key
        del self._running[key]
        if isinstance(what, Failure):
            if what.kind == "stopped":
                self.stopped.append(attempt.short)
            self._tell(AttemptFailed(key, attempt.number, what))
        else:
            self._finished[key] = what
            self._tell(AttemptSucceeded(key, attempt.number, what.outcome))

    def _cancel(self, action: CancelAttempt) -> None:
        """Stop an attempt: at once for the user, after a moment for the failure of another task."""
        attempt = self._running.get(action.task)
        if attempt is None:
            return  # it has ended in the meantime, and how is among the events
        because = f"Stopped because {self._why_stopped(action.failed)}."
        stop = partial(attempt.stop, "stopped", because, STOP_GRACE_S)
        if self._is_interrupted:
            stop()
        else:
            self._lingering.append(stop)
            self._loop.call_later(LINGER_S, stop)

    def _why_stopped(self, failed: TaskKey | None) -> str:
        if failed is None:
            return "the run was interrupted"
        place = self._places.get(failed)
        name = f"{self._run.pathspec.run}/{failed.step}/{place.task_id}" if place else failed
        return f"task {name} failed"

    def _clone(self, action: CloneTask) -> None:
        assert self._origin is not None
        place = self._place(action.task, action.parents)
        finished = self._origin.clone(self._run, place)
        self._finished[action.task] = finished
        self._tell(TaskCloned(action.task, finished.outcome))

    def _record_caught(self, action: RecordCaught) -> None:
        place = self._places.get(action.task)
        if place is None:
            raise StoreError(action.failure.message)
        attempt = Attempt(self._run, place, action.attempt, self._ended)
        self._finished[action.task] = attempt.record_caught(action.failure)
        self._tell(FailureCaught(action.task, action.attempt))

    def _place(self, key: TaskKey, parents: tuple[TaskKey, ...]) -> Place:
        """The task's place, made at its first attempt, when it gets its id."""
        if key not in self._places:
            run, steps = self._run, self._run.flow.steps
            finished = tuple(self._finished[parent] for parent in parents) or (run.parameters,)
            follows = f"{finished[0].key.step}/{finished[0].task_id}"
            self._places[key] = place_of(
                key,
                run.metadata.new_task(run.pathspec, key.step, run.identity, follows),
                steps[key.step],
                finished,
                steps[parents[0].step].foreach if parents else None,
            )
        return self._places[key]

    def _state(self) -> dict[str, Any]:
        """What the run is doing, as JSON data."""
        state = self._scheduler.state()
        return {
            "running": [a.describe() for a in self._running.values()],
            "finished": len(self._finished),
            "waiting": [{"task": str(w.task), "why": w.why} for w in state.waiting[:_MOST_LISTED]],
            "counts": dict(state.counts),
            "steps": [asdict(tally) for tally in self._scheduler.tallies()],
        }

    def _ending(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """How the run ended, as its clients tell it, if its last heartbeat is *state*."""
        metadata, storage = self._run.metadata, self._run.store.storage
        store = Store(metadata.type, metadata, storage)
        run = Run(str(self._run.pathspec), _store=store, _namespace_check=False)
        return run.ending_after(state)._asdict()
