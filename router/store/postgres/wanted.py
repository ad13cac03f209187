"""Which destinations have still to read the log: those that some process has configured. Nobody trims what these have not read; a destination that
was removed for longer than the retention goes on where the log begins."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from router.store.blocks import unpack
from router.store.forgotten import slot_of_event
from router.store.outcome_blocks import pack_ahead
from router.store.postgres.block_reads import BLOCK
from router.store.postgres.database import Connection
from router.store.rows import Unit
from router.store.shard_rows import pack_floors, places_of
from router.store.shards import Floor, Place, Share, above, split

HERE = "part = $1 AND destination = $2 AND shard = $3"
BLOCKS = f"SELECT {BLOCK} FROM block WHERE part = 0 AND first + n > $1::bigint + 1 AND first <= $2 ORDER BY first"
WANTED_MS = 600_000
"""For so long after a process said so a destination counts as configured; and so long nobody trims who has not heard the others yet."""


async def want(connection: Connection, destinations: Iterable[str], now_ms: int) -> None:
    """These are configured here. In the order of their names: two processes never wait for each other in a circle."""
    await connection.execute(
        "INSERT INTO wanted AS w SELECT 0, name, $2 FROM unnest($1::text[]) AS name ON CONFLICT (part, destination)"
        " DO UPDATE SET until = greatest(w.until, excluded.until)",
        sorted(destinations), now_ms + WANTED_MS,
    )  # fmt: skip


async def come_back(connection: Connection, unit: Unit) -> int:
    """A cursor beyond the head would pass events that are still to come. Inside the transaction that opens the unit. Returns how far beyond
    it stood."""
    place = await _place(connection, unit)
    head = await connection.fetchval("SELECT pos FROM head WHERE part = 0")
    tops = [max([place.pos, *place.ahead]), *(max([one.pos, *one.ahead]) for one in place.floors)]
    if max(tops) <= head:
        return 0
    floors = tuple(Floor(*one[:2], min(one.pos, head), _upto(head, one.ahead)) for one in place.floors)
    await _put(connection, unit, Place(min(place.pos, head), _upto(head, place.ahead), floors))
    return int(max(tops) - head)


def _upto(last: int, positions: frozenset[int]) -> frozenset[int]:
    return frozenset(one for one in positions if one <= last)


async def _place(connection: Connection, unit: Unit) -> Place:
    [place] = places_of(await connection.fetch(f"SELECT pos, ahead, floors FROM unit WHERE {HERE}", *unit))
    return place


async def _put(connection: Connection, unit: Unit, place: Place) -> None:
    where = (place.pos, pack_ahead(place.pos, place.ahead), pack_floors(place.floors))
    await connection.execute(f"UPDATE unit SET pos = $4, ahead = $5, floors = $6 WHERE {HERE}", *unit, *where)


async def is_trimmed(connection: Connection, unit: Unit) -> bool:
    """Whether the log begins behind its cursor; it stays so until the transaction ends."""
    trimmed = await connection.fetchval("SELECT pos FROM trim WHERE part = 0 FOR SHARE")
    return bool(trimmed > (await _place(connection, unit)).pos)


async def skip_trimmed(connection: Connection, unit: Unit, share: Share) -> int:
    """Go on where the log begins now. The events in between are dead, without a letter: there is nothing left of them. Inside the transaction
    that opens the unit, in which it is wanted already, and in which no shard is committed to. Returns how many that were."""
    trimmed = await connection.fetchval("SELECT pos FROM trim WHERE part = 0 FOR SHARE")
    place = await _place(connection, unit)
    if trimmed <= place.pos:
        return 0
    if share.shards == 1 and not place.floors:
        missed = int(trimmed - place.pos - len(_upto(trimmed, place.ahead)))
        units = [unit]
    else:  # whose the events were that are gone nobody knows, so all shards go on at once
        units = [unit._replace(shard=n) for n in range(share.shards)]
        missed = await _missed_of_all(connection, units, trimmed)
    for one in units:
        place = await _place(connection, one)
        if place.pos < trimmed:
            await _put(connection, one, place._replace(pos=trimmed, ahead=above(trimmed, place.ahead)))
    await connection.execute(f"UPDATE unit SET dead = dead + $4 WHERE {HERE}", *unit, missed)
    return missed


async def _missed_of_all(connection: Connection, units: Sequence[Unit], trimmed: int) -> int:
    """Events up to a position that no shard has settled or given a row: of all that were accepted since the destination began those that are in
    no counter, but for those that are still in the log."""
    name = units[0].destination
    start, settled = await connection.fetchrow(
        "SELECT min(start), sum(delivered + skipped + filtered + held + retrying + dead)::bigint FROM unit WHERE part = 0 AND destination = $1",
        name,
    )
    sql = "SELECT count(*) FROM parked WHERE part = 0 AND destination = $1 AND state = 'queued' AND pos > 0"
    settled += await connection.fetchval(sql, name)
    parts = [
        part for one in units for part in split(Share(one.shard, len(units)), await _place(connection, one))
    ]  # each slot is in one of them
    last = max(max([part.pos, *part.ahead]) for part in parts)
    behind = 0
    async for record in connection.cursor(BLOCKS, trimmed, last):
        for row in unpack(*record):
            slot = slot_of_event(row)
            behind += trimmed < row.pos and any(part.first <= slot < part.end and part.has(row.pos) for part in parts)
    return int(trimmed - start - (settled - behind))
