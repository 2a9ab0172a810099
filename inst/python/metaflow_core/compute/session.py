"""The R session that asks for a run, as those see it who start R in its likeness."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from metaflow_core.compute.process import RCommand


@dataclass(frozen=True)
class RSession:
    """What workers need to know of the R session that started the run.

    Args:
        version: R's version, such as ``"4.2.2"``.
        package_version: Version of the R package.
        rscript: Path of the `Rscript` program.
        scripts: Folder of the scripts that workers run.
        libraries: Library paths.
        working_dir: Working directory.
    """

    version: str
    package_version: str
    rscript: str
    scripts: str
    libraries: Sequence[str]
    working_dir: str

    def command(self, temporary: Path) -> RCommand:
        """How workers are started, whose temporary files go to the folder *temporary*."""
        return RCommand(self.rscript, tuple(self.libraries), self.working_dir, str(temporary))
