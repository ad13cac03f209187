"""The number of shards of a destination changes: other units take the place of those that there are, in one transaction, while nobody owns any
of them. Their epoch is above all epochs that there were, so nobody commits who owned one before.

No row of a user moves, as rows have the slot of their user. A replay that runs is stopped: how far it is holds for the former shards.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from router.store.outcome_blocks import pack_ahead
from router.store.postgres.database import Connection
from router.store.postgres.install import WITH_SHARDS
from router.store.rows import EVERY, Opening, ReplayRow, Unit
from router.store.shard_rows import ADDED, OF_ROWS, ended_replay, pack_floors, places_of, standing
from router.store.shards import SLOTS, reshaped

HERE = "part = 0 AND destination = $1"
BY_SLOT = f"""
SELECT slot, sum(held)::bigint, sum(retrying)::bigint, sum(letters)::bigint, sum(letter_bytes)::bigint, sum(parked)::bigint FROM (
  SELECT slot, count(*) FILTER (WHERE state = 'held' AND pos > 0) AS held, count(*) FILTER (WHERE state = 'retrying' AND pos > 0) AS retrying,
    0 AS letters, 0 AS letter_bytes, count(*) AS parked FROM parked WHERE {HERE} GROUP BY slot
  UNION ALL SELECT slot, 0, 0, count(*), sum(size), 0 FROM dead WHERE {HERE} GROUP BY slot
) AS rows GROUP BY slot
"""
KEPT = ("start", "mode", "gate", "state", "state_reason", "state_since", "state_until", "state_detail", "stopped_ms")
"""What all units of a destination have alike. Of a state the one that is not `running`, if there is one."""


async def add(connection: Connection, unit: Unit, opening: Opening) -> bool:
    """Begin at the head of the log, with all shards. False where there is a unit already. Two that do so wait for each other at the first one."""
    sql = (
        "INSERT INTO unit (part, destination, shard, clock, start, pos, state_since, mode, gate)"
        " SELECT part, $1, 0, $2, pos, pos, $2, $3, $4 FROM head WHERE part = $5 ON CONFLICT DO NOTHING RETURNING true"
    )
    values = (opening.now_ms, opening.mode, opening.gate, unit.part)
    if not await connection.fetchval(sql, unit.destination, *values):
        return False
    # Where the first one begins, not at the head: events may have been appended since.
    columns = "clock, start, pos, state_since, mode, gate"
    await connection.execute(
        f"INSERT INTO unit (part, destination, shard, {columns}) SELECT part, destination, n, {columns} FROM unit,"
        f" generate_series(1, $2::int - 1) AS n WHERE {HERE} AND shard = 0",
        unit.destination, opening.shards,
    )  # fmt: skip
    await _refuse_older_programs(connection, opening)
    return True


async def change(connection: Connection, unit: Unit, opening: Opening) -> None:
    """The units of a destination, which are locked and without an owner, become so many."""
    name = unit.destination
    rows = await connection.fetch(f"SELECT * FROM unit WHERE {HERE} ORDER BY shard", name)
    summed = [sum(row[one] for row in rows) for one in ADDED]
    of_rows = [sum(row[one] for row in rows) for one in OF_ROWS]
    kept = standing(rows)
    epoch, step = max(row["epoch"] for row in rows) + 1, max(row["step"] for row in rows)
    clock = max(row["clock"] for row in rows)
    *parted, parked = await _counted(connection, name, opening.shards)
    parted[0] = [total - sum(others) for total, *others in zip(of_rows, *parted[1:], strict=True)]
    parked_bytes = parted_by(sum(row["parked_bytes"] for row in rows), parked)
    await connection.execute(f"DELETE FROM unit WHERE {HERE}", name)
    columns = (*KEPT, "epoch", "step", "clock", "pos", "ahead", "floors", "parked_bytes", *ADDED, *OF_ROWS)
    marks = ", ".join(f"${n}" for n in range(3, 3 + len(columns)))
    for n, place in enumerate(reshaped(places_of(rows), opening.shards)):
        where = (place.pos, pack_ahead(place.pos, place.ahead), pack_floors(place.floors))
        sums = summed if n == 0 else [0] * len(summed)
        await connection.execute(
            f"INSERT INTO unit (part, destination, shard, {', '.join(columns)}) VALUES (0, $1, $2, {marks})",
            name, n, *(kept[one] for one in KEPT), epoch, step, clock, *where, parked_bytes[n], *sums, *parted[n],
        )  # fmt: skip
    await _stop_replay(connection, name, opening.now_ms)
    await _begin_openings_anew(connection, name, opening.shards)
    await _refuse_commands(connection, name)
    await _refuse_older_programs(connection, opening)


async def _counted(connection: Connection, destination: str, shards: int) -> list[list[int]]:
    """Of each shard what its rows come to, in the order of `OF_ROWS`; then of each how many events are parked there."""
    found = [[0] * (len(OF_ROWS) + 1) for _ in range(shards)]
    for slot, *counts in await connection.fetch(BY_SLOT, destination):
        of_shard = found[slot * shards // SLOTS]
        of_shard[:] = [n + more for n, more in zip(of_shard, counts, strict=True)]
    return [*(one[:-1] for one in found), [one[-1] for one in found]]


def parted_by(total: int, parked: Sequence[int]) -> list[int]:
    """The bytes of all parked events by how many each shard has, as nobody has added up whose they are. The last one with any takes the rest."""
    parts = [total * n // max(1, sum(parked)) for n in parked]
    last = max((shard for shard, n in enumerate(parked) if n), default=0)
    parts[last] += total - sum(parts)
    return parts


async def _stop_replay(connection: Connection, destination: str, now_ms: int) -> None:
    """Of those that the shards had the newest is left, and it has ended."""
    rows = await connection.fetch(f"DELETE FROM replay WHERE {HERE} RETURNING job", destination)
    jobs = [msgspec.json.decode(row[0], type=ReplayRow) for row in rows]
    if not jobs:
        return
    job = ended_replay(jobs, now_ms)
    await connection.execute(
        "INSERT INTO replay (part, destination, shard, job, state, kind, pos) VALUES (0, $1, 0, $2, $3, $4, $5)",
        destination, msgspec.json.encode(job), job.state, job.kind, min(job.pos, job.groups_pos),
    )  # fmt: skip


async def _begin_openings_anew(connection: Connection, destination: str, shards: int) -> None:
    """What was being released: every lane that waits is asked again."""
    if await connection.fetch(f"DELETE FROM opening WHERE {HERE} RETURNING need", destination):
        sql = "INSERT INTO opening (part, destination, shard, need, last_key) SELECT 0, $1, shard, $3, '' FROM unnest($2::smallint[]) AS shard"
        await connection.execute(sql, destination, list(range(shards)), EVERY)


async def _refuse_commands(connection: Connection, destination: str) -> None:
    """Commands to the former shards that have had no effect."""
    words = f"{destination} has another number of shards by now: ask again"
    await connection.execute(
        f"UPDATE command SET state = 'refused', answer = $2, text = '' WHERE {HERE} AND state IN ('asked', 'taken')",
        destination, msgspec.json.encode(["ended_half_way", words]),
    )  # fmt: skip


async def _refuse_older_programs(connection: Connection, opening: Opening) -> None:
    """A program that knows of no shards would deliver all events for the first one."""
    if opening.shards > 1:
        await connection.execute("UPDATE version SET usable_from = greatest(usable_from, $1)", WITH_SHARDS)
