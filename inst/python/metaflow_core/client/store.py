"""The store that a client looks at: where runs are registered, and where artifacts are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from metaflow_core import config
from metaflow_core.datastore import mflog
from metaflow_core.datastore.attempts import AttemptReader, FlowDatastore
from metaflow_core.datastore.local import (
    FOLDER,
    SPIN_FOLDER,
    LocalStorage,
    SpinStorage,
    local_root,
)
from metaflow_core.datastore.logs import LogFile
from metaflow_core.datastore.storage import Storage
from metaflow_core.errors import MetaflowError, StoreUnavailable, TaskNotFound, UsageError
from metaflow_core.metadata.local import LocalMetadata
from metaflow_core.metadata.provider import MetadataProvider
from metaflow_core.model.pathspec import Pathspec

_FOLDERS = {"local": FOLDER, "spin": SPIN_FOLDER}
"""What a directory of each kind of store is called."""


@dataclass(frozen=True)
class Store:
    """A metadata provider and the storage of its artifacts.

    Args:
        name: What `get_metadata()` answers, such as ``"local@/home/ada/flows"``.
        provider: Where runs are registered.
        storage: Where artifacts are.
    """

    name: str
    provider: MetadataProvider
    storage: Storage

    @classmethod
    def default(cls) -> Store:
        """The store that the configuration and the working directory name."""
        kind = config.get("METAFLOW_DEFAULT_METADATA")
        if kind != "local":
            raise _not_yet(f"METAFLOW_DEFAULT_METADATA={kind}")
        return _local(local_root())

    @classmethod
    def at(cls, text: str) -> Store:
        """The store that *text* names: ``local@directory``, ``spin@directory``, or a directory.

        Raises:
            StoreUnavailable: If the directory holds no ``.metaflow``; for ``spin@``, no
                ``.metaflow_spin``.
            UsageError: If *text* names a metadata service.
        """
        kind, separator, rest = text.partition("@")
        if text.startswith("http") or (separator and kind == "service"):
            raise _not_yet(text)
        is_named = bool(separator) and kind in _FOLDERS
        folder = _FOLDERS[kind] if is_named else FOLDER
        directory = Path(rest if is_named else text).expanduser().resolve()
        root = directory if directory.name == folder else directory / folder
        if not root.is_dir():
            raise StoreUnavailable(
                f"There is no {folder} in {directory}.", "Name the directory that holds it."
            )
        return _spin(root) if folder == SPIN_FOLDER else _local(root)

    def datastore(self, flow: str) -> FlowDatastore:
        """The artifacts and logs of a flow."""
        return FlowDatastore(self.storage, flow)

    def reader(self, task: Pathspec, attempt: int | None = None) -> AttemptReader | None:
        """The artifacts of an attempt, by default of the last one that ended; None without one."""
        datastore = self.datastore(task.flow)
        run, step, id = task.parts[1:]
        if attempt is None:
            attempt = max(datastore.attempts(run, step, id)[1], default=None)
        if attempt is None:
            return None
        try:
            return datastore.reader(run, step, id, attempt)
        except TaskNotFound:
            return None

    def runtime(self, task: Pathspec, attempt: int) -> Mapping[str, Any]:
        """How the process of an attempt ended; empty if that is not recorded."""
        run, step, id = task.parts[1:]
        return self.datastore(task.flow).runtime(run, step, id, attempt)

    def log_files(self, task: Pathspec, attempt: int, stream: str) -> list[LogFile]:
        """What each source wrote to a stream of an attempt."""
        datastore = self.datastore(task.flow)
        run, step, id = task.parts[1:]
        return [
            datastore.log_file(run, step, id, attempt, source, stream)
            for source in (mflog.RUNTIME, mflog.TASK)
        ]


@cache
def _local(root: Path) -> Store:
    return Store(f"local@{root.parent}", LocalMetadata(root), LocalStorage(root))


@cache
def _spin(root: Path) -> Store:
    return Store(f"spin@{root.parent}", LocalMetadata(root, ds_type="spin"), SpinStorage(root))


def _not_yet(text: str) -> MetaflowError:
    return UsageError(
        f"{text}: a metadata service cannot be read by this version yet.",
        "Name a directory, or local@directory.",
    )
