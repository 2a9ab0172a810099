"""The only door for R: operations by name, plain data in and out.

`ask(op, question)` runs one of the functions that are registered with `@operation`. The question
is `list(arguments = list(…), environment = list(…))` in R `serialize()` bytes; so is the answer,
`list(value = …)` or `list(error = list(kind, message, exit_code, fields))`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from metaflow_core import wire
from metaflow_core.bridge.operations import Live, find_operation
from metaflow_core.errors import MetaflowError, RFailed, UsageError

if TYPE_CHECKING:
    from metaflow_core.compute.inline import Hear, Say


def missing_packages() -> list[str]:
    """Packages that the core needs and this Python does not have."""
    return [name for name in ("click", "isal") if find_spec(name) is None]


def ask(op: str, question: bytes) -> bytearray:
    """Run operation *op*; its answer as R `serialize()` bytes.

    A `bytearray`, because reticulate makes a raw vector of it.
    """
    return _answer(op, question)


def ask_live(
    op: str,
    question: bytes,
    emit: Callable[[str, str], None],
    evaluate: Callable[..., bytes],
) -> bytearray:
    """Like `ask`, for an operation that prints and asks back while it runs.

    Args:
        op: Name of the operation.
        question: Arguments and environment in R `serialize()` bytes.
        emit: Called with text and ``"stdout"`` or ``"stderr"``.
        evaluate: Called with the name of what R is to evaluate and its serialized arguments;
            answers with serialized plain data. To serve an attempt, it is given two functions
            more: one that gives the core's next message, and one that takes a message.
    """

    def ask_r(name: str, /, *functions: Callable[..., Any], **arguments: Any) -> Any:
        answer = wire.loads(bytes(evaluate(name, bytearray(wire.dumps(arguments)), *functions)))
        if answer.get("failed"):
            raise RFailed(f"R could not evaluate {name}: {answer['failed']}")
        return answer.get("value")

    def serve_inline(hear: Hear, say: Say) -> int | None:
        try:
            status: int | None = ask_r(
                "attempt",
                lambda: bytearray(wire.dumps(dict(hear()))),
                lambda message: say(wire.loads(bytes(message))),
            )
        except (RuntimeError, KeyboardInterrupt):
            # All errors of R come as data. This is how reticulate tells that R went back to its
            # prompt, as the `Q` of a browser does.
            return None
        return status

    def emit_text(text: str, stream: str) -> None:
        # R's strings hold no NUL; a task may print one.
        emit(text.replace("\0", "\N{SYMBOL FOR NULL}"), stream)

    return _answer(op, question, live=Live(emit_text, ask_r, serve_inline))


def _answer(op: str, question: bytes, **extra: Any) -> bytearray:
    try:
        operation = find_operation(op)
        if operation is None:
            raise UsageError(f"The core has no operation {op!r}.")
        asked = wire.loads(bytes(question))
        _adopt_environment(asked["environment"] or {})
        value = operation(**(asked["arguments"] or {}), **extra)
        return bytearray(wire.dumps({"value": value}))
    except MetaflowError as error:
        return bytearray(wire.dumps({"error": describe(error)}))


def _adopt_environment(environment: dict[str, str]) -> None:
    """Make R's environment variables Python's: Python looked at them once, when it started."""
    for name in set(os.environ) - set(environment):
        del os.environ[name]
    for name, value in environment.items():
        if os.environ.get(name) != value:
            os.environ[name] = value


def describe(error: MetaflowError) -> dict[str, Any]:
    """An error as plain data: its kind, sentence, exit code and fields."""
    fields = {name: _plain(value) for name, value in error.fields().items()}
    return {
        "kind": error.kind(),
        "parents": [
            c.kind()
            for c in type(error).__mro__[1:]
            if issubclass(c, MetaflowError) and c is not MetaflowError and c.__name__[0] != "_"
        ],
        "message": str(error),
        "exit_code": error.exit_code,
        "fields": fields,
    }


def _plain(value: Any) -> Any:
    try:
        wire.dumps(value)
    except wire.NotPlain:
        return str(value)
    return value
