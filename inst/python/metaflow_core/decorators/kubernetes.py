"""`kubernetes`: run a step's tasks on Kubernetes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from metaflow_core.decorators.base import DecoratorType, TaskPolicy


def _apply(policy: TaskPolicy, attributes: Mapping[str, Any]) -> TaskPolicy:
    return replace(policy, launcher="kubernetes")


KUBERNETES = DecoratorType(
    "kubernetes",
    "step",
    # Source of the names and defaults: Netflix/metaflow 2.19, plugins/kubernetes. Sizes in MB.
    {
        "cpu": 1,
        "memory": 4096,
        "disk": 10240,
        **dict.fromkeys(("image", "image_pull_policy", "image_pull_secrets", "service_account")),
        **dict.fromkeys(("secrets", "node_selector", "namespace", "gpu", "gpu_vendor")),
        **dict.fromkeys(("tolerations", "labels", "annotations")),
        "use_tmpfs": False,
        "tmpfs_tempdir": True,
        "tmpfs_size": None,
        "tmpfs_path": "/metaflow_temp",
        **dict.fromkeys(("persistent_volume_claims", "shared_memory", "port", "compute_pool")),
        "qos": "Burstable",
    },
    apply=_apply,
)
