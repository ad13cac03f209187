"""Erase what a destination has of people: parked rows, dead letters, keyed state. `find_*` and `state_keys` read beside it; the others are
one transaction each of whoever has taken the unit (`idle_unit.py`), so that no commit is between them. None of the destination's workers may have anything of theirs
in memory.

An event that was not settled is dead from here on (`forgotten`), so the ledger adds up as before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from router.store.forget_state import StateOf
from router.store.forgotten import ids_of
from router.store.names_in_texts import Names
from router.store.postgres import kept_events, regulation_rows
from router.store.postgres.block_reads import Blocks
from router.store.postgres.commit import OUTCOMES
from router.store.postgres.database import Connection
from router.store.postgres.forget_begin import near
from router.store.postgres.row_reads import accepted_at
from router.store.postgres.scope import Scope
from router.store.regulation import Regulation
from router.store.rows import ORDER_KEY_STEP
from router.vocabulary import EventState, LaneMode, Queue

SLICE = 500
"""Rows that one transaction erases."""
BEFORE_ALL = -(1 << 62)
HERE = "part = 0 AND destination = $1"
AT = f"(CASE WHEN x.pos > 0 THEN x.pos ELSE -x.pos / {ORDER_KEY_STEP} END)"
"""Where in the log a row stands: what a timer returned, and a second sending, stand between two events."""
ROWS = (
    "SELECT x.pos, x.user_key, {own}, octet_length(w.body) AS woken FROM {table} x LEFT JOIN woken w USING (part, destination, pos)"
    " WHERE x.part = 0 AND x.destination = $1 AND x.user_key = ANY($2::text[]) AND {at} <= $3 AND x.pos > $4 {but}{{slots}}"
    " ORDER BY x.pos LIMIT $5"
)
PARKED = ROWS.format(
    table="parked", own="x.state, x.origin, 0::bigint AS size", at=f"(CASE WHEN x.origin <> 0 THEN x.origin ELSE {AT} END)",
    but="AND w.type IS DISTINCT FROM 'forget'",
)  # fmt: skip
"""A deletion that the vendor is asked for stays: it is the one thing that is still to be sent."""
DEAD = ROWS.format(table="dead", own="'' AS state, 0::bigint AS origin, x.size", at=AT, but="")


class Row(NamedTuple):
    """A parked row or a dead letter."""

    pos: int
    size: int  #: of a parked row its event's body; of a letter what it takes


class Found(NamedTuple):
    """What one reading has found."""

    rows: list[Row]
    after: int | None  #: where the next reading begins; None: there is nothing more


async def find(
    connection: Connection, blocks: Blocks, scope: Scope, regulation: Regulation, sql: str, after: int
) -> Found:
    """The next rows of theirs, `PARKED` or `DEAD`."""
    near_now = [*regulation.near, *await near(connection, regulation.keys)]  # what is held may have moved meanwhile
    of_slots = sql.format(slots=scope.of_slots("x."))
    records = await connection.fetch(of_slots, scope.destination, near_now, regulation.bound, after, SLICE)
    events = await accepted_at(connection, blocks, [at for r in records if (at := r["origin"] or r["pos"]) > 0])
    keys = frozenset(regulation.keys)
    rows = []
    for record in records:
        event = events.get(record["origin"] or record["pos"])
        if record["user_key"] in keys or (event is not None and event.user_key in keys):
            body = len(event.body) if event is not None else record["woken"] or 0
            rows.append(Row(record["pos"], record["size"] if sql is DEAD else body))
    return Found(rows, records[-1]["pos"] if len(records) == SLICE else None)


async def touches(connection: Connection, blocks: Blocks, scope: Scope, regulation: Regulation) -> bool:
    """Whether the destination has any row of these people. Looks at each of its state keys."""
    destination = scope.destination
    small = (
        "supply WHERE {} AND user_key = ANY($2::text[])", "timer WHERE {} AND user_key = ANY($2::text[])",
        "opening WHERE {} AND need = ANY($2::text[])", "lane WHERE {} AND (need = ANY($2::text[]) OR also = ANY($2::text[]) OR user_key = ANY($2::text[]))",
    )  # fmt: skip
    for where in small:
        sql = f"SELECT true FROM {where.format(HERE)} LIMIT 1"
        if await connection.fetchval(sql, destination, regulation.keys):
            return True
    sql = f"SELECT state_detail FROM unit WHERE {HERE} AND shard = $2"
    detail = await connection.fetchval(sql, destination, scope.share.shard)
    if detail and Names(regulation.told_as).are_in(detail):
        return True
    for sql in (PARKED, DEAD):
        after: int | None = BEFORE_ALL
        while after is not None:
            rows, after = await find(connection, blocks, scope, regulation, sql, after)
            if rows:
                return True
    return bool(await state_keys(connection, destination, regulation))


async def erase_parked(connection: Connection, scope: Scope, rows: Sequence[Row], code: int, now_ms: int) -> int:
    """The events of these parked rows are dead. Who waits for one of them asks again. Returns how many events of the log that were."""
    destination = scope.destination
    sizes = {row.pos: row.size for row in rows}
    sql = f"DELETE FROM parked WHERE {scope.here} AND pos = ANY($2::bigint[]) RETURNING pos, user_key, state, origin"
    gone = await connection.fetch(sql, destination, list(sizes))
    counts: Counter[str] = Counter()
    for pos, _, state, origin in gone:
        counts["parked_bytes"] -= sizes[pos]
        if pos > 0:  # what timers return is counted in no ledger
            counts[EventState.DEAD] += 1
            if state in (EventState.HELD, EventState.RETRYING):
                counts[state] -= 1
        elif origin:
            counts.update({f"again_{EventState.DEAD}": 1, f"again_{state}": -1})
    await _tell(connection, destination, [row["pos"] for row in gone], code, now_ms)
    await _let_go(connection, destination, [at for row in gone for at in (row["pos"], row["origin"]) if at])
    await count(connection, scope, counts)
    waiting = await _waiting_for(connection, destination, [row["pos"] for row in gone])
    for key in dict.fromkeys([*(row["user_key"] for row in gone), *waiting]):
        await _mend_lane(connection, destination, key, now_ms)
    return sum(row["pos"] > 0 for row in gone)


async def erase_letters(connection: Connection, scope: Scope, rows: Sequence[Row], code: int, now_ms: int) -> int:
    """These dead letters. Returns how many there were."""
    destination = scope.destination
    sql = f"DELETE FROM dead WHERE {scope.here} AND pos = ANY($2::bigint[]) RETURNING pos, size, again"
    gone = await connection.fetch(sql, destination, [row.pos for row in rows])
    # of a second sending the event keeps what it came to
    await _tell(connection, destination, [row["pos"] for row in gone if not row["again"]], code, now_ms)
    await _let_go(connection, destination, [row["pos"] for row in gone])
    await count(connection, scope, {"letters": -len(gone), "letter_bytes": -sum(row["size"] for row in gone)})
    return len(gone)


async def erase_deletions(
    connection: Connection, scope: Scope, positions: Sequence[int], code: int, now_ms: int
) -> None:
    """Erase what the destination was asked to delete, whether it waits or failed."""
    rows = [Row(pos, 0) for pos in positions]
    await erase_parked(connection, scope, rows, code, now_ms)
    await erase_letters(connection, scope, rows, code, now_ms)


async def count(connection: Connection, scope: Scope, counts: Mapping[str, int]) -> None:
    """Change the counters of the unit."""
    changes = {name: n for name, n in counts.items() if n}
    if changes:
        sets = ", ".join(f"{name} = {name} + ${n}" for n, name in enumerate(changes, 3))
        unit = (scope.destination, scope.share.shard)
        await connection.execute(f"UPDATE unit SET {sets} WHERE {HERE} AND shard = $2", *unit, *changes.values())


async def _tell(connection: Connection, destination: str, positions: Iterable[int], code: int, now_ms: int) -> None:
    """What `why` is to say of them."""
    await OUTCOMES.put(connection, destination, [(pos, now_ms, code, 0) for pos in positions if pos > 0])


async def _let_go(connection: Connection, destination: str, positions: Sequence[int]) -> None:
    """What only these rows referred to: what timers returned, and events that outlived the log."""
    no_row = f"SELECT 1 FROM {{}} r WHERE r.{HERE.replace(' AND ', ' AND r.')} AND r.pos = w.pos"
    await connection.execute(
        f"DELETE FROM woken w WHERE {HERE} AND pos = ANY($2::bigint[]) AND NOT EXISTS ({no_row.format('parked')})"
        f" AND NOT EXISTS ({no_row.format('dead')})",
        destination, [pos for pos in positions if pos < 0],
    )  # fmt: skip
    trimmed = await connection.fetchval("SELECT pos FROM trim WHERE part = 0")
    await kept_events.let_go(connection, [pos for pos in positions if 0 < pos <= trimmed])


async def _waiting_for(connection: Connection, destination: str, positions: Iterable[int]) -> list[str]:
    """The lanes that wait for the group call at one of these positions."""
    sql = f"SELECT user_key FROM lane WHERE {HERE} AND need = ANY($2::text[]) AND need <> '' AND need <> user_key"
    needs = [f"c:{pos}" for pos in positions if pos > 0]
    return [row[0] for row in await connection.fetch(sql, destination, needs)]


async def _mend_lane(connection: Connection, destination: str, key: str, now_ms: int) -> None:
    """What is left behind the rows that went has its turn now; without any the lane goes."""
    where = f"{HERE} AND user_key = $2"
    held, main, since, first = await connection.fetchrow(
        "SELECT count(*) FILTER (WHERE queue = $3), count(*) FILTER (WHERE queue <> $3),"
        " coalesce(min(parked_at) FILTER (WHERE queue = $3), 0), coalesce(min(place) FILTER (WHERE queue = $3), 0)"
        f" FROM parked WHERE {where}",
        destination, key, str(Queue.HELD),
    )  # fmt: skip
    if not held and not main:
        await connection.execute(f"DELETE FROM lane WHERE {where}", destination, key)
        return
    await connection.execute(
        f"UPDATE lane SET mode = '{LaneMode.WAITING}', need = '', also = '', reason = '', group_id = '', refused_pos = 0, attempts = 0,"
        f" due_at = $3, held = $4, main = $5, held_since = $6, first_held = $7 WHERE {where}",
        destination, key, now_ms, held, main, since, first,
    )  # fmt: skip


async def erase_rest(
    connection: Connection, scope: Scope, regulation: Regulation, states: Sequence[str], now_ms: int
) -> None:
    """Keyed state that names the person, its timers, what lanes of others waited for, and group calls. Comes last."""
    destination = scope.destination
    theirs = (destination, regulation.keys)
    for table in ("state", "timer"):
        await connection.execute(
            f"DELETE FROM {table} WHERE {HERE} AND key = ANY($2::text[])", destination, list(states)
        )
    await connection.execute(f"DELETE FROM timer WHERE {HERE} AND user_key = ANY($2::text[])", *theirs)
    await connection.execute(f"DELETE FROM opening WHERE {HERE} AND need = ANY($2::text[])", *theirs)
    names = Names(regulation.told_as)
    unit = (destination, scope.share.shard)
    detail = await connection.fetchval(f"SELECT state_detail FROM unit WHERE {HERE} AND shard = $2", *unit)
    if detail and names.are_in(detail):
        await connection.execute(f"UPDATE unit SET state_detail = '' WHERE {HERE} AND shard = $2", *unit)
    await _erase_waits(connection, scope, regulation, now_ms)
    await _erase_group_calls(connection, destination, regulation)


async def _erase_waits(connection: Connection, scope: Scope, regulation: Regulation, now_ms: int) -> None:
    """Lanes of others that wait for them, or have waited for a trait of theirs, ask their gate again: now, or once their retry is due."""
    destination = scope.destination
    values = (destination, regulation.keys, sorted(regulation.groups))
    theirs = "need = ANY($2::text[]) OR also = ANY($2::text[]) OR group_id = ANY($3::text[])"
    await connection.execute(
        "UPDATE lane SET need = '', also = '', reason = '', group_id = '', refused_pos = 0"
        f" WHERE {scope.here} AND mode = '{LaneMode.RETRY}' AND ({theirs}) AND NOT user_key = ANY($2::text[])",
        *values,
    )
    sql = f"SELECT user_key FROM lane WHERE {scope.here} AND ({theirs} OR user_key = ANY($2::text[]))"
    for row in await connection.fetch(sql, *values):
        await _mend_lane(connection, destination, row[0], now_ms)


async def _erase_group_calls(connection: Connection, destination: str, regulation: Regulation) -> None:
    """A group call that was not sent stays unsent for the others of its group; whose it was is forgotten. Of a group that is forgotten
    nobody asks for one any more."""
    sql = f"DELETE FROM supply WHERE {HERE} AND group_id = ANY($2::text[]) AND pos <= $3"
    await connection.execute(sql, destination, sorted(regulation.groups), regulation.bound)
    sql = f"SELECT pos, missing FROM supply WHERE {HERE} AND user_key = ANY($2::text[]) AND pos <= $3"
    for pos, missing in await connection.fetch(sql, destination, regulation.keys, regulation.bound):
        left = [what for what in msgspec.json.decode(missing) if what != "id"]
        if left:
            sql = f"UPDATE supply SET user_key = '', missing = $3 WHERE {HERE} AND pos = $2"
            await connection.execute(sql, destination, pos, msgspec.json.encode(left).decode())
        else:
            await connection.execute(f"DELETE FROM supply WHERE {HERE} AND pos = $2", destination, pos)


async def state_keys(connection: Connection, destination: str, regulation: Regulation) -> list[str]:
    """State of the person's own timers, and state whose key or value names them. Reads all state of the destination. The name of a group may
    be any word, so by it only state of a member is found: of one that it names, or whose timer it has."""
    timer = f"SELECT key FROM timer WHERE {HERE} AND user_key = ANY($2::text[])"
    keys = {row[0] for row in await connection.fetch(timer, destination, regulation.keys)}
    theirs, named = StateOf(ids_of(regulation.keys)), StateOf(ids_of(regulation.names))
    keys_of_members = await regulation_rows.members(connection, regulation.id) if regulation.names else []
    members = StateOf(ids_of(keys_of_members))
    of_members = {row[0] for row in await connection.fetch(timer, destination, keys_of_members)}
    async for key, value in connection.cursor(f"SELECT key, value FROM state WHERE {HERE}", destination):
        by_name = named.has(key, value) and (key in of_members or members.has(key, value))
        if by_name or theirs.has(key, value):
            keys.add(key)
    return sorted(keys)
