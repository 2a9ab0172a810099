"""What a run needs and takes long to start, started before the run itself is known."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from metaflow_core import config
from metaflow_core.compute.fork import ZygoteProcess
from metaflow_core.compute.local import CAN_FORK
from metaflow_core.compute.session import RSession
from metaflow_core.errors import MetaflowError
from metaflow_core.files import make_temporary_folder

PAYLOAD = "payload"
"""File in a run's own folder: what workers need of the flow, R's own business."""

ZYGOTE_SCRIPT = "zygote.R"


@dataclass(frozen=True)
class Ahead:
    """A run's own folder, and the process that its tasks will be forked from.

    Args:
        folder: The folder.
        zygote: The process; it loads the flow when a launcher takes it over.
    """

    folder: Path
    zygote: ZygoteProcess

    def close(self) -> None:
        """End the process, whether or not there was a run, and remove the folder."""
        self.zygote.end()
        shutil.rmtree(self.folder, ignore_errors=True)


def start_ahead(session: RSession) -> Ahead | None:
    """Start what a run of *session* will need; None if that cannot be: the run itself tells why."""
    if not CAN_FORK:
        return None
    try:
        folder = make_run_folder()
    except MetaflowError:
        return None
    try:
        script = Path(session.scripts) / ZYGOTE_SCRIPT
        return Ahead(folder, ZygoteProcess(session.command(folder), script, folder / PAYLOAD))
    except (MetaflowError, OSError):
        shutil.rmtree(folder, ignore_errors=True)
        return None


def make_run_folder() -> Path:
    """A new folder for the temporary files of a run.

    Raises:
        StoreUnavailable: If it cannot be made.
    """
    return make_temporary_folder(config.get("METAFLOW_TEMPDIR") or tempfile.gettempdir())
