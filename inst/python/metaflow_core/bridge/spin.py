"""What R asks to keep a step that was tried: apart, as who enters a task needs none of it."""

from __future__ import annotations

from metaflow_core.bridge.operations import operation
from metaflow_core.runtime import spin

operation("keep_spin")(spin.keep_spin)
