"""Artifacts: the named results of a task."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from metaflow_core.client.for_r import encode_for_r
from metaflow_core.client.object import MetaflowObject
from metaflow_core.client.robject import RObject
from metaflow_core.datastore.attempts import Encoded
from metaflow_core.datastore.unpacked import Unpacked
from metaflow_core.errors import ArtifactNotFound
from metaflow_core.metadata.provider import ObjectRecord
from metaflow_core.model.pathspec import Pathspec

if TYPE_CHECKING:
    from metaflow_core.client.task import Task


class DataArtifact(MetaflowObject[None]):
    """A named result of a task."""

    _LEVEL, _EXAMPLE = "artifact", "Flow/12/start/3/model"
    _NOT_FOUND = ArtifactNotFound

    def _find(self) -> ObjectRecord:
        task = cast("Task", self.parent)
        record = task._child_record(self.id)
        if record is None:
            raise ArtifactNotFound(self.id, task.pathspec, task.artifact_names)
        return record

    @property
    def _encoded(self) -> Encoded:
        task = Pathspec(*self._spec.parts[:-1])
        reader = self._store.reader(task, self._record.extra["attempt_id"])
        if reader is None:
            raise ArtifactNotFound(self.id, str(task), [])
        return reader.load(self.id)

    @property
    def data(self) -> Any:
        """The value: as Python has it, or an `RObject` for what only R can hold.

        Raises:
            UnsafePickle: If reading it could run code; see `load`.
            StoreError: If its content is missing or damaged.
        """
        return self.load()

    def load(self, allow: tuple[str, ...] = ()) -> Any:
        """The value, with objects of the packages *allow* in it, such as ``("pandas",)``.

        Only for a store that is trusted: making such an object runs code of its package.
        """
        return value_of(self._encoded, allow)

    def for_r(
        self, spool: Path, inline_limit_bytes: int, allow: tuple[str, ...] = ()
    ) -> dict[str, Any]:
        """The value as it travels to R, see `for_r.encode_for_r`."""
        by_r = any(tag.startswith("metaflow_r_version:") for tag in self.system_tags)
        return encode_for_r(
            self._encoded, Unpacked(spool), inline_limit_bytes, allow, by_r_package=by_r
        )

    @property
    def size(self) -> int:
        """Size of the serialized value in bytes, before compression."""
        encoded = self._encoded
        return encoded.size_bytes or len(encoded.pickle())

    @property
    def type(self) -> str:
        """Class of the value: R's for what R wrote, else such as ``"<class 'int'>"``."""
        return self._encoded.type

    @property
    def encoding(self) -> str:
        """How it is stored: ``"native"``, ``"r-serialize-3"`` or ``"pickle"``."""
        return self._encoded.encoding or "pickle"

    @property
    def own_encoding(self) -> str | None:
        """The same for an artifact that this core wrote; None for another one."""
        return self._encoded.encoding

    @property
    def sha(self) -> str:
        """Content hash of the serialized value."""
        return str(self._record.extra["sha"])

    @property
    def finished_at(self) -> datetime:
        """When it was stored; the same as `created_at`."""
        return self.created_at


class MetaflowData:
    """The artifacts of a task as attributes: ``task.data.model``."""

    def __init__(self, artifacts: Iterable[DataArtifact]) -> None:
        self._artifacts = {artifact.id: artifact for artifact in artifacts}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name not in self._artifacts:
            raise AttributeError(name)
        return self._artifacts[name].data

    def __contains__(self, name: str) -> bool:
        return name in self._artifacts

    def __dir__(self) -> list[str]:
        return [*self._artifacts, *object.__dir__(self)]

    def __repr__(self) -> str:
        return f"<MetaflowData: {', '.join(self._artifacts)}>"


def value_of(encoded: Encoded, allow: tuple[str, ...] = ()) -> Any:
    """The value of an artifact: as Python has it, or an `RObject`."""
    if encoded.kind != "r":
        return encoded.value(allow)
    return RObject(bytes(encoded.r_bytes()), encoded.type if encoded.encoding else "")
