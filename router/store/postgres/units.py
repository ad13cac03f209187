"""The place of a destination in the log: taken at its start, taken up again after an absence, given up for good."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum, auto
from typing import Any, NamedTuple
from uuid import UUID

from router.store.fence import Fence
from router.store.outcome_blocks import unpack_ahead
from router.store.postgres import counter_rows, reshape
from router.store.postgres.database import Connection
from router.store.postgres.scope import Scope
from router.store.postgres.summed import QUEUED, SUMMED
from router.store.postgres.wanted import come_back, skip_trimmed, want
from router.store.rows import EVERY, CursorRow, Opening, Status, Unit
from router.store.shards import Share

KEPT_SPELLS = 100
"""Times of being disabled that are kept, the newest ones."""
HERE = "part = 0 AND destination = $1"
TABLES = (
    "lane", "parked", "dead", "supply", "opening", "receipt", "outcome", "attempt", "state", "timer", "replay", "disabled",
    "woken", "wanted", "configured",
)  # fmt: skip
"""Every table that has rows of a destination beside its unit."""
DROPPED = "forgotten"
"""State of a unit whose other rows are being dropped."""
SLICE = 5_000
"""Rows that are dropped in one transaction."""
LOCKED = (
    "SELECT state, owner, node, owner_name, expires < clock_timestamp() AS is_free FROM unit WHERE part = 0 AND destination = $1"
    " ORDER BY shard FOR UPDATE"
)
"""All units of a destination, in the order of their shards."""

PLACE = (
    "start, pos, ahead, floors, held, retrying, parked_bytes, letters, letter_bytes, epoch, step, state, state_reason, state_since,"
    " state_until, state_detail, stopped_ms"
)


class Takes(Enum):
    """Which unit without an owner a process takes."""

    ANY = auto()  #: whichever node had it
    ITS_OWN = auto()  #: what nobody else had, or should have
    NONE = auto()  #: it is not to deliver there now


class Lease(NamedTuple):
    """For whom a unit is taken, and how."""

    owner: UUID  #: this process
    node: UUID | None  #: None: nobody else uses the database, so it is taken from whoever had it
    name: str
    ms: int = 0  #: so long it is owned after each sign of life
    takes: Takes = Takes.ANY


async def open_unit(
    connection: Connection, unit: Unit, opening: Opening, lease: Lease
) -> tuple[CursorRow, Fence] | None:
    """Take the unit, in one transaction: created at the head of the log where there is none. Whoever had it before is fenced off. None:
    another one has it, or should have it; it is created all the same."""
    destination = unit.destination
    async with connection.transaction():
        added, formers = await _add_or_lock(connection, unit, opening)
        if formers[0]["state"] == DROPPED:
            for table in (*TABLES, "unit"):  # who dropped it ended half-way
                await connection.execute(f"DELETE FROM {table} WHERE {HERE}", destination)
            added, formers = await _add_or_lock(connection, unit, opening)
        if lease.takes is Takes.NONE:
            return None
        if len(formers) != opening.shards:
            if not _may_reshape(formers, lease):
                return None
            await reshape.change(connection, unit, opening)
            formers = await connection.fetch(LOCKED, destination)
        former = formers[unit.shard]
        if not (added or _may_take(former, lease)):
            return None
        await connection.execute(
            "UPDATE unit SET owner = $2, node = $3, owner_name = $4, epoch = epoch + 1, taken_at = clock_timestamp(),"
            f" expires = clock_timestamp() + $5 * interval '1 millisecond' WHERE {HERE} AND shard = $6",
            destination, lease.owner, lease.node, lease.name, lease.ms, unit.shard,
        )  # fmt: skip
        share = Share(unit.shard, opening.shards)
        is_of_another = former["owner"] is not None and former["node"] != lease.node
        taken_from = former["owner_name"] if is_of_another and not added else ""
        await _go_live(connection, unit, opening.mode)
        await want(connection, [destination], opening.now_ms)
        beyond = await come_back(connection, unit)
        abandoned = await skip_trimmed(connection, unit, share)
        await _drop_floors(connection, unit)
        disabled = await _note_enabled(connection, destination, opening)
        await _ask_again(connection, unit, opening.gate)
        row = await connection.fetchrow(
            f"SELECT {PLACE} FROM unit WHERE {HERE} AND shard = $2", destination, unit.shard
        )
        start, pos, ahead, floors, held, retrying, parked_bytes, letters, letter_bytes, epoch, step, *status = row
        # Second sendings wait for groups, too, but are not counted as held.
        of_replays = (
            f"SELECT count(*) FROM parked WHERE {Scope(destination, share).here} AND pos < 0 AND state = 'held'"
        )
        held += await connection.fetchval(of_replays, destination)
    cursor = CursorRow(
        start, pos, unpack_ahead(pos, ahead), held, retrying, Status(*status), added, parked_bytes, letters, letter_bytes,
        disabled, abandoned, beyond, taken_from, share, reshape.unpack_floors(floors),
    )  # fmt: skip
    return cursor, Fence(unit, epoch, step, share)


async def _add_or_lock(
    connection: Connection, unit: Unit, opening: Opening
) -> tuple[bool, Sequence[Mapping[str, Any]]]:
    """Whether the units are new, and all of them. Who waits for their locks while another one puts new units in their place, or drops them,
    has found none: the new ones came after its statement began."""
    while True:
        added = await reshape.add(connection, unit, opening)
        if formers := await connection.fetch(LOCKED, unit.destination):
            return added, formers


def _may_take(former: Mapping[str, Any], lease: Lease) -> bool:
    if lease.node is None or former["owner"] == lease.owner:
        return True
    return bool(former["is_free"]) and (lease.takes is Takes.ANY or former["node"] == lease.node)


def _may_reshape(formers: Sequence[Mapping[str, Any]], lease: Lease) -> bool:
    """Whether nobody owns any of them, and it is this process's turn."""
    if lease.node is None:
        return True
    are_free = all(one["owner"] in (None, lease.owner) or one["is_free"] for one in formers)
    return are_free and lease.takes is Takes.ANY


async def _drop_floors(connection: Connection, unit: Unit) -> None:
    """Those that the cursor has passed."""
    here = f"{HERE} AND shard = $2"
    pos, packed = await connection.fetchrow(f"SELECT pos, floors FROM unit WHERE {here}", *unit[1:])
    left = [one for one in reshape.unpack_floors(packed) if max([one.pos, *one.ahead]) > pos]
    if packed:
        await connection.execute(f"UPDATE unit SET floors = $3 WHERE {here}", *unit[1:], reshape.pack_floors(left))


async def give_back(connection: Connection, fence: Fence, owner: UUID, *, to_others: bool) -> None:
    """Whoever wants the unit can have it at once. `to_others`: this node does not want it again before they had their turn."""
    sets = "owner = NULL, expires = '-infinity'" + (", node = NULL" if to_others else "")
    where = f"{HERE} AND shard = $2 AND owner = $3 AND epoch = $4"
    await connection.execute(f"UPDATE unit SET {sets} WHERE {where}", *fence.unit[1:], owner, fence.epoch)


async def _go_live(connection: Connection, unit: Unit, mode: str) -> None:
    """What a dry run remembered was never told to the vendor: state and timers begin anew. A destination that is split has none."""
    here, destination = f"{HERE} AND shard = $2", unit.destination
    before = await connection.fetchval(f"SELECT mode FROM unit WHERE {here}", *unit[1:])
    if before == mode:
        return
    if mode == "live":
        for table in ("state", "timer"):
            await connection.execute(f"DELETE FROM {table} WHERE {HERE}", destination)
    await connection.execute(f"UPDATE unit SET mode = $3 WHERE {here}", *unit[1:], mode)


async def _note_enabled(connection: Connection, destination: str, opening: Opening) -> tuple[tuple[int, int], ...]:
    """Begin or end a time in which the destination is disabled. What is tried again has that much longer."""
    began = await connection.fetchval(f"SELECT began FROM disabled WHERE {HERE} AND ended = 0", destination)
    if opening.is_enabled and began is not None:
        await connection.execute(
            f"UPDATE disabled SET ended = $2 WHERE {HERE} AND ended = 0", destination, opening.now_ms
        )
        stood_still = opening.now_ms - began
        await connection.execute(f"UPDATE unit SET stopped_ms = stopped_ms + $2 WHERE {HERE}", destination, stood_still)
        await connection.execute(
            f"DELETE FROM disabled WHERE {HERE} AND began NOT IN (SELECT began FROM disabled WHERE {HERE} ORDER BY began DESC LIMIT $2)",
            destination, KEPT_SPELLS,
        )  # fmt: skip
    elif not opening.is_enabled and began is None:
        await connection.execute(
            "INSERT INTO disabled VALUES (0, $1, $2, 0) ON CONFLICT (part, destination, began) DO UPDATE SET ended = 0",
            destination, opening.now_ms,
        )  # fmt: skip
    found = await connection.fetch(
        f"SELECT began, ended FROM disabled WHERE {HERE} AND ended > 0 ORDER BY began", destination
    )
    return tuple((row[0], row[1]) for row in found)


async def _ask_again(connection: Connection, unit: Unit, gate: str) -> None:
    """Take down what the gate asks; where it asked something else before, all that waits for it is to be asked again."""
    sql = f"UPDATE unit SET gate = $3 WHERE {HERE} AND shard = $2 AND gate <> $3 RETURNING true"
    changed = await connection.fetchval(sql, *unit[1:], gate)
    if changed and await connection.fetchval(f"SELECT true FROM lane WHERE {HERE} LIMIT 1", unit.destination):
        await connection.execute(
            "INSERT INTO opening VALUES (0, $1, $2, $3, '') ON CONFLICT (part, destination, shard, need) DO UPDATE SET last_key = ''",
            unit.destination, unit.shard, EVERY,
        )  # fmt: skip


async def begin_to_drop(connection: Connection, destination: str) -> dict[str, int]:
    """From here on the destination's rows count for nothing, and nobody owns it. Returns what it had: held, retrying, queued, kept
    dead letters."""
    async with connection.transaction():
        row = await connection.fetchrow(
            f"SELECT u.held, u.retrying, {QUEUED}, letters FROM {SUMMED} u JOIN head h USING (part) WHERE u.destination = $1",
            destination,
        )
        await connection.execute(f"UPDATE unit SET state = '{DROPPED}', epoch = epoch + 1 WHERE {HERE}", destination)
    return dict(zip(("held", "retrying", "queued", "dead"), row or (0, 0, 0, 0), strict=True))


async def drop_slice(connection: Connection, destination: str) -> bool:
    """Drop some of its rows, its unit at last. False: nothing is left."""
    async with connection.transaction():
        left = SLICE
        for table in TABLES:
            gone = f"SELECT ctid FROM {table} WHERE {HERE} LIMIT $2"
            told = await connection.execute(f"DELETE FROM {table} WHERE ctid = ANY(ARRAY({gone}))", destination, left)
            left -= int(told.rpartition(" ")[2])
            if left <= 0:
                return True
        await counter_rows.drop(connection, destination)
        await connection.execute(f"DELETE FROM unit WHERE {HERE}", destination)
    return False
