"""Whole runs in this process: Python functions take the place of R workers, and time is virtual.

Everything but the workers and the clock is the real thing: scheduler, runtime, store, metadata.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import signal
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from metaflow_core import wire
from metaflow_core.compute.launcher import Exit, Listener, Stream
from metaflow_core.compute.session import RSession
from metaflow_core.datastore.attempts import AttemptReader, FlowDatastore
from metaflow_core.datastore.local import LocalStorage
from metaflow_core.datastore.pickles import wrap_r
from metaflow_core.errors import WorkerError
from metaflow_core.metadata.local import LocalMetadata
from metaflow_core.model.flow import Flow, Step
from metaflow_core.model.pathspec import Pathspec
from metaflow_core.runtime.console import Console
from metaflow_core.runtime.report import RunResult
from metaflow_core.runtime.resume import OriginRun
from metaflow_core.runtime.start import RunOptions, RunRequest, Services, run_flow

SESSION = RSession("4.2.2", "0.1.0", "Rscript", ".", (), ".")

Function = Callable[["Self"], object]

_LONGEST_RUN_S = 1e6


NESTED = Flow.of(
    "F",
    Step("start", ("outer",), foreach="rows"),
    Step("outer", ("inner",), foreach="columns"),
    Step("inner", ("inner_join",)),
    Step("inner_join", ("outer_join",), is_join=True),
    Step("outer_join", ("end",), is_join=True),
    Step("end"),
)
"""A foreach inside of another one."""


class VirtualLoop:
    """A `Loop` whose time passes at once, as far as the next timer."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self._soon: deque[Callable[[], object]] = deque()
        self._timers: list[tuple[float, int, Callable[[], object]]] = []
        self._numbers = itertools.count()
        self._cancelled: set[int] = set()
        self._on_signal: Callable[[int], None] | None = None
        self.before_standstill: list[Callable[[], object]] = []

    def call_soon(self, callback: Callable[[], object]) -> None:
        self._soon.append(callback)

    def call_later(self, delay_s: float, callback: Callable[[], object]) -> Callable[[], object]:
        number = next(self._numbers)
        heapq.heappush(self._timers, (self.now_s + delay_s, number, callback))
        return lambda: self._cancelled.add(number)

    def aside(self, work: Callable[[], object], then: Callable[[], object]) -> None:
        work()
        self.call_soon(then)

    def step(self) -> None:
        """Do all that is due; if nothing is, let time pass until something is."""
        if not self._soon:
            self.now_s = max(self.now_s, self._timers[0][0])
            assert self.now_s < _LONGEST_RUN_S, "the run neither goes on nor ends"
            while self._timers and self._timers[0][0] <= self.now_s:
                _, number, callback = heapq.heappop(self._timers)
                if number not in self._cancelled:
                    self._soon.append(callback)
        for _ in range(len(self._soon)):
            self._soon.popleft()()

    def on_standstill(self, callback: Callable[[], object]) -> None:
        self.before_standstill.append(callback)

    @contextlib.contextmanager
    def catching_signals(self, callback: Callable[[int], None]) -> Iterator[None]:
        self._on_signal = callback
        yield
        self._on_signal = None

    def run(self) -> None:
        """Do all that is due, and will be."""
        while self._soon or self._timers:
            self.step()

    def interrupt(self) -> None:
        """The user presses Ctrl-C."""
        assert self._on_signal is not None
        self._on_signal(signal.SIGINT)

    def close(self) -> None:
        self._timers.clear()


class RError(Exception):
    """The step's function raised an R error.

    Args:
        message: Its message.
        failure: Further fields of the worker's account of it.
    """

    def __init__(self, message: str, **failure: Any) -> None:
        super().__init__(message)
        condition = wire.Classed({"message": message, "call": None}, ("simpleError", "error"))
        self.failure = {
            "kind": "error",
            "message": message,
            "call": "f(self)",
            "condition": wire.dumps(condition),
            **failure,
        }


@dataclass
class Dies(Exception):
    """The worker's process ends before it has said anything.

    Args:
        how: How it ends.
    """

    how: Exit


@dataclass(frozen=True)
class RBytes:
    """An artifact that only R can read: its serialization and its class."""

    data: bytes
    r_type: str = "closure"


class Unreadable(Exception):
    """The core answered that an artifact is there but cannot be had."""


class Self:
    """What a step's function sees, as far as runs are tested with it: artifacts are attributes.

    `task` is the message that the worker got; `prints()`, `takes()` and `refer()` stand for what
    an R function would do.
    """

    def __init__(self, worker: FakeWorker, task: Mapping[str, Any]) -> None:
        object.__setattr__(self, "_worker", worker)
        object.__setattr__(self, "task", task)
        object.__setattr__(self, "written", {})
        object.__setattr__(self, "references", {})
        object.__setattr__(self, "removed", [])
        object.__setattr__(self, "takes_s", 0.0)
        object.__setattr__(self, "items_one_by_one", None)
        object.__setattr__(self, "frames", None)

    def __getattr__(self, name: str) -> Any:
        if name in self.written:
            return self.written[name]
        if name not in self.task["artifacts"]:
            raise AttributeError(name)
        return self._worker.get({"from": "self", "name": name})

    def __setattr__(self, name: str, value: Any) -> None:
        self.written[name] = value

    def __delattr__(self, name: str) -> None:
        self.removed.append(name)

    @property
    def names(self) -> list[str]:
        """Names of the artifacts that the step starts with."""
        return sorted(self.task["artifacts"])

    @property
    def index(self) -> int:
        return self.task["frames"][-1]["index"]

    @property
    def input(self) -> Any:
        """The item of the innermost foreach."""
        level = len(self.task["frames"]) - 1
        return self.input_at(level)

    def get_item(self, level: int = -1) -> dict[str, Any]:
        """What the core answers to who asks for the item of a level."""
        level %= len(self.task["frames"])
        return self._worker.ask({"type": "get", "from": "foreach", "index": level, "name": "items"})

    def hand_over(self, items: list[bytes]) -> None:
        """Give the core each item of the foreach as R serialized it."""
        handed = {"sizes": [len(item) for item in items], "bytes": b"".join(items)}
        object.__setattr__(self, "items_one_by_one", handed)

    def input_at(self, level: int) -> Any:
        frame = self.task["frames"][level]
        answer = self.get_item(level)
        value = self._worker.value_of(answer)
        is_whole = not answer.get("is_item") and isinstance(value, list)
        return value[frame["index"]] if is_whole else value

    def inputs(self, name: str) -> list[Any]:
        """The artifact *name* of each input of a join; None where there is none."""
        count = len(_as_list(self.task["inputs"]["task_id"]))
        return [self._worker.get({"from": "input", "index": i, "name": name}) for i in range(count)]

    def objects(self, index: int) -> dict[str, str]:
        """Names and hashes of an input's artifacts."""
        return self._worker.ask({"type": "objects", "index": index})["objects"][0]

    def gather(self, name: str, indexes: list[int]) -> list[dict[str, Any]]:
        """The answer to one message that asks for the artifact *name* of several inputs."""
        return self._worker.ask({"type": "gather", "name": name, "index": indexes})["artifacts"]

    def refer(self, name: str, index: int) -> None:
        """Pass on an artifact of an input as it is."""
        self.references[name] = index

    def prints(self, text: str, stream: Stream = "stdout") -> None:
        self._worker.listener.on_output(stream, text.encode())

    def takes(self, seconds: float) -> None:
        """The step goes on for so long after what it has done."""
        object.__setattr__(self, "takes_s", seconds)

    def says(self, **message: Any) -> None:
        """Send the core a message."""
        self._worker.tell(message)

    def tells_at_an_interrupt(self, frames: list[dict[str, Any]]) -> None:
        """The user's frames that R sees there; without them, it is C code that goes on."""
        object.__setattr__(self, "frames", frames)


class FakeWorker:
    """Runs one attempt as a Python function."""

    def __init__(self, launcher: FakeLauncher, listener: Listener) -> None:
        self.listener = listener
        self._launcher, self._loop = launcher, launcher.loop
        self._answers: list[dict[str, Any]] = []
        self._step: Self | None = None
        self._cancel_end: Callable[[], object] = lambda: None
        self._has_ended = False

    def send(self, message: Mapping[str, Any]) -> None:
        # What cannot travel must not pass in a test either.
        message = wire.loads(wire.dumps(dict(message)))
        if message["type"] == "task":
            self._launcher.tasks.append(message)
            self._loop.call_soon(lambda: self._work(message))
        else:
            self._answers.append(message)

    def interrupt(self) -> None:
        if self._step is None or self._step.frames is None:
            self.stop(0)
            return
        why = self.ask({"type": "interrupted"})
        told = RError(why["message"], kind=why["kind"], frames=self._step.frames).failure
        self._finish(self._result(self._step, told))

    def stop(self, grace_s: float) -> None:
        self._loop.call_soon(lambda: self.end(Exit(None, signal.SIGTERM)))

    def ask(self, message: dict[str, Any]) -> dict[str, Any]:
        self.tell(message)
        return self._answers.pop()

    def get(self, what: dict[str, Any]) -> Any:
        return self.value_of(self.ask({"type": "get", **what}))

    def value_of(self, answer: dict[str, Any]) -> Any:
        if not answer["found"]:
            return None
        if answer["kind"] == "error":
            raise Unreadable(answer["message"])
        if answer["kind"] == "r":
            data = answer.get("bytes")
            if data is None:
                data = Path(answer["path"]).read_bytes()[answer["offset"] :]
                data = data.removesuffix(wrap_r(0)[1])
            return RBytes(data)
        return answer["value"]

    def end(self, how: Exit) -> None:
        if not self._has_ended:
            self._has_ended = True
            self._cancel_end()
            self._launcher.running -= 1
            self.listener.on_exit(how)

    def _work(self, task: Mapping[str, Any]) -> None:
        if self._has_ended:
            return
        self._step = step = Self(self, task)
        failure = None
        if self._launcher.worker_prints:
            self.listener.on_output("stderr", self._launcher.worker_prints)
            self.ask({"type": "loaded"})
        try:
            self._launcher.functions.get(task["step"], lambda step: None)(step)
        except RError as error:
            failure = error.failure
        except Unreadable as error:
            failure = {"kind": "error", "message": str(error)}
        except Dies as death:
            self.end(death.how)
            return
        result = self._result(step, failure)
        self._cancel_end = self._loop.call_later(step.takes_s, lambda: self._finish(result))

    def _finish(self, result: dict[str, Any]) -> None:
        if not self._has_ended:
            self.tell(result)
            self.end(Exit(0 if result["ok"] else 1, None))

    def _result(self, step: Self, failure: dict[str, Any] | None) -> dict[str, Any]:
        artifacts = [_artifact(name, value, step.task) for name, value in step.written.items()]
        artifacts += [
            {"name": name, "kind": "reference", "index": index}
            for name, index in step.references.items()
        ]
        return {
            "type": "result",
            "ok": failure is None,
            "artifacts": artifacts,
            "removed": step.removed,
            "outcome": self._outcome(step) if failure is None else None,
            "failure": failure,
            "kept": self._launcher.kept if failure else None,
        }

    def _outcome(self, step: Self) -> dict[str, Any] | None:
        if step.task["foreach"] is not None:
            items = getattr(step, step.task["foreach"])
            items = items if isinstance(items, list) else [items]
            handed = step.items_one_by_one
            size = len(handed["sizes"]) if handed else len(items)
            values = [str(item) for item in items] if handed is None else []
            return {"num_splits": size, "values": values, "items": handed}
        if step.task["condition"] is not None:
            value = getattr(step, step.task["condition"])
            return {"chosen": self._launcher.flow.steps[step.task["step"]].cases[value]}
        return None

    def tell(self, message: dict[str, Any]) -> None:
        self.listener.on_message(wire.loads(wire.dumps(message)))


def _as_list(value: Any) -> list[Any]:
    """An R vector: of length one, it is a scalar on the wire."""
    return value if isinstance(value, list) else [value]


def _artifact(name: str, value: Any, task: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(value, RBytes):
        return {"name": name, "kind": "native", "value": value}
    if len(value.data) <= task["inline_limit_bytes"]:
        return {"name": name, "kind": "r", "bytes": value.data, "r_type": value.r_type}
    path = Path(task["spool"], f"artifact-{name}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(task["room_bytes"]) + value.data)
    return {
        "name": name,
        "kind": "r",
        "path": str(path),
        "size_bytes": float(len(value.data)),
        "r_type": value.r_type,
    }


@dataclass
class FakeLauncher:
    """Starts Python functions as workers.

    Args:
        loop: The loop of the run.
        flow: The flow.
        functions: Function of each step; a step without one passes through.
        refuses: Number of workers that cannot be started, from the first.
        kept: What a step that fails keeps of its frames.
        load_prints: What is printed while the flow is loaded for all workers.
        worker_prints: What each worker prints while it loads the flow for itself.
    """

    loop: VirtualLoop
    flow: Flow
    functions: Mapping[str, Function]
    refuses: int = 0
    kept: Mapping[str, Any] | None = None
    load_prints: bytes = b""
    worker_prints: bytes = b""
    tasks: list[dict[str, Any]] = field(default_factory=list)
    workers: list[FakeWorker] = field(default_factory=list)
    running: int = 0
    most_running: int = 0

    def expect(self, count: int) -> None:
        """Nothing can be started ahead."""

    def prepare(self) -> None:
        """There is nothing to start ahead."""

    def on_load(self, hear: Callable[[bytes], object]) -> None:
        hear(self.load_prints)

    def start(self, listener: Listener, isolation: str | None = None) -> FakeWorker:
        if self.refuses:
            self.refuses -= 1
            raise WorkerError("The worker could not be started: no luck.")
        self.workers.append(FakeWorker(self, listener))
        self.running += 1
        self.most_running = max(self.running, self.most_running)
        listener.on_start(f"pid {len(self.workers) + 99}", is_loading=bool(self.worker_prints))
        return self.workers[-1]

    def close(self) -> None:
        for worker in self.workers:
            worker.end(Exit(None, signal.SIGKILL))


@dataclass
class Played:
    """A run that was played, and what it left.

    Args:
        result: How it ended.
        services: Where it put what it made.
        launcher: What started its workers.
        loop: What kept its time.
        printed: What it printed.
    """

    result: RunResult
    services: Services
    launcher: FakeLauncher
    loop: VirtualLoop
    printed: str

    @property
    def run(self) -> Pathspec:
        return Pathspec.parse(self.result.pathspec)

    @property
    def run_id(self) -> str:
        return self.run.parts[1]

    @property
    def started(self) -> list[str]:
        """``step``, ``step[0,1]`` of each attempt that was started, sorted."""
        return sorted(map(_label, self.launcher.tasks))

    def ids(self, step: str) -> list[str]:
        """Ids of the step's tasks, in the order of their making."""
        found = self.services.metadata.children(self.run.child(step))
        return sorted((str(record.pathspec.task) for record in found), key=int)

    def reader(self, step: str, number: int = 0) -> AttemptReader:
        """What the step's *number*-th task left."""
        return self.services.store.reader(self.run_id, step, self.ids(step)[number])

    def value(self, step: str, name: str, number: int = 0) -> Any:
        return self.reader(step, number).load(name).value()

    def metadata(self, step: str, number: int = 0) -> dict[str, Any]:
        """The facts about a task, by field; the newest counts."""
        return {
            datum["field_name"]: datum["value"]
            for datum in self.services.metadata.task_metadata(self.task(step, number))
        }

    def task(self, step: str, number: int = 0) -> Pathspec:
        return self.run.child(step).child(self.ids(step)[number])

    def log(self, step: str, stream: str, number: int = 0, attempt: int = 0) -> list[str]:
        """Lines of a task's log, without their stamps."""
        file = self.services.store.log_file(
            self.run_id, step, self.ids(step)[number], attempt, "runtime", stream
        )
        return [line.partition(b"]")[2].decode() for line in file.read().splitlines()]


def _label(task: Mapping[str, Any]) -> str:
    indexes = ",".join(str(frame["index"]) for frame in task["frames"])
    return f"{task['step']}[{indexes}]" if indexes else task["step"]


@dataclass
class Stage:
    """Plays runs into one store.

    Args:
        root: The store's directory.
    """

    root: Path

    def services(self, flow: Flow, printed: list[str] | None = None) -> Services:
        lines = [] if printed is None else printed
        return Services(
            FlowDatastore(LocalStorage(self.root), flow.name),
            LocalMetadata(self.root),
            Console(lambda text, stream: lines.append(text)),
        )

    def play(  # noqa: PLR0913 -- what a run can be given
        self,
        flow: Flow,
        functions: Mapping[str, Function] | None = None,
        *,
        origin: Played | None = None,
        from_step: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        options: RunOptions | None = None,
        refuses: int = 0,
        kept: Mapping[str, Any] | None = None,
        prepare: Callable[[Services, VirtualLoop], Services] = lambda services, loop: services,
    ) -> Played:
        """Run *flow*, or resume *origin*, with Python functions as its steps.

        Args:
            flow: The flow.
            functions: Function of each step; a step without one passes through.
            origin: The run to resume.
            from_step: The step to resume from.
            parameters: Values of the flow's parameters.
            options: How to run it.
            refuses: Number of workers that cannot be started, from the first.
            kept: What a step that fails keeps of its frames.
            prepare: Changes the services, or plans something on the loop.
        """
        printed: list[str] = []
        loop = VirtualLoop()
        services = prepare(self.services(flow, printed), loop)
        launcher = FakeLauncher(loop, flow, functions or {}, refuses, kept)
        request = RunRequest(
            flow,
            parameters or {},
            options or RunOptions(),
            SESSION,
            b"payload",
            self._origin(origin, services),
            from_step,
        )
        result = run_flow(request, services, lambda: loop, lambda *_: launcher)
        assert launcher.running == 0, "workers are left"
        return Played(result, services, launcher, loop, "".join(printed))

    def _origin(self, origin: Played | None, services: Services) -> OriginRun | None:
        if origin is None:
            return None
        return OriginRun(origin.run, services.store, services.metadata)


class Breaking:
    """An object of which some methods raise.

    Args:
        inner: The object.
        when: Asked with a method's name and arguments; an exception to raise, or None.
    """

    def __init__(self, inner: Any, when: Callable[..., Exception | None]) -> None:
        self._inner, self._when = inner, when

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not callable(found):
            return found

        def call(*args: Any, **kwargs: Any) -> Any:
            error = self._when(name, *args)
            if error is not None:
                raise error
            return found(*args, **kwargs)

        return call


def breaking_storage(services: Services, when: Callable[..., Exception | None]) -> Services:
    """The services with a storage that fails as *when* says."""
    store = FlowDatastore(Breaking(services.store.storage, when), services.store.flow)
    return replace(services, store=store)
