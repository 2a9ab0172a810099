"""What a worker process and the core say to each other.

A message is a four-byte big-endian length and that many bytes of R `serialize()` (see `wire`), a
named list with an element `type`. The core writes to one pipe and the worker to another; their
file descriptors are the worker's two command-line arguments. An attempt in the session that asked
for the run has two functions in their place. Bulk never travels in a message:
what is larger than `INLINE_LIMIT_BYTES` lies in a file of the attempt's spool directory, which
the message names.

From the core:

`task`      first message. `payload` (path of the run's payload: the flow's functions, helpers and
            packages, as R `serialize()` bytes), `spool` (directory for this attempt's files),
            `inline_limit_bytes`, `room_bytes` (see below), `step`, `is_join`, `foreach` (name of
            the artifact that this step fans out over, or NULL), `condition` (likewise), `cases`
            (list of texts that a condition may have), `max_num_splits`, `current` (named list, what
            `current()` answers), `parameters` (list of the names that are read-only), `artifacts`
            (list of the names that `self` has at the start), `frames` (list of `list(step, var,
            num_splits, index, value)`, outermost first), `item` (of the innermost foreach, as
            `artifact` has it, where it is small; else NULL), `inputs` (for a join:
            `list(step, index, task_id)` of the inputs in order, each a vector; `index` is that in
            the innermost foreach or NA), `items_limit_bytes` (see `items` of `result`), `seed`
            (raw, 2496 bytes: the 624 words of a Mersenne Twister, little-endian), `environment`
            (named list of environment variables), `print_error` (logical: whether a failure
            is told in the log), `keep_frames` (logical: whether a failure's frames are kept with
            their variables), `timeout_s` (seconds, or NULL; for an attempt in the session, which
            limits itself).
`artifact`  answers `get`: `found` (logical), `kind` and its payload as below; for `"foreach"`,
            `is_item` is TRUE if that is the item only, and absent if it is the whole artifact.
`artifacts` answers `gather`: `artifacts`, for the first of the inputs that were asked for the
            same as in `artifact`. For the rest the worker asks again.
`begin`     answers `loaded`.
`why`       answers `interrupted`: `kind` and `message`, as in `model.task.Failure`.
`objects`   answers `objects`: `objects`, for each input a named list: artifact name to content
            hash.

From the worker:

`loaded`    (from a process that loads the flow for one attempt) the step's function is next: what
            was printed until now is none of its output. The worker waits for the answer, so that
            what it prints from then on is not there yet.
`get`       asks for an artifact: `from` (`"self"`, `"input"` or `"foreach"`), `index` (which
            input, or which level of `frames`, from 0; absent for `"self"`), `name`.
`gather`    asks for the artifact `name` of several inputs: `index`, a vector.
`objects`   asks for the names and hashes of all artifacts of inputs: `index`, a vector.
`interrupted` the step was interrupted by a signal: asks why.
`output`    (in the session that asked for the run only) what the task printed on `stream`,
            `"stdout"` or `"stderr"`: `bytes`. The user has seen it.
`result`    last message. `ok` (logical); `artifacts`: list of `list(name, kind, ...)`, what the
            step assigned; `removed`: list of names; `outcome`: `list(chosen, num_splits, values,
            items)` (`values`: list of short texts, one a split; `items`: NULL if the artifact is
            native or they are more than `items_limit_bytes`, else `list(sizes, ...)` with R
            `serialize()` bytes of one after the other in `bytes` or in the file `path`); if not ok,
            `failure`: `list(kind, message, call, classes, frames, condition)`, as in
            `model.task.Failure`, and `kept`, the frames with their variables as an artifact
            travels, or NULL; `peak_memory_bytes` (largest resident size, where the worker knows
            it better than the system tells).

How an artifact travels, by `kind`:

`native`    `value`: plain data, stored as a native pickle (what may be native is decided in R,
            see `codec.R`).
`r`         R `serialize()` bytes in `bytes`, or in the file `path`; `r_type`: short name of the
            value's class. In a file of the worker, `size_bytes` of them follow `room_bytes` of
            zeros: the core fills the room, and the file becomes a blob without being copied. In
            one of the core, which is not to be changed, they begin at `offset`.
`reference` (worker to core only) the artifact `name` of input `index` is passed on as it is.
`python`    (core to worker only) a value that Python wrote and that has an R form: `value`,
            plain data.
`error`     (core to worker only) the artifact is there but cannot be had: `class`, `message`.
"""

from __future__ import annotations

import struct
from typing import Any

from metaflow_core import wire

INLINE_LIMIT_BYTES = 65536
"""Largest artifact that travels inside of a message."""

_LENGTH = struct.Struct(">i")
LENGTH_BYTES = _LENGTH.size
"""A frame begins with as many bytes, which say how many follow."""

_HEAD_BYTES = _LENGTH.size + len(wire.MAGIC[0])


def frame(message: dict[str, Any]) -> bytes:
    """A message as it goes over the pipe."""
    body = wire.dumps(message)
    return _LENGTH.pack(len(body)) + body


class FrameReader:
    """Cuts a stream of bytes into messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[dict[str, Any]]:
        """Messages that are complete once *data* has arrived, oldest first.

        Raises:
            NotPlain: If what has arrived is no message; nothing can be read after it.
        """
        self._buffer += data
        messages: list[dict[str, Any]] = []
        while len(self._buffer) >= _HEAD_BYTES:
            (size,) = _LENGTH.unpack_from(self._buffer)
            # Seen at once: bytes that are no message may promise a length that never comes.
            if bytes(self._buffer[_LENGTH.size : _HEAD_BYTES]) not in wire.MAGIC:
                raise wire.NotPlain("the bytes are not a message")
            end = _LENGTH.size + size
            if len(self._buffer) < end:
                break
            messages.append(_message(wire.loads(bytes(self._buffer[_LENGTH.size : end]))))
            del self._buffer[:end]
        return messages


def _message(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict) or not isinstance(value.get("type"), str):
        raise wire.NotPlain("a message is a named list with an element `type`")
    return value
