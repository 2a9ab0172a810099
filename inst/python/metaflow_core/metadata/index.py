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

from metaflow_core.metadata.patience import Patience
from metaflow_core.metadata.provider import RunFilter

NAME = ".index.sqlite"
"""Name of its file."""

_VERSION = 2
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
CREATE INDEX by_time ON run (flow, created_at, CAST(run AS INTEGER));
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
            self._follow(db, flow)
            if which.limit is None:
                # A tag may have been changed anywhere.
                self._reread(db, flow, _seen(db, flow, replace(which, tags=())))
                return _select(db, flow, which)
            return self._newest(db, flow, which, which.limit)

        return self._ask(answer)

    def outcomes(self, flow: str, which: RunFilter) -> dict[str, Any]:
        """What `keep_outcomes` was told about runs, by run id."""

        def answer(db: sqlite3.Connection) -> dict[str, Any]:
            found = db.execute(*_query("run, outcome", flow, which))
            return {run: json.loads(outcome) for run, outcome in found if outcome is not None}

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
        self, db: sqlite3.Connection, flow: str, which: RunFilter, limit: int
    ) -> dict[str, Record]:
        """The newest of the runs: from the newest on, only as many records are looked at again."""
        count = limit
        while True:
            seen = _seen(db, flow, replace(which, tags=(), limit=count))
            self._reread(db, flow, seen)
            found = _select(db, flow, which)
            if len(found.keys() & seen.keys()) >= limit or len(seen) < count:
                return found
            count *= 4

    def _follow(self, db: sqlite3.Connection, flow: str) -> None:
        """Add runs that are new and drop those that are gone."""
        folder = self._root / flow
        try:
            modified_ns = folder.stat().st_mtime_ns
        except OSError:
            modified_ns = 0
        followed = db.execute("SELECT modified_ns FROM flow WHERE flow = ?", (flow,)).fetchone()
        if followed == (modified_ns,):
            return
        known = {run for (run,) in db.execute("SELECT run FROM run WHERE flow = ?", (flow,))}
        present = set(_folders(folder))
        self._drop(db, flow, known - present)
        added = self._add(db, flow, present - known)
        is_settled = time.time_ns() - modified_ns > _SETTLED_AFTER_NS
        if is_settled and added == present - known:
            db.execute("INSERT OR REPLACE INTO flow VALUES (?, ?)", (flow, modified_ns))

    def _reread(
        self, db: sqlite3.Connection, flow: str, seen: Mapping[str, tuple[int, int]]
    ) -> None:
        """Read those records again that are not any more as they were *seen*."""
        changed = {run for run, before in seen.items() if self._look(flow, run) != before}
        outcomes = {
            run: outcome
            for run in changed
            for (outcome,) in db.execute(
                "SELECT outcome FROM run WHERE flow = ? AND run = ?", (flow, run)
            )
        }
        self._drop(db, flow, changed)
        added = self._add(db, flow, changed)
        if added != changed:
            # One that cannot be read now is looked for again the next time.
            db.execute("DELETE FROM flow WHERE flow = ?", (flow,))
        # Tags were changed; how the run ended is as it was.
        db.executemany(
            "UPDATE run SET outcome = ? WHERE flow = ? AND run = ?",
            [(outcomes[run], flow, run) for run in added],
        )

    def _add(self, db: sqlite3.Connection, flow: str, runs: Iterable[str]) -> set[str]:
        """Read the records of *runs*; the runs that have one."""
        rows, tags = [], []
        patience = Patience(f"Reading the runs of {flow}; what is read is kept for the next time.")
        for run in runs:
            patience.wear()
            # Looked at before it is read: a change in between is seen the next time.
            seen = self._look(flow, run)
            record = None if seen is None else self._read(flow, run)
            if seen is None or record is None:
                continue
            created_at = record.get("ts_epoch", 0) / 1000
            rows.append((flow, run, created_at, json.dumps(record), *seen, None))
            tags += [(flow, tag, run) for tag in _tags(record)]
        db.executemany("INSERT OR REPLACE INTO run VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        db.executemany("INSERT OR REPLACE INTO tag VALUES (?, ?, ?)", tags)
        return {row[1] for row in rows}

    def _drop(self, db: sqlite3.Connection, flow: str, runs: Iterable[str]) -> None:
        keys = [(flow, run) for run in runs]
        db.executemany("DELETE FROM run WHERE flow = ? AND run = ?", keys)
        db.executemany("DELETE FROM tag WHERE flow = ? AND run = ?", keys)

    def _look(self, flow: str, run: str) -> tuple[int, int] | None:
        """Time and size of a record."""
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
    found = db.execute(*_query("run, record", flow, which))
    return {run: json.loads(record) for run, record in found}


def _seen(db: sqlite3.Connection, flow: str, which: RunFilter) -> dict[str, tuple[int, int]]:
    """Time and size of each record as it was when it was read."""
    found = db.execute(*_query("run, modified_ns, size_bytes", flow, which))
    return {run: (modified_ns, size_bytes) for run, modified_ns, size_bytes in found}


def _query(columns: str, flow: str, which: RunFilter) -> tuple[str, list[Any]]:
    """What asks for *columns* of runs, newest first."""
    conditions: list[str] = ["flow = ?"]
    values: list[Any] = [flow]
    for bound, comparison in ((which.since, ">="), (which.until, "<")):
        if bound is not None:
            conditions.append(f"created_at {comparison} ?")
            values.append(bound)
    for tag in which.tags:
        # Asked of one run after the other, from the newest on, until there are enough.
        conditions.append(
            "EXISTS (SELECT 1 FROM tag WHERE tag.flow = run.flow AND tag.tag = ? "
            "AND tag.run = run.run)"
        )
        values.append(tag)
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
