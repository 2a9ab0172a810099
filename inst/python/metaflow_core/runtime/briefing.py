"""What a task is told when it begins, and the answers to what it asks while it runs.

The same for a worker, which asks over a pipe, and for the session of a user who looks at a task of
the past, see `runtime.scene`. `compute.protocol` describes the messages.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from metaflow_core import wire
from metaflow_core.client.for_r import encode_for_r
from metaflow_core.compute.protocol import INLINE_LIMIT_BYTES
from metaflow_core.datastore import pickles
from metaflow_core.errors import MetaflowError
from metaflow_core.files import telling
from metaflow_core.runtime import seeds
from metaflow_core.runtime.context import RunContext
from metaflow_core.runtime.items import ITEMS_LIMIT_BYTES
from metaflow_core.runtime.tasks import FinishedTask, Level, Place, Stored, inherited, visible

_GATHERED_BYTES = 1 << 20
"""How much of the artifacts of a join's inputs is sent at once."""


class Briefing:
    """One attempt of a task, as far as the task itself knows of it.

    Args:
        run: The run it belongs to.
        place: The task.
        number: Attempt number, from 0.
        spool: Folder for the attempt's temporary files.
    """

    def __init__(self, run: RunContext, place: Place, number: int, spool: Path) -> None:
        self._run, self._place, self._number, self._spool = run, place, number, spool
        #: The task's pathspec.
        self.pathspec = run.pathspec.child(place.key.step).child(place.task_id)
        self.start = inherited(place, run.parameters.stored)

    def message(self) -> dict[str, Any]:
        """The message `task`."""
        step, run, place = self._place.step, self._run, self._place
        policy = run.policies[step.name]
        return {
            "type": "task",
            "payload": str(run.payload_path),
            "spool": str(self._spool),
            "inline_limit_bytes": INLINE_LIMIT_BYTES,
            "room_bytes": pickles.ROOM_BYTES,
            "items_limit_bytes": ITEMS_LIMIT_BYTES,
            "step": step.name,
            "is_join": step.is_join,
            "foreach": step.foreach,
            "condition": step.condition,
            "cases": list(step.cases),
            "max_num_splits": run.max_num_splits,
            "foreach_value_chars": run.foreach_value_chars,
            "current": {
                **run.current,
                "step_name": step.name,
                "task_id": place.task_id,
                "pathspec": str(self.pathspec),
                "retry_count": self._number,
            },
            "parameters": list(run.flow.parameters),
            "artifacts": list(self._visible(self.start).objects),
            "frames": [
                {
                    "step": frame.step,
                    "var": frame.var,
                    "num_splits": frame.num_splits,
                    "index": frame.index,
                    "value": frame.value,
                }
                for frame in place.frames
            ],
            "item": self._small_item(),
            "inputs": _input_columns(place.parents) if step.is_join else None,
            "seed": b"" if run.seed is None else seeds.stream(run.seed, place.key),
            "environment": dict(policy.environment),
            "print_error": policy.print_exception or not policy.catches,
            "timeout_s": policy.timeout_s,
            "keep_frames": run.keep_frames,
        }

    def answer(self, question: Mapping[str, Any]) -> dict[str, Any] | None:
        """The answer to a message `get`, `gather` or `objects`; None to any other."""
        match question["type"]:
            case "get":
                return {"type": "artifact", **self._get(question)}
            case "gather":
                return {"type": "artifacts", "artifacts": self._gather(question)}
            case "objects":
                found = [self._visible(p.stored).objects for p in self._inputs(question["index"])]
                return {"type": "objects", "objects": [dict(each) for each in found]}
            case _:
                return None

    def _get(self, question: Mapping[str, Any]) -> dict[str, Any]:
        match question["from"]:
            case "input":
                parent = self._place.parents[question["index"]]
                return self._get_from(parent.stored, question["name"])
            case "foreach":
                level = self._place.levels[question["index"]]
                # What has no items, or cannot be read, is told by the artifact itself.
                with contextlib.suppress(KeyError, MetaflowError):
                    return self._get_item(level)
                return self._get_from(level.source, level.frame.var)
            case _:
                return self._get_from(self.start, question["name"])

    def _small_item(self) -> dict[str, Any] | None:
        """The item of the innermost foreach: nearly every task asks for it.

        None where it, or what it is cut from, is large; what cannot be read is told to who asks.
        """
        levels = self._place.levels
        if not levels or not self._run.items.is_small(levels[-1].source, levels[-1].frame.var):
            return None
        with contextlib.suppress(KeyError, MetaflowError):
            return _inline_item(levels[-1], self._item(levels[-1]))
        return None

    def _get_item(self, level: Level) -> dict[str, Any]:
        item = self._item(level)
        return _inline_item(level, item) or self._item_in_file(level, item)

    def _item(self, level: Level) -> Any:
        frame = level.frame
        return self._run.items.item(level.source, frame.var, frame.index, str(self.pathspec))

    def _item_in_file(self, level: Level, item: memoryview) -> dict[str, Any]:
        path = self._spool / f"item-{len(self._place.levels)}-{level.frame.step}"
        with telling("write", path):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(item)
        return {**_item_of(level), "kind": "r", "path": str(path), "offset": 0}

    def _gather(self, question: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The artifact of the first inputs that are asked for, as many as a message holds."""
        name, size_bytes = question["name"], 0
        answers: list[dict[str, Any]] = []
        for parent in self._inputs(question["index"]):
            answers.append(self._get_from(parent.stored, name))
            size_bytes += parent.stored.info.get(name, {}).get("size") or 0
            if size_bytes >= _GATHERED_BYTES:
                break
        return answers

    def _inputs(self, indexes: int | list[int]) -> list[FinishedTask]:
        # An R vector of length one is a scalar on the wire.
        indexes = indexes if isinstance(indexes, list) else [indexes]
        return [self._place.parents[index] for index in indexes]

    def _get_from(self, stored: Stored, name: str) -> dict[str, Any]:
        if name not in stored.objects:
            return {"found": False, "name": name}
        encoded = stored.encoded(name, self._run.store, str(self.pathspec))
        answer = encode_for_r(encoded, self._run.unpacked, INLINE_LIMIT_BYTES)
        return {"found": True, "name": name, **answer}

    def _visible(self, stored: Stored) -> Stored:
        return visible(stored, self._run.parameters.stored)


def _item_of(level: Level) -> dict[str, Any]:
    return {"found": True, "name": level.frame.var, "is_item": True}


def _inline_item(level: Level, item: Any) -> dict[str, Any] | None:
    """The answer for an item, if it may travel in a message."""
    if not isinstance(item, memoryview):
        return {**_item_of(level), "kind": "native", "value": item}
    if len(item) <= INLINE_LIMIT_BYTES:
        return {**_item_of(level), "kind": "r", "bytes": item}
    return None


def _input_columns(parents: Sequence[FinishedTask]) -> dict[str, Any]:
    """What a join is told of its inputs, as columns: there may be thousands."""
    indexes = [p.key.indexes[-1] if p.key.indexes else None for p in parents]
    return {
        "step": wire.Vector([p.key.step for p in parents]),
        "index": wire.Vector(indexes, kind=int),
        "task_id": wire.Vector([p.task_id for p in parents]),
    }
