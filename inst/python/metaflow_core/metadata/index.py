"""An index of runs, so that a long history is listed without reading a file for each run.

It is an SQLite file, `<root>/.index.sqlite`, which stock Metaflow does not list. It holds copies
of the runs' records and nothing else, is brought up to date with the files whenever it is asked
(stock Metaflow writes runs and tags beside us), and is made anew if it is missing, damaged or of
another version. Where it cannot be written, it lives in memory.

Its journal is SQLite's ordinary one, not the write-ahead log: that one needs memory shared by all
who use it, which machines on a shared disk do not have.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from metaflow_core.metadata.provider import RunFilter

NAME = ".index.sqlite"
"""Name of its file."""

_VERSION = 1
_LOCK_TIMEOUT_S = 1.0
_SETTLED_AFTER_NS = 2_000_000_000
"""A directory that changed less than this ago may change again within its clock's tick."""

_SCHEMA = """
CREATE TABLE flow (flow TEXT PRIMARY KEY, modified_ns INTEGER NOT NULL);
CREATE TABLE run (
    flow TEXT NOT NULL, run TEXT NOT NULL, created_at REAL NOT NULL, record TEXT NOT NULL,
    modified_ns INTEGER NOT NULL, size_bytes INTEGER NOT NULL, outcome TEXT,
    PRIMARY KEY (flow, run)
);
CREATE INDEX by_time ON run (flow, created_at);
CREATE TABLE tag (
    flow TEXT NOT NULL, tag TEXT NOT NULL, run TEXT NOT NULL, PRIMARY KEY (flow, tag, run)
) WITHOUT ROWID;
CREATE INDEX tag_by_run ON tag (flow, run);
"""

Record = dict[str, Any]
_Answer = TypeVar("_Answer")


class RunIndex:
    """The index of a store.

    Args:
        root: The directory that ends in `.metaflow`; nothing is written if it is not there.
        read: Reads the record of ``(flow, run)``; None if there is none that can be read.
    """

    def __init__(self, root: Path, read: Callable[[str, str], Record | None]) -> None:
        self._root = root
        self._read = read
        self._memory: sqlite3.Connection | None = None
        self._lock = threading.Lock()

    def runs(self, flow: str, which: RunFilter) -> dict[str, Record]:
        """The records of runs by id, newest first."""

        def answer(db: sqlite3.Connection) -> dict[str, Record]:
            known = self._follow(db, flow)
            if which.limit is None:
                # A tag may have been changed anywhere.
                self._reread(db, flow, known)
                return _select(db, flow, which)
            return self._newest(db, flow, which, known)

        return self._ask(answer)

    def outcomes(self, flow: str) -> dict[str, Any]:
        """What `keep_outcomes` was told about the runs of a flow, by run id."""

        def answer(db: sqlite3.Connection) -> dict[str, Any]:
            query = "SELECT run, outcome FROM run WHERE flow = ? AND outcome IS NOT NULL"
            return {run: json.loads(outcome) for run, outcome in db.execute(query, (flow,))}

        return self._ask(answer)

    def keep_outcomes(self, flow: str, outcomes: Mapping[str, Any]) -> None:
        """Keep what was worked out from the files of runs that will not change any more."""

        def answer(db: sqlite3.Connection) -> None:
            self._follow(db, flow)
            db.executemany(
                "UPDATE run SET outcome = ? WHERE flow = ? AND run = ?",
                [(json.dumps(outcome), flow, run) for run, outcome in outcomes.items()],
            )

        self._ask(answer)

    def _newest(
        self,
        db: sqlite3.Connection,
        flow: str,
        which: RunFilter,
        known: Mapping[str, tuple[int, int]],
    ) -> dict[str, Record]:
        """The newest of the runs: from the newest on, only as many records are looked at again."""
        candidates = _ids(db, flow, replace(which, tags=(), limit=None))
        looked_at, size = 0, which.limit or 0
        while True:
            looked_at, before = min(max(looked_at * 4, size), len(candidates)), looked_at
            self._reread(db, flow, {run: known[run] for run in candidates[before:looked_at]})
            found = _select(db, flow, which)
            current = found.keys() & set(candidates[:looked_at])
            if len(current) >= size or looked_at == len(candidates):
                return found

    def _follow(self, db: sqlite3.Connection, flow: str) -> dict[str, tuple[int, int]]:
        """Add runs that are new and drop those that are gone; time and size of each record."""
        folder = self._root / flow
        try:
            modified_ns = folder.stat().st_mtime_ns
        except OSError:
            modified_ns = 0
        known = {
            run: (modified, size)
            for run, modified, size in db.execute(
                "SELECT run, modified_ns, size_bytes FROM run WHERE flow = ?", (flow,)
            )
        }
        followed = db.execute("SELECT modified_ns FROM flow WHERE flow = ?", (flow,)).fetchone()
        if followed == (modified_ns,):
            return known
        present = set(_folders(folder))
        self._drop(db, flow, known.keys() - present)
        added = self._add(db, flow, present - known.keys())
        is_settled = time.time_ns() - modified_ns > _SETTLED_AFTER_NS
        if is_settled and len(added) == len(present - known.keys()):
            db.execute("INSERT OR REPLACE INTO flow VALUES (?, ?)", (flow, modified_ns))
        return {run: seen for run, seen in known.items() if run in present} | added

    def _reread(
        self, db: sqlite3.Connection, flow: str, known: Mapping[str, tuple[int, int]]
    ) -> bool:
        """Read the records again that have changed; whether there were any."""
        changed = [run for run, seen in known.items() if self._seen(flow, run) != seen]
        outcomes = {
            run: outcome
            for run in changed
            for (outcome,) in db.execute(
                "SELECT outcome FROM run WHERE flow = ? AND run = ?", (flow, run)
            )
        }
        self._drop(db, flow, changed)
        added = self._add(db, flow, changed)
        # Tags were changed; how the run ended is as it was.
        db.executemany(
            "UPDATE run SET outcome = ? WHERE flow = ? AND run = ?",
            [(outcomes[run], flow, run) for run in added],
        )
        return bool(changed)

    def _add(
        self, db: sqlite3.Connection, flow: str, runs: Iterable[str]
    ) -> dict[str, tuple[int, int]]:
        rows, tags, added = [], [], {}
        for run in runs:
            # Looked at before it is read: a change in between is seen the next time.
            seen = self._seen(flow, run)
            record = None if seen is None else self._read(flow, run)
            if seen is None or record is None:
                continue
            created_at = record.get("ts_epoch", 0) / 1000
            rows.append((flow, run, created_at, json.dumps(record), *seen, None))
            tags += [(flow, tag, run) for tag in _tags(record)]
            added[run] = seen
        db.executemany("INSERT OR REPLACE INTO run VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        db.executemany("INSERT OR REPLACE INTO tag VALUES (?, ?, ?)", tags)
        return added

    def _drop(self, db: sqlite3.Connection, flow: str, runs: Iterable[str]) -> None:
        keys = [(flow, run) for run in runs]
        db.executemany("DELETE FROM run WHERE flow = ? AND run = ?", keys)
        db.executemany("DELETE FROM tag WHERE flow = ? AND run = ?", keys)

    def _seen(self, flow: str, run: str) -> tuple[int, int] | None:
        try:
            status = os.stat(f"{self._root}/{flow}/{run}/_meta/_self.json")
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size

    def _ask(self, answer: Callable[[sqlite3.Connection], _Answer]) -> _Answer:
        with self._lock:
            if self._memory is None:
                for _ in range(2):
                    try:
                        return self._ask_file(answer)
                    except sqlite3.OperationalError:
                        # Read-only, locked for long, or a disk without locks.
                        break
                    except (sqlite3.DatabaseError, ValueError):
                        # Damaged: it is made anew from the files.
                        _remove(self._root / NAME)
                self._memory = sqlite3.connect(":memory:", check_same_thread=False)
                self._memory.executescript(_SCHEMA)
            with self._memory:
                return answer(self._memory)

    def _ask_file(self, answer: Callable[[sqlite3.Connection], _Answer]) -> _Answer:
        path = self._root / NAME
        if not self._root.is_dir():
            raise sqlite3.OperationalError("there is no store")
        if not path.exists():
            _create(path)
        with closing(sqlite3.connect(path, timeout=_LOCK_TIMEOUT_S, isolation_level=None)) as db:
            # It can be made anew at any time, so nothing waits for the disk.
            db.execute("PRAGMA synchronous = OFF")
            db.execute("BEGIN IMMEDIATE")
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if version != _VERSION:
                raise sqlite3.DatabaseError(f"the index is of version {version}")
            answered = answer(db)
            db.execute("COMMIT")
            return answered


def _create(path: Path) -> None:
    """Make an empty index under another name first: another process may do so too."""
    new = path.with_name(f"{NAME}.{os.getpid()}.{threading.get_ident()}")
    try:
        # As private as the records that it holds copies of.
        os.close(os.open(new, os.O_CREAT | os.O_EXCL, 0o600))
        with closing(sqlite3.connect(new)) as db:
            db.executescript(_SCHEMA)
            db.execute(f"PRAGMA user_version = {_VERSION}")
        os.replace(new, path)
    except OSError as error:
        raise sqlite3.OperationalError(str(error)) from error
    finally:
        with suppress(OSError):
            new.unlink()


def _remove(path: Path) -> None:
    for name in (path, path.with_name(f"{NAME}-journal")):
        with suppress(OSError):
            name.unlink()


def _select(db: sqlite3.Connection, flow: str, which: RunFilter) -> dict[str, Record]:
    query, values = _query("run, record", flow, which)
    return {run: json.loads(record) for run, record in db.execute(query, values)}


def _ids(db: sqlite3.Connection, flow: str, which: RunFilter) -> list[str]:
    query, values = _query("run", flow, which)
    return [run for (run,) in db.execute(query, values)]


def _query(columns: str, flow: str, which: RunFilter) -> tuple[str, list[Any]]:
    """What asks for *columns* of runs, newest first."""
    conditions: list[str] = ["flow = ?"]
    values: list[Any] = [flow]
    for bound, comparison in ((which.since, ">="), (which.until, "<")):
        if bound is not None:
            conditions.append(f"created_at {comparison} ?")
            values.append(bound)
    for tag in which.tags:
        conditions.append("run IN (SELECT run FROM tag WHERE flow = ? AND tag = ?)")
        values += [flow, tag]
    limit = -1 if which.limit is None else which.limit
    query = (
        f"SELECT {columns} FROM run WHERE {' AND '.join(conditions)} "
        "ORDER BY created_at DESC, CAST(run AS INTEGER) DESC LIMIT ?"
    )
    return query, [*values, limit]


def _folders(path: Path) -> list[str]:
    try:
        with os.scandir(path) as found:
            return [e.name for e in found if e.name not in ("data", "_meta") and e.is_dir()]
    except OSError:
        return []


def _tags(record: Record) -> set[str]:
    return {*(record.get("tags") or ()), *(record.get("system_tags") or ())}
