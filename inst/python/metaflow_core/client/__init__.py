"""Reads runs, whoever made them: R users, this core, or stock Metaflow.

Names and behaviour of the stock Python client. May import `scheduler`, `datastore`, `metadata`
and below.
"""

from metaflow_core.client.artifact import DataArtifact
from metaflow_core.client.code import MetaflowCode
from metaflow_core.client.flow import Flow
from metaflow_core.client.metaflow import Metaflow
from metaflow_core.client.robject import RObject, read_r
from metaflow_core.client.run import Run
from metaflow_core.client.scope import (
    default_metadata,
    default_namespace,
    get_metadata,
    get_namespace,
    inspect_spin,
    metadata,
    namespace,
)
from metaflow_core.client.step import Step
from metaflow_core.client.task import Task

__all__ = [
    "DataArtifact",
    "Flow",
    "Metaflow",
    "MetaflowCode",
    "RObject",
    "Run",
    "Step",
    "Task",
    "default_metadata",
    "default_namespace",
    "get_metadata",
    "get_namespace",
    "inspect_spin",
    "metadata",
    "namespace",
    "read_r",
]
