"""One attempt of a task: its worker, from start to end, and what is kept of it."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from metaflow_core.compute.launcher import Exit, Launcher, Stream, Worker
from metaflow_core.compute.loop import Loop
from metaflow_core.datastore import mflog
from metaflow_core.datastore.attempts import AttemptWriter
from metaflow_core.errors import MetaflowError, StoreError, WorkerError
from metaflow_core.files import telling
from metaflow_core.metadata.provider import MetaDatum
from metaflow_core.model.task import Failure, Outcome
from metaflow_core.runtime.briefing import Briefing
from metaflow_core.runtime.closing import close_attempt, of_attempt
from metaflow_core.runtime.context import RunContext
from metaflow_core.runtime.failure import condition_bytes, failure_of, of_save, of_stop, trace
from metaflow_core.runtime.items import SerializedItems
from metaflow_core.runtime.logs import TaskLog
from metaflow_core.runtime.tasks import (
    FOREACH_ITEMS,
    FRAMES,
    FinishedTask,
    Place,
    Stored,
    handed_on,
)

TIMEOUT_GRACE_S = 5.0
"""How long a worker that took too long has to tell where it was, and then to end by itself."""

_ASIDE_BYTES = 4_000_000
"""Size from which a file is stored in another thread: to hash it takes 2 ms, and 0.5 s for 1 GB."""

_Written = TypeVar("_Written")

OnEnd = Callable[["Attempt", FinishedTask | Failure], None]


class Attempt:
    """One attempt; the listener of its worker.

    Args:
        run: The run it belongs to.
        place: The task.
        number: Attempt number, from 0.
        on_end: Called once, when the attempt's results are stored or it has failed.
    """

    def __init__(self, run: RunContext, place: Place, number: int, on_end: OnEnd) -> None:
        self.place, self.number = place, number
        self._policy = run.policies[place.step.name]
        self._run, self._on_end = run, on_end
        self._spool = run.spool_root / f"{place.task_id}-{number}"
        self._briefing = Briefing(run, place, number, self._spool)
        self._pathspec = self._briefing.pathspec
        #: ``run/step/task``, as the console shows it.
        self.short = "/".join(self._pathspec.parts[1:])
        self._writer = self._new_writer()
        self._log = TaskLog(run.console, self._writer, self.short)
        self._loop: Loop | None = None
        self._worker: Worker | None = None
        self._label = ""
        self._result: dict[str, Any] | None = None
        self._stopped: Failure | None = None
        self._cancel_timeout: Callable[[], object] = lambda: None
        self._started_at = time.time()

    # Its life

    def start(self, launcher: Launcher, loop: Loop) -> None:
        """Register the attempt and start its worker; if this cannot be done, it has failed."""
        self._loop = loop
        try:
            self._begin(launcher, loop)
        except MetaflowError as error:
            is_start = isinstance(error, WorkerError)
            self._end(Failure("start", str(error)) if is_start else of_save(error), None)

    def _begin(self, launcher: Launcher, loop: Loop) -> None:
        self._writer.begin()
        self._register(self._start_metadata())
        self._worker = launcher.start(self, self._policy.isolation)
        self._worker.send(self._briefing.message())
        timeout_s = self._policy.timeout_s
        if timeout_s is not None:
            unit = "second" if timeout_s == 1 else "seconds"
            message = f"The task took longer than its timeout of {timeout_s:g} {unit}."
            self._cancel_timeout = loop.call_later(timeout_s, lambda: self._time_out(message, loop))

    def _time_out(self, because: str, loop: Loop) -> None:
        worker = self._worker
        if self._stopped is None and worker is not None:
            self._stopped = Failure("timeout", because)
            worker.interrupt()
            self._cancel_timeout = loop.call_later(
                TIMEOUT_GRACE_S, lambda: worker.stop(TIMEOUT_GRACE_S)
            )

    def stop(self, kind: str, because: str, grace_s: float) -> None:
        """End the attempt; it fails with *kind* and *because*."""
        if self._stopped is None and self._worker is not None:
            self._stopped = Failure(kind, because)
            self._worker.stop(grace_s)

    def describe(self) -> dict[str, Any]:
        """The attempt as JSON data, for the run's state."""
        return {
            "pathspec": str(self._pathspec),
            "attempt": self.number,
            "worker": self._label,
            "started_at": self._started_at,
        }

    # What its worker tells

    def on_start(self, label: str, *, is_loading: bool = False) -> None:
        """Say that the task runs (see `Listener`)."""
        self._label, self._started_at = label, time.time()
        if is_loading:
            self._log.set_source(mflog.LOAD)
        self._log.prefix = f"{self.short} ({label})"
        self._run.console.line("Task is starting.", prefix=self._log.prefix)

    def on_message(self, message: dict[str, Any]) -> None:
        """Answer a question, or keep the result (see `Listener`)."""
        if message["type"] == "result":
            self._result = message
            return
        try:
            answer = self._answer(message)
        except (LookupError, TypeError) as error:
            asked = f"{message['type']} ({type(error).__name__}: {error})"
            self.stop("malformed", f"A message of the worker cannot be understood: {asked}.", 0)
            return
        if answer is not None and self._worker is not None:
            self._worker.send(answer)

    def _answer(self, message: dict[str, Any]) -> dict[str, Any] | None:
        if message["type"] == "loaded":
            self._log.set_source(mflog.RUNTIME)
            return {"type": "begin"}
        if message["type"] != "interrupted":
            return self._briefing.answer(message)
        why = self._stopped or Failure("killed", "The task was interrupted by signal 2 (SIGINT).")
        return {"type": "why", "kind": why.kind, "message": why.message}

    def on_output(self, stream: Stream, data: bytes, *, is_shown: bool = False) -> None:
        """Log and print what the task wrote (see `Listener`)."""
        self._log.write(stream, data, is_shown=is_shown)

    def on_exit(self, how: Exit) -> None:
        """Keep the results, or find out why there are none (see `Listener`)."""
        self._cancel_timeout()
        files = self._large_files()
        if files and self._loop is not None:
            self._loop.aside(lambda: self._store(files), lambda: self._conclude(how))
        else:
            self._conclude(how)

    def _conclude(self, how: Exit) -> None:
        ended: FinishedTask | Failure
        try:
            ended = self._failure(how) or self._save(self._finish)
        except (MetaflowError, OSError) as error:
            ended = of_save(error)
        self._end(ended, how if self._label else None)

    def _peak_memory_bytes(self, how: Exit) -> int | None:
        """The worker's own word, if it lived to say it, is at least as good as the system's."""
        return (self._result or {}).get("peak_memory_bytes") or how.peak_memory_bytes or None

    def _end(self, ended: FinishedTask | Failure, how: Exit | None) -> None:
        """Record how the attempt ended; *how* its worker did, if it had one."""
        if isinstance(ended, Failure):
            self._keep_failure(ended)
        ok = not isinstance(ended, Failure)
        was_stopped = isinstance(ended, Failure) and ended.kind == "stopped"
        # What R raised is in the log already.
        if isinstance(ended, Failure) and not ended.condition:
            self._log.say(ended.message, error=True)
        last_word = "finished successfully" if ok else "was stopped" if was_stopped else "failed"
        self._log.say(f"Task {last_word}.", error=not ok)
        self._log.close()
        if how is not None:
            with contextlib.suppress(MetaflowError):
                self._writer.save_runtime(
                    return_code=_return_code(how),
                    killed=how.signal is not None,
                    success=ok,
                    cpu_s=round(how.cpu_s, 6),
                    peak_memory_bytes=self._peak_memory_bytes(how),
                    duration_s=round(time.time() - self._started_at, 6),
                )
        if os.access(self._spool, os.F_OK):
            shutil.rmtree(self._spool, ignore_errors=True)
        # It knows its listener: without it, both go at once and not with the garbage.
        self._worker = None
        self._on_end(self, ended)

    # What is kept

    def _failure(self, how: Exit) -> Failure | None:
        is_done = how.code == 0 and (self._result or {}).get("ok") is True
        if self._stopped is not None and not is_done:
            return of_stop(self._stopped, self._result)
        return failure_of(
            self._result, how, self._run.out_of_memory_kills, started=bool(self._label)
        )

    def _finish(self) -> FinishedTask:
        """Write the results of a successful attempt."""
        assert self._result is not None
        outcome = self._result.get("outcome") or {}
        decided = Outcome(outcome.get("chosen"), outcome.get("num_splits"))
        values = [v or "" for v in outcome.get("values") or ()]
        self._write_artifacts()
        if self._policy.catch_var is not None:
            # As in stock Metaflow: it tells those that failed from those that did not.
            self._writer.save_native(self._policy.catch_var, None)
        self._run.framework.save(
            self._writer, self.place, ok=True, success=True, outcome=decided, values=values
        )
        self._write_items(outcome.get("items"))
        return self._finished(decided, values)

    def _finished(self, outcome: Outcome, values: list[str]) -> FinishedTask:
        place = self.place
        stored = Stored(self._writer.objects, self._writer.info)
        kept = handed_on(stored, self._run.parameters.stored)
        return FinishedTask(place.key, place.task_id, place.levels, kept, outcome, values)

    def _keep_failure(self, failure: Failure) -> None:
        """Write what a failed attempt left; a store that cannot take it is told on the console."""
        try:
            self._writer = self._new_writer()
            self._save(lambda: self._write_failure(failure, ok=False), ok=False)
        except MetaflowError as error:
            self._log.say(f"The failed attempt could not be recorded: {error}", error=True)

    def _write_failure(self, failure: Failure, *, ok: bool) -> None:
        with contextlib.suppress(MetaflowError, OSError):
            self._write_artifacts()
        kept = (self._result or {}).get("kept")
        if kept is not None:
            with contextlib.suppress(MetaflowError, OSError):
                self._write_artifact({**kept, "name": FRAMES})
        self._write_failed(failure, ok=ok)

    def _write_failed(self, failure: Failure, *, ok: bool) -> None:
        framework = self._run.framework
        framework.save(self._writer, self.place, ok=ok, success=False, failure=failure)

    def record_caught(self, failure: Failure) -> FinishedTask:
        """Store *failure* as the result of the task, as this attempt.

        Raises:
            StoreError: If it cannot be stored.
        """
        self._writer.begin()
        self._register(self._start_metadata())
        self._tell_caught(failure)
        return self._save(lambda: self._write_caught(failure))

    def _tell_caught(self, failure: Failure) -> None:
        if self._policy.print_exception:
            # The console has it from the attempt that failed; the log of this one is what
            # is looked at afterwards.
            call = f" in {failure.call}" if failure.call else ""
            self._log.write("stderr", f"Error{call}: {trace(failure)}\n".encode(), is_shown=True)
        var = self._policy.catch_var
        name = f" as `{var}`" if var else ""
        self._log.say(f"The failure was caught{name}: the flow goes on.", error=True)
        self._log.close()

    def _write_caught(self, failure: Failure) -> FinishedTask:
        self._write_artifacts()
        var = self._policy.catch_var
        if var is not None:
            self._writer.save_r(var, condition_bytes(failure), failure.kind)
        self._write_failed(failure, ok=True)
        return self._finished(Outcome(), [])

    def _save(self, write: Callable[[], _Written], *, ok: bool = True) -> _Written:
        """Write, then register what was written, then mark the attempt as done."""
        written = write()
        run = self._run
        if not close_attempt(self._writer, run.metadata, self._pathspec, run.identity, ok=ok):
            raise StoreError(f"Another worker has finished attempt {self.number} of {self.short}.")
        return written

    def _write_artifacts(self) -> None:
        result = self._result or {}
        removed = set(result.get("removed") or ())
        for name, key in self._briefing.start.objects.items():
            if name not in removed:
                self._writer.refer(name, key, self._briefing.start.info.get(name, {}))
        for artifact in result.get("artifacts") or ():
            self._write_artifact(artifact)

    def _write_artifact(self, artifact: Mapping[str, Any]) -> None:
        name = artifact["name"]
        match artifact["kind"]:
            case "native":
                self._writer.save_native(name, artifact.get("value"))
            case "r":
                self._write_r(name, artifact)
            case "reference":
                stored = self.place.parents[artifact["index"]].stored
                self._writer.refer(name, stored.objects[name], stored.info.get(name, {}))

    def _write_r(self, name: str, artifact: Mapping[str, Any]) -> None:
        data, r_type = artifact.get("bytes"), artifact.get("r_type") or ""
        if data is not None:
            self._writer.save_r(name, data, r_type)
        else:
            size_bytes = int(artifact["size_bytes"])
            self._writer.save_r_file(name, Path(artifact["path"]), size_bytes, r_type)

    def _large_files(self) -> list[tuple[str, Path, int]]:
        """Name, file and number of bytes of the artifacts that take long to store."""
        artifacts = (self._result or {}).get("artifacts") or ()
        files = [(a["name"], a["path"], int(a["size_bytes"])) for a in artifacts if a.get("path")]
        return [(name, Path(path), size) for name, path, size in files if size >= _ASIDE_BYTES]

    def _store(self, files: Sequence[tuple[str, Path, int]]) -> None:
        """Store the content of files, in another thread, before anything is written."""
        for name, path, size_bytes in files:
            # It is tried again, and told, where the artifact is written.
            with contextlib.suppress(MetaflowError, OSError):
                self._writer.store_r_file(name, path, size_bytes)

    def _write_items(self, items: Mapping[str, Any] | None) -> None:
        """Store the items of a split as its tasks will ask for them."""
        if items is None:
            return
        sizes, data = items["sizes"], items.get("bytes")
        if data is None:
            with telling("read", items["path"]):
                data = Path(items["path"]).read_bytes()
        cut = SerializedItems(sizes if isinstance(sizes, list) else [sizes], data)
        self._writer.save_pickle(FOREACH_ITEMS, cut.dumps(), "<class 'tuple'>")

    def _register(self, data: list[MetaDatum]) -> None:
        run = self._run
        facts = of_attempt(self.number, data)
        run.metadata.register_metadata(self._pathspec, facts, run.identity.user)

    def _start_metadata(self) -> list[MetaDatum]:
        run, frames = self._run, self.place.frames
        data = [
            MetaDatum("attempt", str(self.number)),
            MetaDatum("origin-run-id", str(run.origin_run_id)),
            MetaDatum("ds-type", run.store.storage.type),
            MetaDatum("ds-root", run.store.storage.root),
        ]
        if frames:
            path = ",".join(f"{f.step}:{f.index}" for f in frames)
            stack = [f"{f.var}={f.value}" for f in frames]
            data += [MetaDatum("foreach-execution-path", path), MetaDatum("foreach-stack", stack)]
        return data

    def _new_writer(self) -> AttemptWriter:
        place = self.place
        run_id = self._run.pathspec.run or ""
        return self._run.store.writer(run_id, place.key.step, place.task_id, self.number)


def _return_code(how: Exit) -> int:
    return how.code if how.code is not None else -(how.signal or 0)
