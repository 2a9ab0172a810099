"""`bridge`: questions and answers are data, errors of the core too; all else is an error."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import metaflow_core
from metaflow_core import bridge, errors, wire
from metaflow_core.bridge import ask, ask_live, describe
from metaflow_core.bridge.operations import OPERATIONS, Live, find_operation, operation


@pytest.fixture(autouse=True)
def _operations() -> Iterator[None]:
    """The table is as it was, whatever a test adds to it."""
    # Both modules that fill it: what is imported once does not fill it again.
    find_operation("command")
    find_operation("list_flows")
    kept = dict(OPERATIONS)
    yield
    OPERATIONS.clear()
    OPERATIONS.update(kept)


def _question(arguments: Any, **environment: str) -> bytes:
    return wire.dumps({"arguments": arguments, "environment": {**os.environ, **environment}})


def _ask(op: str, **arguments: Any) -> Any:
    return wire.loads(ask(op, _question(arguments)))


def _ask_live(op: str, answer: Any = None, **arguments: Any) -> tuple[Any, list[Any]]:
    """The answer, and what was printed and asked in the meantime; R answers *answer*."""
    said: list[Any] = []

    def evaluate(what: str, arguments: bytearray) -> bytes:
        said.append((what, wire.loads(arguments)))
        return wire.dumps(answer)

    answered = ask_live(
        op, _question(arguments), lambda text, stream: said.append((text, stream)), evaluate
    )
    return wire.loads(answered), said


def test_an_operation_answers_with_plain_data():
    operation("add")(lambda a, b: {"sum": a + b})

    assert _ask("add", a=1, b=2) == {"value": {"sum": 3}}


def test_an_answer_is_a_bytearray_which_reticulate_makes_raw():
    operation("nothing")(lambda: None)

    assert type(ask("nothing", _question({}))) is bytearray


def test_a_question_without_arguments_may_be_an_empty_list():
    """R's `list()` has no names."""
    operation("nothing")(lambda: None)

    assert wire.loads(ask("nothing", _question([]))) == {"value": None}


def test_the_environment_is_that_of_r(monkeypatch):
    """Python looked at it once, when it started; R may have changed it since."""
    monkeypatch.setenv("UNSET_IN_R", "1")
    monkeypatch.setenv("SET_IN_R", "old")
    operation("environment")(lambda: dict(os.environ))
    in_r = {k: v for k, v in os.environ.items() if k != "UNSET_IN_R"} | {"SET_IN_R": "new"}

    question = wire.dumps({"arguments": {}, "environment": in_r})
    answer = wire.loads(ask("environment", question))

    assert answer == {"value": in_r}


def test_a_nul_that_a_task_prints_is_shown_as_its_symbol():
    operation("print")(lambda live: live.emit("a\0b", "stdout"))

    assert _ask_live("print")[1] == [("a\N{SYMBOL FOR NULL}b", "stdout")]


def test_a_live_operation_prints_and_asks_back():
    def greet(name: str, live: Live) -> str:
        live.emit(f"Hello {name}\n", "stdout")
        return live.ask_r("default", name="alpha")

    operation("greet")(greet)
    answer, said = _ask_live("greet", {"value": 7}, name="Ada")

    assert answer == {"value": 7}
    assert said == [("Hello Ada\n", "stdout"), ("default", {"name": "alpha"})]


def test_what_r_could_not_evaluate_is_an_error_of_its_own():
    operation("asks")(lambda live: live.ask_r("default", name="alpha"))
    answer, _ = _ask_live("asks", {"failed": "object 'x' not found"})

    assert answer["error"]["kind"] == "r_failed"
    assert "R could not evaluate default: object 'x' not found" in answer["error"]["message"]


def test_an_error_of_the_core_is_data_with_its_fields():
    def fail() -> None:
        raise errors.ArtifactNotFound("x", "F/1/a/2", ["y", "z"])

    operation("fail")(fail)

    assert _ask("fail") == {
        "error": {
            "kind": "artifact_not_found",
            "parents": ["not_found"],
            "message": "Task F/1/a/2 has no artifact 'x'. Saved artifacts: y, z.",
            "exit_code": 1,
            "fields": {"name": "x", "pathspec": "F/1/a/2", "available": ["y", "z"]},
        }
    }


def test_an_operation_that_is_not_there_is_a_usage_error():
    answer = _ask("dance")

    assert answer["error"]["kind"] == "usage_error"
    assert answer["error"]["exit_code"] == 2


def test_an_error_that_is_not_of_the_core_is_pythons():
    def fail() -> None:
        raise ZeroDivisionError

    operation("fail")(fail)

    with pytest.raises(ZeroDivisionError):
        _ask("fail")


@pytest.mark.parametrize(
    ("value", "question"),
    [
        pytest.param(object(), _question({}), id="an answer that is not plain"),
        pytest.param(None, b"rubbish", id="a question that is not plain"),
    ],
)
def test_what_is_not_plain_data_is_pythons_error(value, question):
    operation("answer")(lambda: value)

    with pytest.raises(wire.NotPlain):
        ask("answer", question)


def _all_errors(kind: type = errors.MetaflowError) -> Iterator[type[errors.MetaflowError]]:
    for below in kind.__subclasses__():
        yield below
        yield from _all_errors(below)


_ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "InvalidFlow": ("F", ["one", "two"]),
    "ArtifactNotFound": ("x", "F/1/a/2", ["y"]),
}


@pytest.mark.parametrize(
    "kind",
    [
        k
        for k in _all_errors()
        if k.__module__ == errors.__name__ and not k.__name__.startswith("_")
    ],
    ids=lambda kind: kind.kind(),
)
def test_every_error_can_be_told(kind):
    error = kind(*_ARGUMENTS.get(kind.__name__, ("What happened.", "What to do.")))
    told = wire.loads(wire.dumps(describe(error)))

    assert told["kind"] == kind.kind()
    assert told["message"] == str(error)
    assert told["exit_code"] in (1, 2, 130)
    assert not any(parent.startswith("_") for parent in told["parents"])


def test_a_field_that_is_not_plain_is_told_as_text():
    class Odd(errors.MetaflowError):
        def __init__(self) -> None:
            super().__init__()
            self.what = {1, 2}

    assert describe(Odd())["fields"] == {"what": "{1, 2}"}


COMMAND = """
import os
import sys
from metaflow_core import wire
from metaflow_core.bridge import ask_live

step = {"name": "end", "next_steps": [], "cases": {}, "decorators": []}
start = {**step, "name": "start", "next_steps": ["end"]}
arguments = {
    "spec": {"name": "F", "steps": [start, step], "parameters": [], "decorators": []},
    "session": {
        "version": "4.2.2", "package_version": "0.1.0", "rscript": "Rscript",
        "scripts": ".", "libraries": [], "working_dir": ".",
    },
    "options": None,
    "terminal": {"argv": ["version"], "script": "Rscript flow.R", "colour": False},
}
question = {"arguments": arguments, "environment": dict(os.environ)}
printed = []
answer = ask_live(
    "command", wire.dumps(question), lambda text, stream: printed.append(text), lambda *_: b""
)
assert wire.loads(answer) == {"value": {"exit_code": 0}}, wire.loads(answer)
assert "".join(printed).startswith("metaflow 0.1.0"), printed
print("\\n".join(sorted({name.partition(".")[0] for name in sys.modules})))
"""

LOOK = """
import os
import sys
from metaflow_core import wire
from metaflow_core.bridge import ask

question = {"arguments": {}, "environment": dict(os.environ)}
assert wire.loads(ask("list_flows", wire.dumps(question))) == {"value": []}
print("\\n".join(sorted({name.partition(".")[0] for name in sys.modules})))
"""

SLOW = {"asyncio", "ctypes", "http", "multiprocessing", "sqlite3", "tarfile", "unittest", "xml"}
"""What is Python's own, takes long to load, and is not needed on the local path."""


def _loaded(code: str, directory: Path) -> set[str]:
    """Top-level modules that a fresh Python has loaded after *code*, but for its own first ones."""
    path = str(metaflow_core.__path__[0]).removesuffix("metaflow_core")
    after, before = (
        subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONPATH": path},
            cwd=directory,
        ).stdout.split()
        for program in (code, "import sys; print('\\n'.join(sys.modules))")
    )
    return set(after) - {name.partition(".")[0] for name in before}


@pytest.mark.parametrize(
    ("code", "allowed"),
    [
        pytest.param(COMMAND, {"metaflow_core", "click", "isal"}, id="a command"),
        pytest.param(LOOK, {"metaflow_core", "isal"}, id="the client, which needs no command line"),
    ],
)
def test_only_what_is_needed_is_loaded(code, allowed, tmp_path):
    """What is loaded before an answer costs the user time."""
    loaded = _loaded(code, tmp_path)

    assert {m for m in loaded if m not in sys.stdlib_module_names} <= allowed
    assert not loaded & SLOW


def test_a_package_that_python_does_not_have_is_named(monkeypatch):
    assert bridge.missing_packages() == []

    monkeypatch.setattr(bridge, "find_spec", lambda name: None if name == "isal" else object())
    assert bridge.missing_packages() == ["isal"]
