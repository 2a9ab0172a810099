"""What all tasks of a run share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from metaflow_core.compute.memory import OutOfMemoryKills
from metaflow_core.datastore.attempts import FlowDatastore
from metaflow_core.datastore.unpacked import Unpacked
from metaflow_core.decorators.base import TaskPolicy
from metaflow_core.metadata.provider import Identity, MetadataProvider
from metaflow_core.model.flow import Flow
from metaflow_core.model.pathspec import Pathspec
from metaflow_core.runtime.console import Console
from metaflow_core.runtime.framework import FrameworkArtifacts
from metaflow_core.runtime.items import ForeachItems
from metaflow_core.runtime.tasks import FinishedTask


@dataclass(frozen=True)
class RunContext:
    """One run's unchanging facts and services.

    Args:
        flow: The flow, with every decorator that is in force.
        policies: How the tasks of each step are run.
        pathspec: ``Flow/run``.
        store: Where artifacts go.
        metadata: Where tasks are registered.
        identity: The user and the tags of the run.
        console: Where lines go.
        payload_path: File with what workers need of the flow (R's own business).
        spool_root: Directory for the attempts' temporary files.
        seed: The run's seed; None where it is not known, as of a run of a Python flow.
        parameters: The finished task ``_parameters``.
        current: What `current()` answers in every task of the run.
        origin_run_id: Id of the run that is resumed, or None.
        max_num_splits: Largest foreach that is let through.
        foreach_value_chars: How many characters of a foreach item are kept for display.
        keep_frames: Whether a failed attempt keeps its frames, with their variables.
        out_of_memory_kills: Tells whether the kernel has killed for want of memory.
    """

    flow: Flow
    policies: Mapping[str, TaskPolicy]
    pathspec: Pathspec
    store: FlowDatastore
    metadata: MetadataProvider
    identity: Identity
    console: Console
    payload_path: Path
    spool_root: Path
    seed: int | None
    parameters: FinishedTask
    current: Mapping[str, Any] = field(default_factory=dict)
    origin_run_id: str | None = None
    max_num_splits: int = 100
    foreach_value_chars: int = 30
    keep_frames: bool = True
    out_of_memory_kills: OutOfMemoryKills = field(default_factory=OutOfMemoryKills)

    @cached_property
    def framework(self) -> FrameworkArtifacts:
        """Stores Metaflow's own artifacts of each task."""
        return FrameworkArtifacts(self.parameters.stored)

    @cached_property
    def items(self) -> ForeachItems:
        """The items that the tasks of a foreach ask for."""
        return ForeachItems(self.store)

    @cached_property
    def unpacked(self) -> Unpacked:
        """Where the tasks of the run read large artifacts."""
        return Unpacked(self.spool_root / "blobs")
