"""The metadata provider protocol: a registry of runs, steps and tasks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from metaflow_core.model.pathspec import Pathspec


@dataclass(frozen=True, slots=True)
class Identity:
    """Who registers objects, and under which tags.

    Args:
        user: User name.
        tags: The user's tags of the run.
        system_tags: Such as ``"user:ada"``, ``"runtime:dev"``, ``"r_version:4.2.2"``.
    """

    user: str
    tags: tuple[str, ...] = ()
    system_tags: tuple[str, ...] = ()


class MetaDatum(NamedTuple):
    """One fact about a task.

    Args:
        field: Such as ``"attempt"``, ``"origin-run-id"``.
        value: Text, or a list of texts for ``"foreach-stack"``.
        type: Defaults to the field's name.
        tags: Such as ``"attempt_id:0"``.
    """

    field: str
    value: str | list[str]
    type: str = ""
    tags: tuple[str, ...] = ()


class ArtifactRecord(NamedTuple):
    """An artifact as registered.

    Args:
        name: Artifact name.
        key: Content hash of its blob.
        content_type: Such as ``"pickle-v4"``.
    """

    name: str
    key: str
    content_type: str = "pickle-v4"


@dataclass(frozen=True, slots=True)
class ObjectRecord:
    """A flow, run, step or task as registered.

    Args:
        pathspec: What it is.
        user: Who registered it, or None for a flow.
        tags: The run's tags of the user (those of the run for steps and tasks, too).
        system_tags: The run's system tags.
        created_at: Seconds since 1970.
        extra: Fields that a later version or another provider wrote.
    """

    pathspec: Pathspec
    user: str | None
    tags: tuple[str, ...]
    system_tags: tuple[str, ...]
    created_at: float
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs of a flow are asked for.

    Args:
        tags: Tags, the user's or the system's, that a run must have, all of them.
        since, until: When it was registered, in seconds since 1970; *until* is excluded.
        limit: How many at most, the newest.
    """

    tags: Sequence[str] = ()
    since: float | None = None
    until: float | None = None
    limit: int | None = None

    def admits(self, run: ObjectRecord) -> bool:
        """Whether a run is asked for, but for the limit."""
        return (
            {*run.tags, *run.system_tags}.issuperset(self.tags)
            and (self.since is None or run.created_at >= self.since)
            and (self.until is None or run.created_at < self.until)
        )


class MetadataProvider(Protocol):
    """Registers and finds objects.

    Reading methods raise nothing for what is absent: they answer None or nothing.
    """

    type: str
    """The name that stock Metaflow has for it: ``"local"`` or ``"service"``."""

    # Writing

    def new_run(self, flow: str, identity: Identity) -> str:
        """Register a run (and its flow, if new); its id."""
        ...

    def new_task(
        self, run: Pathspec, step: str, identity: Identity, follows: str | None = None
    ) -> str:
        """Register a task (and its step, if new); its id.

        Args:
            run: Its run.
            step: Its step.
            identity: Who registers it.
            follows: ``step/task`` of what it follows, the first if there are several. It is in
                its record's `extra`, by this name.
        """
        ...

    def register_parameters_task(self, run: Pathspec, identity: Identity) -> str:
        """Register the task of step ``_parameters``; its id."""
        ...

    def register_metadata(self, task: Pathspec, data: Sequence[MetaDatum], user: str) -> None:
        """Add facts about a task; for a field that has one, the newest counts."""
        ...

    def register_artifacts(
        self, task: Pathspec, attempt: int, artifacts: Iterable[ArtifactRecord], identity: Identity
    ) -> None:
        """Say which artifacts an attempt has."""
        ...

    def heartbeat(self, run: Pathspec, state: Mapping[str, Any]) -> None:
        """Say that the run is alive; *state* is JSON data about what it is doing."""
        ...

    def mutate_tags(self, run: Pathspec, add: Iterable[str], remove: Iterable[str]) -> list[str]:
        """Change the user's tags of a run; the tags it has then.

        Raises:
            RunNotFound: If there is no such run.
            InvalidTag: If a tag is not valid, or a system tag is to be removed.
        """
        ...

    # Reading

    def get(self, pathspec: Pathspec) -> ObjectRecord | None:
        """One flow, run, step or task."""
        ...

    def children(self, parent: Pathspec | None) -> list[ObjectRecord]:
        """Flows (of None), runs, steps or tasks below; newest first, as in stock Metaflow."""
        ...

    def runs(self, flow: str, which: RunFilter = ...) -> list[ObjectRecord]:
        """Runs of a flow, newest first; fast where there are many of them."""
        ...

    def outcomes(self, flow: str, which: RunFilter = ...) -> Mapping[str, Any]:
        """What `keep_outcomes` was told about runs, by id; it may have been forgotten."""
        ...

    def keep_outcomes(self, flow: str, outcomes: Mapping[str, Any]) -> None:
        """Keep JSON data that was worked out about runs (by id) that will not change any more."""
        ...

    def task_metadata(self, task: Pathspec) -> list[dict[str, Any]]:
        """All facts about a task, as stored: ``field_name type value tags ts_epoch`` …"""
        ...

    def artifacts(self, task: Pathspec, attempt: int | None = None) -> list[dict[str, Any]]:
        """Artifacts of an attempt (by default the last finished one), as stored."""
        ...

    def latest_run(self, flow: str) -> str | None:
        """Id of the run that was last started from here, or None."""
        ...

    def run_state(self, run: Pathspec) -> Mapping[str, Any] | None:
        """The last heartbeat's state with ``"at"`` (seconds since 1970), or None."""
        ...
