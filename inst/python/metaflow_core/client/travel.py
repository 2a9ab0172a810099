"""A stored artifact as it travels to R: see "How an artifact travels" in `compute.protocol`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from metaflow_core.client.plain import to_plain
from metaflow_core.datastore.attempts import Encoded


def for_r(
    encoded: Encoded, spool: Path, *, inline_limit_bytes: int, allow: tuple[str, ...] = ()
) -> dict[str, Any]:
    """The artifact's `kind` and value; what is larger than the limit goes to a file.

    Args:
        encoded: The artifact as stored.
        spool: Directory for the file.
        inline_limit_bytes: Largest R serialization that is handed over in memory.
        allow: Python packages whose objects may be unpickled, such as ``"pandas"``.

    Raises:
        StoreError: If its blob is missing or damaged.
        UnsafePickle: If it is a pickle of something that is not allowed.
        ArtifactNotConvertible: If it has no exact form in R.
    """
    if encoded.kind == "native":
        return {"kind": "native", "value": encoded.value()}
    if encoded.kind == "python":
        return {"kind": "python", "value": to_plain(encoded.value(allow))}
    if 0 < encoded.size_bytes <= inline_limit_bytes:
        return {"kind": "r", "bytes": bytes(encoded.r_bytes())}
    path = spool / encoded.key
    encoded.unpack_to(path)
    return {"kind": "r", "path": str(path)}
