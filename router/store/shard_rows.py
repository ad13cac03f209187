"""What is stored of the shards of a destination, read and packed, and what is left of their counts where others take their place. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from router.store.outcome_blocks import pack_ahead, unpack_ahead
from router.store.rows import ReplayRow
from router.store.shards import Floor, Place

ADDED = (
    "delivered", "skipped", "filtered", "dead", "dry_run", "replayed", "again_skipped", "again_filtered", "again_held", "again_retrying",
    "again_queued", "again_dead",
)  # fmt: skip
"""Counters that nobody can part by slots: the first shard takes what all had. How many second sendings wait at each is counted when it is opened."""
OF_ROWS = ("held", "retrying", "letters", "letter_bytes")
"""Counters that say how many rows there are."""


def places_of(rows: Sequence[Mapping[str, Any]]) -> list[Place]:
    """How far each of these units is."""
    return [
        Place(row["pos"], frozenset(unpack_ahead(row["pos"], row["ahead"])), unpack_floors(row["floors"]))
        for row in rows
    ]


def pack_floors(floors: Sequence[Floor]) -> bytes:
    """As the unit keeps them; empty where there are none."""
    return msgspec.json.encode([(*one[:3], pack_ahead(one.pos, one.ahead)) for one in floors]) if floors else b""


def unpack_floors(packed: bytes) -> tuple[Floor, ...]:
    """The floors that `pack_floors` packed."""
    found = msgspec.json.decode(packed, type=list[tuple[int, int, int, bytes]]) if packed else []
    return tuple(Floor(first, end, pos, frozenset(unpack_ahead(pos, ahead))) for first, end, pos, ahead in found)


def standing(rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The unit whose state is that of all: one that does not run, if there is one."""
    return next((row for row in rows if row["state"] != "running"), rows[0])


def ended_replay(jobs: Sequence[ReplayRow], now_ms: int) -> ReplayRow:
    """What is left of the replays of shards: the newest one. It has ended, as how far it was holds for these shards."""
    job = max(jobs, key=lambda one: one.started_at)
    if any(one.state == "running" for one in jobs):
        job.state, job.ended_at = "stopped", now_ms
    return job
