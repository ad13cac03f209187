"""Write one destination's CommitBatch inside its savepoint. Runs in the writing thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence

import msgspec

from router.errors import ClaimLost
from router.store.commit_batch import CommitBatch
from router.store.fence import Fence
from router.store.outcome_blocks import pack_all_tried, pack_codes, pack_tried, spans
from router.store.rows import EVERY, PART, ParkedRow, Tried
from router.store.sqlite import kept_events
from router.store.sqlite.bulk_insert import insert_many
from router.store.sqlite.event_columns import key_list
from router.vocabulary import LaneMode, Queue

OPEN_SLICE = 500
"""Waiting lanes that one commit makes due at the most."""

ATTEMPT_BYTES = 100
"""What an attempt takes beside its error and its request."""

COUNTERS = (
    "delivered", "skipped", "filtered", "held", "retrying", "dead", "dry_run", "replayed", "parked_bytes", "letters",
    "letter_bytes", "start", "again_skipped", "again_filtered", "again_held", "again_retrying", "again_queued", "again_dead",
)  # fmt: skip

Hash = Callable[[str, str], int]
"""(source, message id) -> keyed 64-bit hash."""


class OutcomeCodes:
    """Outcome (state, reason) <-> small number, kept in a table. Past 65,000 distinct reasons, "other" stands for the rest."""

    def __init__(self) -> None:
        self._codes: dict[tuple[str, str], int] = {}

    def reload(self, db: sqlite3.Connection) -> None:
        """Read the table: at the start, and after a rollback that may have taken codes back."""
        rows = db.execute("SELECT state, reason, code FROM code")
        self._codes = {(state, reason): code for state, reason, code in rows}

    def code(self, db: sqlite3.Connection, state: str, reason: str) -> int:
        """The outcome's code, given out inside this transaction where it is new."""
        code = self._codes.get((state, reason))
        if code is None:
            if len(self._codes) >= 65_000 and reason != "other":
                return self.code(db, state, "other")
            # of a store that came from a database some numbers may be missing
            code = self._codes[state, reason] = max(self._codes.values(), default=0) + 1
            db.execute("INSERT INTO code VALUES (?, ?, ?)", (code, state, reason))
        return code


def apply_commit(
    db: sqlite3.Connection, step: CommitBatch, fence: Fence, codes: OutcomeCodes, hash_of: Hash
) -> list[tuple[str, str]]:
    """All rows of a step. The order matters: nothing is written before the fence is passed, a row is parked before it moves, a lane
    stands before needs are opened.

    Returns the needs that more lanes wait for than one commit may open, each with the last lane done. Raises ClaimLost.
    """
    destination = step.destination
    _move_cursor(db, step, fence)
    let_go = kept_events.of_rows_that_go(db, step)
    kept_events.keep(db, step, hash_of)
    _write_outcomes(db, step, codes)
    _write_parked(db, step)
    kept_events.let_go(db, destination, let_go)
    if step.retries_due:
        here = "part = ? AND destination = ? AND mode = 'retry' AND due_at > ?"
        db.execute(f"UPDATE lane SET due_at = ? WHERE {here}", (step.at, PART, step.destination, step.at))
    _write_lanes(db, step)
    _write_supplies(db, step)
    openings = [(need, _open_lanes(db, destination, need, after, step.at)) for need, after in step.opened.items()]
    _write_attempts(db, step)
    _write_state(db, step)
    if step.replay is not None:
        job = step.replay
        values = (PART, destination, msgspec.json.encode(job), job.state, job.kind, min(job.pos, job.groups_pos))
        db.execute("INSERT OR REPLACE INTO replay VALUES (?, ?, ?, ?, ?, ?)", values)
    return [(need, last) for need, last in openings if last is not None]


def _write_outcomes(db: sqlite3.Connection, step: CommitBatch, codes: OutcomeCodes) -> None:
    if step.settled:
        code_of = {outcome: codes.code(db, *outcome) for outcome in dict.fromkeys(step.settled.values())}
        for settled in spans({pos: code_of[outcome] for pos, outcome in step.settled.items()}):
            first, last, blob = pack_codes(settled)
            tried = pack_all_tried(first, _of_these(settled, step), step.at)
            values = (PART, step.destination, last, first, step.at, blob, tried)
            db.execute("INSERT OR REPLACE INTO receipt VALUES (?, ?, ?, ?, ?, ?, ?)", values)
    if step.late:
        rows = [
            (PART, step.destination, e.pos, step.at, codes.code(db, e.state, e.reason), pack_tried(e.tried, step.at))
            for e in step.late
        ]
        insert_many(db, "INSERT OR REPLACE INTO outcome", rows)
    if step.undead:
        gone = [(PART, step.destination, pos) for pos in step.undead]
        db.executemany("DELETE FROM dead WHERE part = ? AND destination = ? AND pos = ?", gone)
    if step.dead:
        dead = [
            (PART, step.destination, d.pos, d.at, d.user_key, d.reason, d.detail, d.linked, d.items, d.made_by, d.attempts,
             d.size, d.again)
            for d in step.dead
        ]  # fmt: skip
        db.executemany(f"INSERT OR REPLACE INTO dead VALUES ({','.join('?' * 13)})", dead)


def _of_these(settled: Mapping[int, int], step: CommitBatch) -> Sequence[tuple[Tried, Sequence[int]]]:
    """The attempts that delivered, with those of their events that are among these."""
    if len(settled) == len(step.settled):
        return step.tried
    parts = [(tried, [pos for pos in positions if pos in settled]) for tried, positions in step.tried]
    return [(tried, positions) for tried, positions in parts if positions]


def _write_attempts(db: sqlite3.Connection, step: CommitBatch) -> None:
    if not step.attempts:
        return
    newest = db.execute("SELECT upto FROM attempt ORDER BY rowid DESC LIMIT 1").fetchone()
    upto, rows = newest[0] if newest else 0, []
    for attempt in step.attempts:
        upto += ATTEMPT_BYTES + len(attempt.error) + len(attempt.request)
        rows.append((PART, step.destination, *msgspec.structs.astuple(attempt), upto))
    db.executemany("INSERT INTO attempt VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)


def _write_parked(db: sqlite3.Connection, step: CommitBatch) -> None:
    if step.park:
        insert_many(
            db, "INSERT OR REPLACE INTO parked", [parked_values(step.destination, r) for r in step.park.values()]
        )
    if step.repark:
        changes = [
            (r.user_key, r.queue, r.state, r.reason, r.linked, r.given, r.items, r.made_by, r.attempts, r.first_at,
             PART, step.destination, r.pos)
            for r in step.repark.values()
        ]  # fmt: skip
        db.executemany(
            "UPDATE parked SET user_key = ?, queue = ?, state = ?, reason = ?, linked = ?, given = ?, items = ?,"
            " made_by = ?, attempts = ?, first_at = ? WHERE part = ? AND destination = ? AND pos = ?",
            changes,
        )
    if step.unpark:
        db.execute(
            "DELETE FROM parked WHERE part = ? AND destination = ? AND pos IN (SELECT value FROM json_each(?))",
            (PART, step.destination, key_list(step.unpark)),
        )
    for from_key, to_key, linked in step.moves:
        db.execute(
            f"UPDATE parked SET user_key = ?, linked = ? WHERE part = ? AND destination = ? AND user_key = ? AND queue = '{Queue.HELD}'",
            (to_key, linked, PART, step.destination, from_key),
        )
    for key, group in step.given:
        db.execute(
            f"UPDATE parked SET given = ? WHERE part = ? AND destination = ? AND user_key = ? AND queue = '{Queue.HELD}'",
            (group, PART, step.destination, key),
        )


def parked_values(destination: str, r: ParkedRow) -> tuple[object, ...]:
    """A parked row in the order of its columns."""
    return (
        PART, destination, r.pos, r.user_key, r.queue, r.place, r.state, r.reason, r.parked_at, r.linked, r.given, r.items,
        r.made_by, r.attempts, r.first_at, r.origin,
    )  # fmt: skip


def _write_lanes(db: sqlite3.Connection, step: CommitBatch) -> None:
    gone = [key for key, lane in step.lanes.items() if lane is None]
    if gone:
        db.execute(
            "DELETE FROM lane WHERE part = ? AND destination = ? AND user_key IN (SELECT value FROM json_each(?))",
            (PART, step.destination, key_list(gone)),
        )
    rows = [
        (PART, step.destination, *msgspec.structs.astuple(lane)) for lane in step.lanes.values() if lane is not None
    ]
    insert_many(db, "INSERT OR REPLACE INTO lane", rows)


def _open_lanes(db: sqlite3.Connection, destination: str, need: str, after: str, now_ms: int) -> str | None:
    """Make a slice of the lanes that wait for `need` due, and remember where to go on. Returns the last key if more wait."""
    # "<> ''" is what lets SQLite take the partial indexes; without it every lane is looked at.
    one = ["user_key = ?3 AND need = ?3", "need = ?3 AND need <> '' AND need <> user_key", "also = ?3 AND also <> ''"]
    whiches = ["need <> ''"] if need == EVERY else one
    found = " UNION ".join(
        f"SELECT user_key FROM lane WHERE part = ?1 AND destination = ?2 AND {which} AND user_key > ?4"
        for which in whiches
    )
    rows = db.execute(f"{found} ORDER BY user_key LIMIT ?5", (PART, destination, need, after, OPEN_SLICE))
    keys = [row[0] for row in rows]
    db.executemany(
        f"UPDATE lane SET need = '', also = '', due_at = CASE mode WHEN '{LaneMode.RETRY}' THEN due_at ELSE ? END"
        " WHERE part = ? AND destination = ? AND user_key = ?",
        [(now_ms, PART, destination, key) for key in keys],
    )
    if len(keys) < OPEN_SLICE:
        where = "part = ? AND destination = ? AND need = ?"
        db.execute(f"DELETE FROM opening WHERE {where}", (PART, destination, need))
        return None
    db.execute("INSERT OR REPLACE INTO opening VALUES (?, ?, ?, ?)", (PART, destination, need, keys[-1]))
    return str(keys[-1])


def _write_supplies(db: sqlite3.Connection, step: CommitBatch) -> None:
    gone = [(PART, step.destination, pos) for pos, row in step.supplies.items() if row is None]
    if gone:
        db.executemany("DELETE FROM supply WHERE part = ? AND destination = ? AND pos = ?", gone)
    rows = [
        (PART, step.destination, row.pos, row.user_key, row.group_id, msgspec.json.encode(row.missing).decode())
        for row in step.supplies.values()
        if row is not None
    ]
    if rows:
        db.executemany("INSERT OR REPLACE INTO supply VALUES (?, ?, ?, ?, ?, ?)", rows)


def _write_state(db: sqlite3.Connection, step: CommitBatch) -> None:
    for key, value in step.state.items():
        if value is None:
            where = "part = ? AND destination = ? AND key = ?"
            db.execute(f"DELETE FROM state WHERE {where}", (PART, step.destination, key))
        else:
            db.execute("INSERT OR REPLACE INTO state VALUES (?, ?, ?, ?)", (PART, step.destination, key, value))
    for key, timer in step.timers.items():
        if timer is None:
            where = "part = ? AND destination = ? AND key = ?"
            db.execute(f"DELETE FROM timer WHERE {where}", (PART, step.destination, key))
        else:
            db.execute("INSERT OR REPLACE INTO timer VALUES (?, ?, ?, ?, ?)", (PART, step.destination, key, *timer))


def _move_cursor(db: sqlite3.Connection, step: CommitBatch, fence: Fence) -> None:
    """Compare and set: a position alone is no fence, since what has a row is settled without moving it."""
    sets, values = ["step = step + 1", "pos = ?", "ahead = ?"], [step.pos, step.ahead]
    for name in COUNTERS:
        if step.ledger.get(name):
            sets.append(f"{name} = {name} + ?")
            values.append(step.ledger[name])
    if step.status is not None:
        s = step.status
        sets += ["state = ?", "state_reason = ?", "state_since = ?", "state_until = ?", "state_detail = ?"]
        sets.append("stopped_ms = ?")
        values += [s.state, s.reason, s.since, s.until, s.detail, s.stopped_ms]
    here = "part = ? AND destination = ? AND shard = ? AND epoch = ? AND step = ?"
    owned = (*fence.unit, fence.epoch, fence.step)
    if db.execute(
        f"UPDATE cursor SET {', '.join(sets)} WHERE {here} AND pos <= ?", (*values, *owned, step.pos)
    ).rowcount:
        return
    if db.execute(f"SELECT 1 FROM cursor WHERE {here}", owned).fetchone() is None:
        raise ClaimLost
    raise sqlite3.IntegrityError(f"cursor of {step.destination} is already beyond {step.pos}")
