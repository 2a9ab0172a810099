"""How an attempt ends in the store and in the metadata, whoever made it."""

from __future__ import annotations

from collections.abc import Iterable

from metaflow_core.datastore.attempts import AttemptWriter
from metaflow_core.metadata.provider import (
    ArtifactRecord,
    Identity,
    MetadataProvider,
    MetaDatum,
)
from metaflow_core.model.pathspec import Pathspec


def close_attempt(
    writer: AttemptWriter,
    metadata: MetadataProvider,
    task: Pathspec,
    identity: Identity,
    *,
    ok: bool = True,
) -> bool:
    """Mark an attempt as done, and register what it stored.

    Args:
        writer: What it stored.
        metadata: Where it is registered.
        task: Its task.
        identity: The user and the tags of the run.
        ok: Whether it succeeded.

    Returns:
        False, and nothing happens, if another writer has ended the attempt.

    Raises:
        StoreError: If it cannot be recorded.
    """
    if not writer.commit():
        return False
    number = writer.path.attempt
    artifacts = [ArtifactRecord(name, key) for name, key in writer.objects.items()]
    metadata.register_artifacts(task, number, artifacts, identity)
    facts = [
        MetaDatum("attempt_ok", str(ok), "internal_attempt_status"),
        MetaDatum("attempt-done", str(number)),
    ]
    metadata.register_metadata(task, of_attempt(number, facts), identity.user)
    return True


def of_attempt(number: int, facts: Iterable[MetaDatum]) -> list[MetaDatum]:
    """The same facts, said of an attempt and not of its task."""
    tags = (f"attempt_id:{number}",)
    return [MetaDatum(fact.field, fact.value, fact.type, tags) for fact in facts]
