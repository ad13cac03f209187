"""Write one destination's Step inside its savepoint. Runs in the writing thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

import msgspec

from router.store import EVERY, PART, RETRY, LaneRow, ParkedRow, Step
from router.store.receipts import pack_ahead, pack_codes

OPEN_SLICE = 500
"""Waiting lanes that one commit makes due at the most."""

COUNTERS = (
    "delivered", "skipped", "filtered", "held", "retrying", "dead", "dry_run", "replayed", "parked_bytes", "letters",
    "letter_bytes",
)  # fmt: skip

Hash = Callable[[str, str], int]
"""(source, message id) -> keyed 64-bit hash."""


class Codes:
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
            code = self._codes[state, reason] = len(self._codes) + 1
            db.execute("INSERT INTO code VALUES (?, ?, ?)", (code, state, reason))
        return code


def write_step(db: sqlite3.Connection, step: Step, codes: Codes, hash_of: Hash) -> list[tuple[str, str]]:
    """All rows of a step. The order matters: a row is parked before it moves, a lane stands before needs are opened.

    Returns the needs that more lanes wait for than one commit may open, each with the last lane done.
    """
    destination = step.destination
    _write_outcomes(db, step, codes, hash_of)
    _write_parked(db, step, hash_of)
    for key, lane in step.lanes.items():
        _write_lane(db, destination, key, lane)
    _write_supplies(db, step)
    openings = [(need, _open_lanes(db, destination, need, after, step.at)) for need, after in step.opened.items()]
    if step.attempts:
        rows = [(PART, destination, *msgspec.structs.astuple(a)) for a in step.attempts]
        db.executemany("INSERT INTO attempt VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
    _write_state(db, step)
    if step.replay is not None:
        values = (
            PART,
            destination,
            msgspec.json.encode(step.replay),
            step.replay.state,
            step.replay.kind,
            step.replay.pos,
        )
        db.execute("INSERT OR REPLACE INTO replay VALUES (?, ?, ?, ?, ?, ?)", values)
    _write_cursor(db, step)
    return [(need, last) for need, last in openings if last is not None]


def _write_outcomes(db: sqlite3.Connection, step: Step, codes: Codes, hash_of: Hash) -> None:
    if step.settled:
        packed = {pos: codes.code(db, *outcome) for pos, outcome in step.settled.items()}
        first, last, blob = pack_codes(packed)
        values = (PART, step.destination, last, first, step.at, blob)
        db.execute("INSERT OR REPLACE INTO receipt VALUES (?, ?, ?, ?, ?, ?)", values)
    if step.late:
        rows = [
            (PART, step.destination, e.pos, hash_of(e.source, e.message_id), step.at, codes.code(db, e.state, e.reason))
            for e in step.late
        ]
        db.executemany("INSERT OR REPLACE INTO outcome VALUES (?, ?, ?, ?, ?, ?)", rows)
    if step.undead:
        gone = [(PART, step.destination, pos) for pos in step.undead]
        db.executemany("DELETE FROM dead WHERE part = ? AND destination = ? AND pos = ?", gone)
    if step.dead:
        dead = [
            (PART, step.destination, d.pos, d.at, d.user_key, d.reason, d.detail, d.received_at, d.source, d.type,
             d.message_id, hash_of(d.source, d.message_id), d.linked, d.body, d.items, d.made_by, d.attempts)
            for d in step.dead
        ]  # fmt: skip
        db.executemany(f"INSERT OR REPLACE INTO dead VALUES ({','.join('?' * 17)})", dead)


def _write_parked(db: sqlite3.Connection, step: Step, hash_of: Hash) -> None:
    if step.park:
        rows = [parked_values(step.destination, row, hash_of) for row in step.park.values()]
        db.executemany(f"INSERT OR REPLACE INTO parked VALUES ({','.join('?' * 22)})", rows)
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
        gone = [(PART, step.destination, pos) for pos in step.unpark]
        db.executemany("DELETE FROM parked WHERE part = ? AND destination = ? AND pos = ?", gone)
    for from_key, to_key, linked in step.moves:
        db.execute(
            "UPDATE parked SET user_key = ?, linked = ? WHERE part = ? AND destination = ? AND user_key = ? AND queue = 'held'",
            (to_key, linked, PART, step.destination, from_key),
        )
    for key, group in step.given:
        db.execute(
            "UPDATE parked SET given = ? WHERE part = ? AND destination = ? AND user_key = ? AND queue = 'held'",
            (group, PART, step.destination, key),
        )


def parked_values(destination: str, r: ParkedRow, hash_of: Hash) -> tuple[object, ...]:
    """A parked row in the order of its columns."""
    return (
        PART, destination, r.pos, r.user_key, r.queue, r.place, r.state, r.reason, r.parked_at, r.received_at, r.source,
        r.type, r.message_id, hash_of(r.source, r.message_id), r.linked, r.given, r.body, r.items, r.made_by, r.attempts,
        r.first_at, r.origin,
    )  # fmt: skip


def _write_lane(db: sqlite3.Connection, destination: str, key: str, lane: LaneRow | None) -> None:
    if lane is None:
        where = "part = ? AND destination = ? AND user_key = ?"
        db.execute(f"DELETE FROM lane WHERE {where}", (PART, destination, key))
        return
    values = (PART, destination, *msgspec.structs.astuple(lane))
    db.execute("INSERT OR REPLACE INTO lane VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)


def _open_lanes(db: sqlite3.Connection, destination: str, need: str, after: str, now_ms: int) -> str | None:
    """Make a slice of the lanes that wait for `need` due, and remember where to go on. Returns the last key if more wait."""
    # "<> ''" is what lets SQLite take the partial indexes; without it every lane is looked at.
    whiches = ["need <> ''"] if need == EVERY else ["need = ?3 AND need <> ''", "also = ?3 AND also <> ''"]
    found = " UNION ".join(
        f"SELECT user_key FROM lane WHERE part = ?1 AND destination = ?2 AND {which} AND user_key > ?4"
        for which in whiches
    )
    rows = db.execute(f"{found} ORDER BY user_key LIMIT ?5", (PART, destination, need, after, OPEN_SLICE))
    keys = [row[0] for row in rows]
    db.executemany(
        f"UPDATE lane SET need = '', also = '', due_at = CASE mode WHEN '{RETRY}' THEN due_at ELSE ? END"
        " WHERE part = ? AND destination = ? AND user_key = ?",
        [(now_ms, PART, destination, key) for key in keys],
    )
    if len(keys) < OPEN_SLICE:
        where = "part = ? AND destination = ? AND need = ?"
        db.execute(f"DELETE FROM opening WHERE {where}", (PART, destination, need))
        return None
    db.execute("INSERT OR REPLACE INTO opening VALUES (?, ?, ?, ?)", (PART, destination, need, keys[-1]))
    return str(keys[-1])


def _write_supplies(db: sqlite3.Connection, step: Step) -> None:
    for pos, row in step.supplies.items():
        if row is None:
            where = "part = ? AND destination = ? AND pos = ?"
            db.execute(f"DELETE FROM supply WHERE {where}", (PART, step.destination, pos))
        else:
            missing = msgspec.json.encode(row.missing).decode()
            values = (PART, step.destination, pos, row.user_key, row.group_id, missing)
            db.execute("INSERT OR REPLACE INTO supply VALUES (?, ?, ?, ?, ?, ?)", values)


def _write_state(db: sqlite3.Connection, step: Step) -> None:
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


def _write_cursor(db: sqlite3.Connection, step: Step) -> None:
    sets, values = ["pos = ?", "ahead = ?"], [step.pos, pack_ahead(step.pos, step.ahead)]
    for name in COUNTERS:
        if step.ledger.get(name):
            sets.append(f"{name} = {name} + ?")
            values.append(step.ledger[name])
    if step.status is not None:
        s = step.status
        sets += ["state = ?", "state_reason = ?", "state_since = ?", "state_until = ?", "state_detail = ?"]
        sets.append("stopped_ms = ?")
        values += [s.state, s.reason, s.since, s.until, s.detail, s.stopped_ms]
    done = db.execute(
        f"UPDATE cursor SET {', '.join(sets)} WHERE part = ? AND destination = ? AND pos <= ?",
        (*values, PART, step.destination, step.pos),
    )
    if done.rowcount != 1:
        raise sqlite3.IntegrityError(f"cursor of {step.destination} is missing or already beyond {step.pos}")
