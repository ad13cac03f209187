"""Which events belong to which shard of a destination. Pure, and computed from the user key, so that the number of shards may change."""

from __future__ import annotations

import zlib

SLOTS = 256
"""A user key has one of so many slots. A shard has a run of them."""
MOST_SHARDS = 64


def slot_of(user_key: str) -> int:
    """The slot of a user key: that of the log row, never that of the user it was linked to later."""
    return zlib.crc32(user_key.encode()) % SLOTS


def slots_of(shard: int, shards: int) -> range:
    """The slots of one of so many shards, a power of two."""
    if shards not in (1, 2, 4, 8, 16, 32, MOST_SHARDS):
        raise ValueError(f"{shards} shards: want a power of two, at most {MOST_SHARDS}")
    return range(shard * SLOTS // shards, (shard + 1) * SLOTS // shards)
