"""Items as requests carry them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from router.plugin import Batch, Item

__all__ = ["batches"]


def batches(items: Sequence[Item], kinds: Mapping[str, Batch]) -> Iterator[list[Item]]:
    """The items in order: of one kind each, up to the kind's limits."""
    batch: list[Item] = []
    size = 0
    for item in items:
        kind = kinds[item.kind]
        size += len(item.json)
        if batch and (batch[0].kind != item.kind or len(batch) >= kind.max_items or size > kind.max_bytes):
            yield batch
            batch, size = [], len(item.json)
        batch.append(item)
    if batch:
        yield batch
