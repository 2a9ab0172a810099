"""Metaflow's own artifacts of a task: what stock Metaflow's client and runtime read of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from metaflow_core.datastore import pickles
from metaflow_core.datastore.attempts import AttemptWriter
from metaflow_core.model.flow import Step
from metaflow_core.model.task import Failure, ForeachFrame, Outcome
from metaflow_core.runtime.failure import condition_bytes, trace
from metaflow_core.runtime.tasks import RUN_ARTIFACTS, Place, Stored


class FrameworkArtifacts:
    """Stores Metaflow's own artifacts of a run's tasks.

    Args:
        parameters: Artifacts of the run's task ``_parameters``.
    """

    def __init__(self, parameters: Stored) -> None:
        self._parameters = parameters
        #: What the tasks of a step that end alike repeat: it is encoded and hashed once.
        self._repeated: dict[tuple[str, bool, bool, str | None], Stored] = {}

    def save(  # noqa: PLR0913 -- each is a fact of its own about how the task ended
        self,
        writer: AttemptWriter,
        place: Place,
        *,
        ok: bool,
        success: bool,
        outcome: Outcome | None = None,
        values: Sequence[str] = (),
        failure: Failure | None = None,
    ) -> None:
        """Store those of one attempt.

        Args:
            writer: Stores what the attempt makes; it has the user's artifacts already.
            place: The task.
            ok: Whether the run goes on after it.
            success: Whether it did so without a failure that was caught.
            outcome: What it decided about what follows.
            values: For a foreach: each item as short text.
            failure: Why it failed.

        Raises:
            StoreError: If they cannot be stored.
        """
        decided = outcome or Outcome()
        parameters = self._parameters
        for name in RUN_ARTIFACTS:
            if name not in writer.objects and name in parameters.objects:
                writer.refer(name, parameters.objects[name], parameters.info.get(name, {}))
        self._save_repeated(writer, place.step, ok, success, decided.chosen)
        save_foreach_stack(writer, place.frames)
        if decided.num_splits is not None:
            writer.save_native("_foreach_num_splits", decided.num_splits)
        if place.step.is_foreach and outcome is not None:
            writer.save_native("_foreach_values", list(values))
        if failure is not None:
            _save_failure(writer, failure)

    def _save_repeated(
        self, writer: AttemptWriter, step: Step, ok: bool, success: bool, chosen: str | None
    ) -> None:
        end = step.name, ok, success, chosen
        if end not in self._repeated:
            following = (chosen,) if chosen else step.next_steps
            values: dict[str, Any] = {
                "_transition": (list(following), step.foreach) if ok and following else None,
                "_task_ok": ok,
                "_success": success,
                "_iteration_stack": [],
                "_foreach_var": step.foreach,
                "_foreach_num_splits": None,
                "_current_step": step.name,
                "_exception": None,
            }
            objects = {name: writer.save_native(name, value) for name, value in values.items()}
            self._repeated[end] = Stored(objects, {name: writer.info[name] for name in objects})
        writer.take_over(self._repeated[end])


def save_foreach_stack(writer: AttemptWriter, frames: Sequence[ForeachFrame]) -> None:
    """Store a task's foreach stack as stock Metaflow has it."""
    writer.save_pickle("_foreach_stack", pickles.dumps_foreach_stack(frames), "<class 'list'>")


def _save_failure(writer: AttemptWriter, failure: Failure) -> None:
    kind = failure.classes[0] if failure.classes else failure.kind
    exception = pickles.dumps_exception(kind, failure.message, trace(failure))
    writer.save_pickle("_exception", exception, "MetaflowExceptionWrapper")
    writer.save_native(
        "_failure",
        {
            "kind": failure.kind,
            "message": failure.message,
            "call": failure.call,
            "classes": list(failure.classes),
            "frames": [dict(frame) for frame in failure.frames],
        },
    )
    writer.save_r("_condition", condition_bytes(failure), "condition")
