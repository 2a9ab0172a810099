"""What flows, runs, steps, tasks and artifacts have in common: lazy views of what is in a store.

Names and behaviour are those of the stock Metaflow client, so that a script needs to change
nothing but its import. What an object is asked for is read when it is asked, so that a view of a
run in progress shows the run as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from operator import attrgetter
from typing import Any, ClassVar, Generic, TypeVar, cast

from metaflow_core.client.scope import current_store, get_namespace
from metaflow_core.client.store import Store
from metaflow_core.datastore.attempts import MAX_ATTEMPTS
from metaflow_core.errors import InvalidPathspec, NotFound, NotInNamespace, UsageError
from metaflow_core.metadata.provider import ObjectRecord
from metaflow_core.model.pathspec import Pathspec

Child = TypeVar("Child")

_CLASSES: dict[str, type[MetaflowObject[Any]]] = {}
"""The class of each level: an object makes those above and below it without their modules."""


class MetaflowObject(Generic[Child]):
    """What all levels have in common.

    Args:
        pathspec: Such as ``"Flow/12/start/3"``.
        attempt: For a task or an artifact: which attempt to look at, by default the last.

    Raises:
        NotFound: If there is no such object.
        NotInNamespace: If it is not in the current namespace.
        InvalidPathspec: If *pathspec* names something of another level.
    """

    _LEVEL: ClassVar[str]
    _EXAMPLE: ClassVar[str]
    _NOT_FOUND: ClassVar[type[NotFound]]

    def __init_subclass__(cls) -> None:
        if "_LEVEL" in vars(cls):
            _CLASSES[cls._LEVEL] = cls

    def __init__(
        self,
        pathspec: str,
        attempt: int | None = None,
        *,
        _record: ObjectRecord | None = None,
        _parent: MetaflowObject[Any] | None = None,
        _store: Store | None = None,
        _namespace: str | None = None,
        _namespace_check: bool = True,
    ) -> None:
        self._store = _store or current_store()
        self._spec = self._checked(pathspec)
        self._attempt = self._checked_attempt(attempt)
        self._parent = _parent
        # None is no check, for this object and for all that is reached from it.
        self._namespace = (_namespace or get_namespace()) if _namespace_check else None
        self._record = _record or self._find()
        if self._namespace is not None and not self._is_in(self._namespace):
            raise NotInNamespace(
                f"{self._LEVEL.capitalize()} {pathspec} is not in the namespace "
                f"{self._namespace!r}.",
                "namespace(None) shows what is in any namespace.",
            )

    @classmethod
    def _checked(cls, pathspec: str) -> Pathspec:
        spec = Pathspec.parse(pathspec)
        if spec.level != cls._LEVEL:
            raise InvalidPathspec(
                f"{pathspec!r} names a {spec.level}, not a {cls._LEVEL}.",
                f"Write {cls.__name__}({cls._EXAMPLE!r}).",
            )
        return spec

    @classmethod
    def _checked_attempt(cls, attempt: int | None) -> int | None:
        if attempt is None:
            return None
        if cls._LEVEL not in ("task", "artifact"):
            raise UsageError(f"A {cls._LEVEL} has no attempts; only tasks and artifacts have.")
        if not 0 <= int(attempt) < MAX_ATTEMPTS:
            raise UsageError(f"Attempts are numbered from 0 to {MAX_ATTEMPTS - 1}, not {attempt}.")
        return int(attempt)

    def _find(self) -> ObjectRecord:
        record = self._store.provider.get(self._spec)
        if record is None:
            raise self._NOT_FOUND(
                f"{self._LEVEL.capitalize()} {self._spec} does not exist in {self._store.name}."
            )
        return record

    # What an object is

    @property
    def id(self) -> str:
        """The last part of the pathspec."""
        return self._spec.parts[-1]

    @property
    def pathspec(self) -> str:
        """Names this object, such as ``"Flow/12/start/3"``."""
        return str(self._spec)

    @property
    def path_components(self) -> list[str]:
        """The parts of the pathspec."""
        return list(self._spec.parts)

    @property
    def created_at(self) -> datetime:
        """When it was registered, in local time."""
        return datetime.fromtimestamp(self._record.created_at)

    @property
    def user(self) -> str | None:
        """Who registered it; None for a flow."""
        return self._record.user

    @property
    def tags(self) -> frozenset[str]:
        """All tags of the run."""
        return self.user_tags | self.system_tags

    @property
    def user_tags(self) -> frozenset[str]:
        """The tags that users gave the run."""
        return frozenset(self._record.tags)

    @property
    def system_tags(self) -> frozenset[str]:
        """The tags that Metaflow gave the run."""
        return frozenset(self._record.system_tags)

    @property
    def parent(self) -> MetaflowObject[Any] | None:
        """The object one level up; None for a flow."""
        above = self._spec.parent
        if self._parent is None and above is not None:
            attempt = self._attempt if self._LEVEL == "artifact" else None
            self._parent = _CLASSES[above.level](
                str(above), attempt, _store=self._store, _namespace_check=False
            )
        return self._parent

    @property
    def origin_pathspec(self) -> str | None:
        """The object of the origin run that this one was cloned from, or None."""
        above = self.parent.origin_pathspec if self.parent else None
        return f"{above}/{self.id}" if above else None

    def is_in_namespace(self) -> bool:
        """Whether it is in the current namespace."""
        current = get_namespace()
        return current is None or self._is_in(current)

    def _is_in(self, namespace: str) -> bool:
        return namespace in self.tags

    def __repr__(self) -> str:
        attempt = "" if self._attempt is None else f", attempt={self._attempt}"
        return f"{type(self).__name__}({self.pathspec!r}{attempt})"

    def __getstate__(self) -> dict[str, Any]:
        return {
            "pathspec": self.pathspec,
            "attempt": self._attempt,
            "metadata": self._store.name,
            "namespace": self._namespace,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        MetaflowObject.__init__(
            self,
            state["pathspec"],
            state["attempt"],
            _store=Store.at(state["metadata"]),
            _namespace=state["namespace"],
            _namespace_check=state["namespace"] is not None,
        )

    # What is below it

    def __iter__(self) -> Iterator[Child]:
        """The objects one level down, newest first, that are in this object's namespace."""
        children = self._children(self._child_records())
        return iter(sorted(children, key=attrgetter("created_at"), reverse=True))

    def __getitem__(self, id: str) -> Child:
        """The object of this id one level down. Raises KeyError if there is none."""
        record = self._child_record(id)
        if record is None:
            raise KeyError(id)
        return self._child(record)

    def __contains__(self, id: str) -> bool:
        return self._child_record(id) is not None

    def _ipython_key_completions_(self) -> list[str]:
        return [record.pathspec.parts[-1] for record in self._child_records()]

    def _child_records(self) -> list[ObjectRecord]:
        return self._store.provider.children(self._spec)

    def _child_record(self, id: str) -> ObjectRecord | None:
        return self._store.provider.get(self._spec.child(str(id)))

    def _children(self, records: Iterable[ObjectRecord]) -> Iterator[Child]:
        for record in records:
            name = record.pathspec.parts[-1]
            if self._is_listed(name) and self._is_visible(record):
                yield self._child(record)

    def _is_listed(self, name: str) -> bool:
        """Whether iterating shows the child of this name."""
        return True

    def _is_visible(self, record: ObjectRecord) -> bool:
        return self._namespace is None or self._namespace in (*record.tags, *record.system_tags)

    def _child(self, record: ObjectRecord) -> Child:
        spec = record.pathspec
        child = _CLASSES[spec.level](
            str(spec),
            self._attempt,
            _record=record,
            _parent=self,
            _store=self._store,
            _namespace=self._namespace,
            _namespace_check=self._namespace is not None,
        )
        return cast(Child, child)

    def _tagged(self, tags: tuple[str, ...]) -> Iterator[Child]:
        return (child for child in self if set(tags) <= cast("MetaflowObject[Any]", child).tags)
