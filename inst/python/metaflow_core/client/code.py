"""The code package that a task ran with, where it ran away from the user's machine."""

from __future__ import annotations

import io
import json
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metaflow_core.client.store import Store

if TYPE_CHECKING:
    import tarfile
    from tempfile import TemporaryDirectory

_INFO = "INFO"
"""The member of a package that describes it, as JSON."""


class MetaflowCode:
    """A snapshot of the flow's code.

    Args:
        store: Where the package lies.
        flow: The flow's name.
        record: The task's fact ``code-package``: JSON with ``location`` and ``sha``.
    """

    def __init__(self, store: Store, flow: str, record: str) -> None:
        described = json.loads(record)
        self._store, self._flow = store, flow
        self.path: str = described["location"]
        self.sha: str = described["sha"]

    @cached_property
    def _package(self) -> bytes:
        return self._store.datastore(self._flow).blobs.load(self.sha, f"code package {self.sha}")

    @cached_property
    def tarball(self) -> tarfile.TarFile:
        """The package as an open archive."""
        import tarfile  # not needed to run a flow, nor by most that looks at runs

        return tarfile.open(fileobj=io.BytesIO(self._package))

    @cached_property
    def info(self) -> dict[str, Any]:
        """What the package says about itself; empty if it says nothing."""
        content = self._member(_INFO)
        return json.loads(content) if content else {}

    @property
    def script_name(self) -> str:
        """Name of the script that holds the flow, or ""."""
        return str(self.info.get("script", ""))

    @property
    def flowspec(self) -> str:
        """The text of that script, or ""."""
        return (self._member(self.script_name) or b"").decode("utf-8", "replace")

    def extract(self) -> TemporaryDirectory[str]:
        """The package's files in a directory that goes when the result does.

        Files only, and none outside of the directory: a package may come from someone else.
        """
        from tempfile import TemporaryDirectory

        directory = TemporaryDirectory(prefix="metaflow-code-")
        root = Path(directory.name).resolve()
        for member in (one for one in self.tarball if one.isfile()):
            path = (root / member.name).resolve()
            content = self.tarball.extractfile(member)
            if content is not None and path.is_relative_to(root):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content.read())
        return directory

    def _member(self, name: str) -> bytes | None:
        if not name or name not in self.tarball.getnames():
            return None
        member = self.tarball.extractfile(name)
        return member.read() if member else None

    def __repr__(self) -> str:
        return f"<MetaflowCode: {self.script_name or self.sha}>"
