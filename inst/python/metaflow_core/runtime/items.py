"""Items of a foreach, each to be had without the artifact that holds them all."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from metaflow_core.datastore.attempts import Encoded, FlowDatastore
from metaflow_core.runtime.tasks import FOREACH_ITEMS, Stored

ITEMS_LIMIT_BYTES = 64 << 20
"""Above it, the items of a split are not stored one by one: each task loads them all."""

_SMALL_BYTES = 1 << 20
"""Items that are together no more than this are sent with each task, asked for or not."""

KEPT_BYTES = 2 * ITEMS_LIMIT_BYTES
"""How much of the items of a run stays in memory."""


@dataclass(frozen=True)
class SerializedItems:
    """The items of one split, each as R `serialize()` bytes.

    Args:
        sizes: Bytes of each.
        data: The bytes of all, one after the other.
    """

    sizes: Sequence[int]
    data: bytes

    def dumps(self) -> bytes:
        """The items as a pickle, for the store."""
        return pickle.dumps((list(self.sizes), self.data), 4)

    def cut(self) -> list[memoryview]:
        """The bytes of each item."""
        data, ends = memoryview(self.data), list(accumulate(self.sizes))
        return [data[end - size : end] for end, size in zip(ends, self.sizes, strict=True)]


class ForeachItems:
    """The items of a run's splits; those of the latest stay in memory.

    Args:
        store: Where the splits' artifacts are.
        kept_bytes: How much stays; the latest split always does.
    """

    def __init__(self, store: FlowDatastore, kept_bytes: int = KEPT_BYTES) -> None:
        self._store, self._kept_bytes = store, kept_bytes
        # Items by the key of the blob that they are from, and its size; the latest is last.
        self._splits: dict[str, tuple[list[Any], int]] = {}

    @staticmethod
    def is_small(source: Stored, var: str) -> bool:
        """Whether the items of a split are so few and small that each task may have its own."""
        size_bytes = source.info.get(_holder(source, var), {}).get("size")
        return size_bytes is not None and size_bytes <= _SMALL_BYTES

    def item(self, source: Stored, var: str, index: int, task: str) -> Any:
        """One item: a memoryview of R `serialize()` bytes, or a plain value.

        Args:
            source: Artifacts of the task that fanned out.
            var: The artifact that it fanned out over.
            index: Which item, from 0.
            task: Pathspec of the task that asks, for messages.

        Raises:
            KeyError: If the items can be had only all together.
            MetaflowError: If what is stored is missing or damaged.
        """
        name = _holder(source, var)
        key = source.objects[name]
        split = self._splits.pop(key, None)
        if split is None:
            encoded = source.encoded(name, self._store, task)
            split = _load(encoded, is_cut=name == FOREACH_ITEMS), encoded.size_bytes
        self._splits[key] = split
        while sum(size for _, size in self._splits.values()) > self._kept_bytes:
            if len(self._splits) == 1:
                break
            del self._splits[next(iter(self._splits))]
        return split[0][index]


def _holder(source: Stored, var: str) -> str:
    """Name of the artifact that items are cut from."""
    return FOREACH_ITEMS if FOREACH_ITEMS in source.objects else var


def _load(encoded: Encoded, *, is_cut: bool) -> list[Any]:
    if is_cut:
        return SerializedItems(*encoded.value()).cut()
    if encoded.kind != "native":
        raise KeyError(encoded.name)
    value = encoded.value()
    return value if isinstance(value, list) else [value]
