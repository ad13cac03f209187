"""The place of a destination in the log: taken at its start, taken up again after an absence, given back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum, auto
from typing import Any, NamedTuple
from uuid import UUID

from router.store.fence import Fence
from router.store.outcome_blocks import unpack_ahead
from router.store.postgres import reshape
from router.store.postgres.database import Connection
from router.store.postgres.dropping import DROPPED, drop_rows
from router.store.postgres.scope import Scope
from router.store.postgres.wanted import come_back, is_trimmed, skip_trimmed, want
from router.store.rows import EVERY, CursorRow, Opening, Status, Unit
from router.store.shard_rows import pack_floors, unpack_floors
from router.store.shards import Share
from router.vocabulary import UNSETTLED

KEPT_SPELLS = 100
"""Times of being disabled that are kept, the newest ones."""
HERE = "part = 0 AND destination = $1"
FORMER = "SELECT state, owner, node, owner_name, expires < clock_timestamp() AS is_free FROM unit WHERE part = 0 AND destination = $1"
LOCKED = f"{FORMER} ORDER BY shard FOR UPDATE"
"""All units of a destination, in the order of their shards."""
LOCKED_ONE = f"{FORMER} AND shard = $2 FOR UPDATE"

PLACE = (
    "start, pos, ahead, floors, held + again_held, retrying, parked_bytes, letters, letter_bytes, epoch, step, state, state_reason, state_since,"
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


class _ChangesAll(Exception):
    """All units of the destination change, not only the one that is opened."""


class _Taken(NamedTuple):
    """A unit that is this process's from here on."""

    added: bool  #: it is new
    is_alone: bool  #: no other unit of the destination is locked
    taken_from: str
    shards_before: int = 0  #: where their number has changed


async def open_unit(
    connection: Connection, unit: Unit, opening: Opening, lease: Lease
) -> tuple[CursorRow, Fence] | None:
    """Take the unit, in one transaction: created at the head of the log where there is none. Whoever had it before is fenced off. None:
    another one has it, or should have it; it is created all the same. Commits of other shards go on meanwhile, unless all of them change."""
    try:
        async with connection.transaction():
            taken = await _take_one(connection, unit, opening, lease)
            return taken and await _opened(connection, unit, opening, taken)
    except _ChangesAll:  # no unit is locked by now: locks are taken in the order of shards
        async with connection.transaction():
            taken = await _take_among_all(connection, unit, opening, lease)
            return taken and await _opened(connection, unit, opening, taken)


async def _take_one(connection: Connection, unit: Unit, opening: Opening, lease: Lease) -> _Taken | None:
    """Raises _ChangesAll where there is another number of units, or they are being dropped."""
    added = await reshape.add(connection, unit, opening)
    former = await connection.fetchrow(LOCKED_ONE, unit.destination, unit.shard)
    # While this one is locked nobody changes their number.
    n = await connection.fetchval(f"SELECT count(*) FROM unit WHERE {HERE}", unit.destination)
    if former is None or former["state"] == DROPPED or (n != opening.shards and lease.takes is not Takes.NONE):
        raise _ChangesAll
    return await _take(connection, unit, lease, former, added=added, is_alone=True)


async def _take_among_all(connection: Connection, unit: Unit, opening: Opening, lease: Lease) -> _Taken | None:
    destination = unit.destination
    added, formers = await _add_or_lock(connection, unit, opening)
    if formers[0]["state"] == DROPPED:
        await drop_rows(connection, destination)  # who dropped it ended half-way
        added, formers = await _add_or_lock(connection, unit, opening)
    if lease.takes is Takes.NONE:
        return None
    before = 0
    if len(formers) != opening.shards:
        if not _may_reshape(formers, lease):
            return None
        before = len(formers)
        await reshape.change(connection, unit, opening)
        formers = await connection.fetch(LOCKED, destination)
    taken = await _take(connection, unit, lease, formers[unit.shard], added=added, is_alone=False)
    return taken and taken._replace(shards_before=before)


async def _add_or_lock(
    connection: Connection, unit: Unit, opening: Opening
) -> tuple[bool, Sequence[Mapping[str, Any]]]:
    """Whether the units are new, and all of them. Who waits for their locks while another one puts new units in their place, or drops them,
    has found none: the new ones came after its statement began."""
    while True:
        added = await reshape.add(connection, unit, opening)
        if formers := await connection.fetch(LOCKED, unit.destination):
            return added, formers


async def _take(
    connection: Connection, unit: Unit, lease: Lease, former: Mapping[str, Any], *, added: bool, is_alone: bool
) -> _Taken | None:
    if lease.takes is Takes.NONE or not (added or _may_take(former, lease)):
        return None
    await connection.execute(
        "UPDATE unit SET owner = $2, node = $3, owner_name = $4, epoch = epoch + 1, taken_at = clock_timestamp(),"
        f" expires = clock_timestamp() + $5 * interval '1 millisecond' WHERE {HERE} AND shard = $6",
        unit.destination, lease.owner, lease.node, lease.name, lease.ms, unit.shard,
    )  # fmt: skip
    is_of_another = former["owner"] is not None and former["node"] != lease.node
    return _Taken(added, is_alone, former["owner_name"] if is_of_another and not added else "")


async def _opened(connection: Connection, unit: Unit, opening: Opening, taken: _Taken) -> tuple[CursorRow, Fence]:
    """Where a unit that was taken goes on. Raises _ChangesAll where others go on elsewhere, too, and are not locked."""
    destination, share = unit.destination, Share(unit.shard, opening.shards)
    await _go_live(connection, unit, opening.mode)
    await want(connection, [destination], opening.now_ms)
    beyond = await come_back(connection, unit)
    is_alone = taken.is_alone and share.shards > 1
    if is_alone and (await is_trimmed(connection, unit) or await _changes_enabled(connection, destination, opening)):
        raise _ChangesAll
    abandoned = await skip_trimmed(connection, unit, share)
    await _drop_floors(connection, unit)
    disabled = await _note_enabled(connection, destination, opening)
    await _ask_again(connection, unit, opening.gate)
    await _count_second_sendings(connection, unit, Scope(destination, share))
    row = await connection.fetchrow(f"SELECT {PLACE} FROM unit WHERE {HERE} AND shard = $2", destination, unit.shard)
    start, pos, ahead, floors, held, retrying, parked_bytes, letters, letter_bytes, epoch, step, *status = row
    cursor = CursorRow(
        start, pos, unpack_ahead(pos, ahead), held, retrying, Status(*status), taken.added, parked_bytes, letters, letter_bytes,
        disabled, abandoned, beyond, taken.taken_from, share, taken.shards_before, unpack_floors(floors),
    )  # fmt: skip
    return cursor, Fence(unit, epoch, step, share)


async def _count_second_sendings(connection: Connection, unit: Unit, scope: Scope) -> None:
    """Take down how many of them wait, where it is not what is counted: who erased their rows, or wrote them before they were counted, says
    nothing of it."""
    sql = f"SELECT state, count(*) FROM parked WHERE {scope.here} AND origin <> 0 GROUP BY state"
    found = dict(await connection.fetch(sql, unit.destination))
    names = [f"again_{state}" for state in UNSETTLED]
    values = tuple(found.get(state, 0) for state in UNSETTLED)
    here = f"{HERE} AND shard = $2"
    counted = await connection.fetchrow(f"SELECT {', '.join(names)} FROM unit WHERE {here}", *unit[1:])
    if tuple(counted) != values:
        sets = ", ".join(f"{name} = ${n}" for n, name in enumerate(names, 3))
        await connection.execute(f"UPDATE unit SET {sets} WHERE {here}", *unit[1:], *values)


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
    left = [one for one in unpack_floors(packed) if max([one.pos, *one.ahead]) > pos]
    if packed:
        await connection.execute(f"UPDATE unit SET floors = $3 WHERE {here}", *unit[1:], pack_floors(left))


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


async def _changes_enabled(connection: Connection, destination: str, opening: Opening) -> bool:
    began = await connection.fetchval(f"SELECT began FROM disabled WHERE {HERE} AND ended = 0", destination)
    return opening.is_enabled == (began is not None)


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
