"""What R asks to enter a task of the past."""

from __future__ import annotations

from metaflow_core.bridge.operations import operation
from metaflow_core.runtime import scene

operation("scene")(scene.scene)
operation("scene_answer")(scene.scene_answer)
operation("spin_pathspec")(scene.spin_pathspec)
