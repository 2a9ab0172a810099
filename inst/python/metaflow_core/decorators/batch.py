"""`batch`: run a step's tasks on AWS Batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from metaflow_core.decorators.base import DecoratorType, TaskPolicy


def _apply(policy: TaskPolicy, attributes: Mapping[str, Any]) -> TaskPolicy:
    return replace(policy, launcher="batch")


BATCH = DecoratorType(
    "batch",
    "step",
    # Source of the names and defaults: Netflix/metaflow 2.19, plugins/aws/batch. Memory in MB.
    {
        "cpu": 1,
        "gpu": 0,
        "memory": 4096,
        **dict.fromkeys(("image", "queue", "iam_role", "execution_role", "shared_memory")),
        **dict.fromkeys(("max_swap", "swappiness", "inferentia", "trainium", "efa")),
        **dict.fromkeys(("host_volumes", "efs_volumes")),
        "use_tmpfs": False,
        "tmpfs_tempdir": True,
        "tmpfs_size": None,
        "tmpfs_path": "/metaflow_temp",
        **dict.fromkeys(("aws_batch_tags", "ephemeral_storage", "log_driver", "log_options")),
        "privileged": False,
    },
    apply=_apply,
)
