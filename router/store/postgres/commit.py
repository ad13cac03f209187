"""Write one destination's CommitBatch in one transaction. Its first statement is the fence, whose lock on the row is what a take-over and
a commit meet at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

import msgspec

from router.errors import ClaimLost, CommitFailed
from router.store.commit_batch import CommitBatch
from router.store.fence import Fence
from router.store.outcome_blocks import pack_all_tried, pack_tried, spans
from router.store.postgres import commands, kept_events
from router.store.postgres.database import Connection
from router.store.postgres.outcome_codes import Outcome
from router.store.postgres.receipt_codes import pack_codes
from router.store.postgres.rows_written import Table, words
from router.store.postgres.scope import Scope
from router.store.rows import EVERY, DeadRow, ParkedRow, Tried
from router.store.shards import slot_of
from router.vocabulary import LaneMode, Queue

OPEN_SLICE = 500
"""Waiting lanes that one commit makes due at the most."""
COUNTERS = (
    "delivered", "skipped", "filtered", "held", "retrying", "dead", "dry_run", "replayed", "parked_bytes", "letters",
    "letter_bytes", "start", "again_skipped", "again_filtered", "again_held", "again_retrying", "again_queued", "again_dead",
)  # fmt: skip

TEXT, LONG, INT, BYTES, SLOT = "text", "bigint", "int", "bytea", "smallint"
PARKED = Table("parked", ("pos",), {
    "pos": LONG, "user_key": TEXT, "slot": SLOT, "queue": TEXT, "place": LONG, "state": TEXT, "reason": TEXT,
    "parked_at": LONG, "linked": TEXT, "given": TEXT, "items": BYTES, "made_by": TEXT, "attempts": INT, "first_at": LONG,
    "origin": LONG,
})  # fmt: skip
LANES = Table("lane", ("user_key",), {
    "user_key": TEXT, "slot": SLOT, "mode": TEXT, "need": TEXT, "reason": TEXT, "group_id": TEXT, "due_at": LONG,
    "attempts": INT, "held": INT, "main": INT, "held_since": LONG, "first_held": LONG, "also": TEXT, "refused_pos": LONG,
})  # fmt: skip
DEAD = Table("dead", ("pos",), {
    "pos": LONG, "at": LONG, "user_key": TEXT, "slot": SLOT, "reason": TEXT, "detail": TEXT, "linked": TEXT, "items": BYTES,
    "made_by": TEXT, "attempts": INT, "size": LONG, "again": SLOT,
})  # fmt: skip
WOKEN = Table("woken", ("pos",), {
    "pos": LONG, "received_at": LONG, "source": TEXT, "type": TEXT, "message_id": TEXT, "body": BYTES,
})  # fmt: skip
SUPPLIES = Table("supply", ("pos",), {"pos": LONG, "user_key": TEXT, "slot": SLOT, "group_id": TEXT, "missing": TEXT})
OUTCOMES = Table("outcome", ("pos",), {"pos": LONG, "at": LONG, "code": INT, "tried": LONG})
STATE = Table("state", ("key",), {"key": TEXT, "value": BYTES})
TIMERS = Table("timer", ("key",), {"key": TEXT, "due_at": LONG, "user_key": TEXT, "slot": SLOT})

Codes = Mapping[Outcome, int]


def outcomes_of(step: CommitBatch) -> set[Outcome]:
    """What needs a number before the commit."""
    return {*step.settled.values(), *((late.state, late.reason) for late in step.late)}


async def apply_commit(
    connection: Connection, step: CommitBatch, fence: Fence, owner: UUID, codes: Codes
) -> list[tuple[str, str]]:
    """All rows of a step, inside a transaction. Returns the needs that more lanes wait for than one commit may open, each with the last
    lane done. Raises ClaimLost, CommitFailed."""
    await _move_unit(connection, step, fence, owner)
    await _write_outcomes(connection, step, fence, codes)
    await _write_dead(connection, step)
    await _write_parked(connection, step)
    await kept_events.keep(connection, step)
    await _let_go(connection, step)
    if step.retries_due:
        sql = f"UPDATE lane SET due_at = $2 WHERE {_scope(fence).here} AND mode = 'retry' AND due_at > $2"
        await connection.execute(sql, step.destination, step.at)
    await _write_lanes(connection, step)
    openings = [(need, await _open_lanes(connection, step, fence, need, after)) for need, after in step.opened.items()]
    await _write_attempts(connection, step)
    await _write_state(connection, step)
    if step.replay is not None:
        job = step.replay
        await connection.execute(
            "INSERT INTO replay VALUES (0, $1, $2, $3, $4, $5, $6) ON CONFLICT (part, destination, shard) DO UPDATE SET"
            " job = excluded.job, state = excluded.state, kind = excluded.kind, pos = excluded.pos",
            *fence.unit[1:], msgspec.json.encode(job), job.state, job.kind, min(job.pos, job.groups_pos),
        )  # fmt: skip
    if step.answers:
        await commands.write_answers(connection, step.answers, fence.epoch)
    return [(need, last) for need, last in openings if last is not None]


def _scope(fence: Fence) -> Scope:
    return Scope(fence.unit.destination, fence.share)


async def _move_unit(connection: Connection, step: CommitBatch, fence: Fence, owner: UUID) -> None:
    """Compare and set. `owner` is in it for a database that went back in time: one epoch may be given out twice then."""
    sets = ["step = step + 1", "pos = $1", "ahead = $2", "clock = greatest(clock, $3)"]
    values: list[object] = [step.pos, step.ahead, step.at]

    def add(name: str, form: str, value: object) -> None:
        values.append(value)
        sets.append(f"{name} = {form.format(f'${len(values)}')}")

    for name in COUNTERS:
        if step.ledger.get(name):
            add(name, name + " + {}::bigint", step.ledger[name])
    if step.status is not None:
        s = step.status
        told = (s.state, words(s.reason), s.since, s.until, words(s.detail))
        for name, value in zip(
            ("state", "state_reason", "state_since", "state_until", "state_detail"), told, strict=True
        ):
            add(name, "{}", value)
        add("stopped_ms", "{}", s.stopped_ms)
    where = " AND ".join(
        f"{name} = ${n}"
        for n, name in enumerate(("part", "destination", "shard", "owner", "epoch", "step"), len(values) + 1)
    )
    owned = (*fence.unit, owner, fence.epoch, fence.step)
    moved = await connection.fetchval(
        f"UPDATE unit SET {', '.join(sets)} WHERE {where} AND pos <= $1 RETURNING true", *values, *owned
    )
    if moved:
        return
    mine = "part = $1 AND destination = $2 AND shard = $3 AND owner = $4 AND epoch = $5 AND step = $6"
    if await connection.fetchval(f"SELECT true FROM unit WHERE {mine}", *owned):
        raise CommitFailed(f"cursor of {step.destination} is already beyond {step.pos}")
    raise ClaimLost


async def _write_outcomes(connection: Connection, step: CommitBatch, fence: Fence, codes: Codes) -> None:
    if step.settled:
        for settled in spans({pos: codes[outcome] for pos, outcome in step.settled.items()}):
            first, last, packed = pack_codes(settled, may_be_sparse=fence.share.shards > 1)
            tried = pack_all_tried(first, _of_these(settled, step), step.at)
            await connection.execute(
                "INSERT INTO receipt VALUES (0, $1, $2, $3, $4, $5, $6, $7) ON CONFLICT (part, destination, shard, to_pos, from_pos, at)"
                " DO UPDATE SET codes = excluded.codes, tried = excluded.tried",
                *fence.unit[1:], last, first, step.at, packed, tried,
            )  # fmt: skip
    rows = [(e.pos, step.at, codes[e.state, e.reason], pack_tried(e.tried, step.at)) for e in step.late]
    await OUTCOMES.put(connection, step.destination, rows)


def _of_these(settled: Mapping[int, int], step: CommitBatch) -> Sequence[tuple[Tried, Sequence[int]]]:
    """The attempts that delivered, with those of their events that are among these."""
    if len(settled) == len(step.settled):
        return step.tried
    parts = [(tried, [pos for pos in positions if pos in settled]) for tried, positions in step.tried]
    return [(tried, positions) for tried, positions in parts if positions]


async def _write_dead(connection: Connection, step: CommitBatch) -> None:
    await DEAD.drop(connection, step.destination, list(step.undead))
    rows = [
        (
            d.pos,
            d.at,
            d.user_key,
            slot_of(d.user_key),
            d.reason,
            words(d.detail),
            d.linked,
            d.items,
            d.made_by,
            d.attempts,
            d.size,
            int(d.again),
        )
        for d in step.dead
    ]
    await DEAD.put(connection, step.destination, rows)


async def _write_parked(connection: Connection, step: CommitBatch) -> None:
    destination = step.destination
    await PARKED.put(connection, destination, [parked_values(row) for row in step.park.values()])
    rows: list[ParkedRow | DeadRow] = [*step.park.values(), *step.dead]
    woken: list[tuple[object, ...]] = [
        (row.pos, row.received_at, row.source, row.type, row.message_id, row.body)
        for row in rows
        if row.pos < 0 and not (isinstance(row, ParkedRow) and row.origin)
    ]
    await WOKEN.put(connection, destination, woken)
    if step.repark:
        columns = zip(*(_changed(row) for row in step.repark.values()), strict=True)
        await connection.execute(
            "UPDATE parked p SET user_key = n.user_key, slot = n.slot, queue = n.queue, state = n.state, reason = n.reason,"
            " linked = n.linked, given = n.given, items = n.items, made_by = n.made_by, attempts = n.attempts, first_at = n.first_at"
            " FROM unnest($2::bigint[], $3::text[], $4::smallint[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],"
            " $10::bytea[], $11::text[], $12::int[], $13::bigint[]) AS n (pos, user_key, slot, queue, state, reason, linked, given, items,"
            " made_by, attempts, first_at) WHERE p.part = 0 AND p.destination = $1 AND p.pos = n.pos",
            destination, *(list(column) for column in columns),
        )  # fmt: skip
    await PARKED.drop(connection, destination, step.unpark)
    held = f"part = 0 AND destination = $1 AND user_key = $2 AND queue = '{Queue.HELD}'"
    for from_key, to_key, linked in step.moves:
        sql = f"UPDATE parked SET user_key = $3, slot = $4, linked = $5 WHERE {held}"
        await connection.execute(sql, destination, from_key, to_key, slot_of(to_key), linked)
    for key, group in step.given:
        await connection.execute(f"UPDATE parked SET given = $3 WHERE {held}", destination, key, group)


def _changed(r: ParkedRow) -> tuple[object, ...]:
    return (
        r.pos, r.user_key, slot_of(r.user_key), r.queue, r.state, r.reason, r.linked, r.given, r.items, r.made_by, r.attempts,
        r.first_at,
    )  # fmt: skip


def parked_values(r: ParkedRow) -> tuple[object, ...]:
    """A parked row in the order of its columns."""
    return (
        r.pos, r.user_key, slot_of(r.user_key), r.queue, r.place, r.state, r.reason, r.parked_at, r.linked, r.given, r.items,
        r.made_by, r.attempts, r.first_at, r.origin,
    )  # fmt: skip


async def _let_go(connection: Connection, step: CommitBatch) -> None:
    """What timers returned goes with the last row that refers to it."""
    gone = [pos for pos in (*step.unpark, *step.undead) if pos < 0]
    if gone:
        await connection.execute(
            "DELETE FROM woken w WHERE w.part = 0 AND w.destination = $1 AND w.pos = ANY($2::bigint[]) AND NOT EXISTS"
            " (SELECT 1 FROM parked p WHERE p.part = 0 AND p.destination = $1 AND p.pos = w.pos) AND NOT EXISTS"
            " (SELECT 1 FROM dead d WHERE d.part = 0 AND d.destination = $1 AND d.pos = w.pos)",
            step.destination,
            gone,
        )


async def _write_lanes(connection: Connection, step: CommitBatch) -> None:
    await LANES.drop(connection, step.destination, [key for key, lane in step.lanes.items() if lane is None])
    rows = []
    for lane in step.lanes.values():
        if lane is not None:
            key, *rest = msgspec.structs.astuple(lane)
            rows.append((key, slot_of(key), *rest))
    await LANES.put(connection, step.destination, rows)
    await SUPPLIES.drop(connection, step.destination, [pos for pos, row in step.supplies.items() if row is None])
    supplies = [
        (row.pos, row.user_key, slot_of(row.user_key), row.group_id, msgspec.json.encode(row.missing).decode())
        for row in step.supplies.values()
        if row is not None
    ]
    await SUPPLIES.put(connection, step.destination, supplies)


async def _open_lanes(connection: Connection, step: CommitBatch, fence: Fence, need: str, after: str) -> str | None:
    """Make a slice of the lanes that wait for `need` due, and remember where to go on. Returns the last key if more wait."""
    # "<> ''" is what lets the planner take the partial indexes.
    one = ("user_key = $2 AND need = $2", "need = $2 AND need <> '' AND need <> user_key", "also = $2 AND also <> ''")
    whiches = ("need <> '' AND $2::text <> ''",) if need == EVERY else one
    found = " UNION ".join(
        f"SELECT user_key FROM lane WHERE {_scope(fence).here} AND {which} AND user_key > $3" for which in whiches
    )
    rows = await connection.fetch(
        f"WITH found AS ({found} ORDER BY user_key LIMIT $4) UPDATE lane l SET need = '', also = '', due_at = CASE l.mode"
        f" WHEN '{LaneMode.RETRY}' THEN l.due_at ELSE $5::bigint END FROM found WHERE l.part = 0 AND l.destination = $1"
        " AND l.user_key = found.user_key RETURNING l.user_key",
        step.destination, need, after, OPEN_SLICE, step.at,
    )  # fmt: skip
    if len(rows) < OPEN_SLICE:
        where = "part = 0 AND destination = $1 AND shard = $2 AND need = $3"
        await connection.execute(f"DELETE FROM opening WHERE {where}", *fence.unit[1:], need)
        return None
    last = max((str(row[0]) for row in rows), key=str.encode)
    await connection.execute(
        "INSERT INTO opening VALUES (0, $1, $2, $3, $4) ON CONFLICT (part, destination, shard, need) DO UPDATE SET last_key = excluded.last_key",
        *fence.unit[1:], need, last,
    )  # fmt: skip
    return last


async def _write_attempts(connection: Connection, step: CommitBatch) -> None:
    if step.attempts:
        rows = [
            (a.pos, a.at, a.duration_ms, a.status, words(a.error), words(a.reason), words(a.request))
            for a in step.attempts
        ]
        await connection.execute(
            "INSERT INTO attempt (part, destination, pos, at, duration_ms, status, error, reason, request) SELECT 0, $1, * FROM"
            " unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::int[], $6::text[], $7::text[], $8::text[])",
            step.destination, *(list(column) for column in zip(*rows, strict=True)),
        )  # fmt: skip


async def _write_state(connection: Connection, step: CommitBatch) -> None:
    destination = step.destination
    await STATE.drop(connection, destination, [key for key, value in step.state.items() if value is None])
    await STATE.put(connection, destination, [(key, value) for key, value in step.state.items() if value is not None])
    await TIMERS.drop(connection, destination, [key for key, timer in step.timers.items() if timer is None])
    timers = [(key, timer[0], timer[1], slot_of(timer[1])) for key, timer in step.timers.items() if timer is not None]
    await TIMERS.put(connection, destination, timers)
