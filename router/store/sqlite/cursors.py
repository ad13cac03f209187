"""The place of a destination in the log: taken at its start, taken up again after an absence, given up for good. Each function
is one transaction of its own in the writing thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from router.store.fence import Fence
from router.store.outcome_blocks import pack_ahead, unpack_ahead
from router.store.rows import EVERY, PART, CursorRow, Opening, Status, Unit
from router.vocabulary import UNSETTLED

LEFT = (
    "c.held + c.again_held, c.retrying + c.again_retrying, h.pos - c.start - c.delivered - c.skipped - c.filtered - c.held - c.retrying - c.dead"
    " + c.again_queued"
)
"""Held, retrying and queued, of the cursor `c` and the head `h`: all that would be dropped, second sendings too."""
KEPT_SPELLS = 100
"""Times of being disabled that are kept, the newest ones."""
HERE = "part = ? AND destination = ?"
TABLES = {
    "lane": "user_key", "parked": "pos", "dead": "pos", "supply": "pos", "opening": "need",
    "receipt": "to_pos, from_pos, at", "outcome": "pos", "attempt": "rowid", "state": "key", "timer": "key",
    "replay": "destination", "disabled": "began", "woken": "pos",
}  # fmt: skip
"""Every table that has rows of a destination beside its cursor, and what tells these apart."""
SWEEP = "sweep_kept"
"""Key in `meta`: how far kept events were looked through since a destination was dropped."""
DROPPED = "forgotten"
"""State of a cursor whose other rows are being dropped."""
SLICE = 500
"""Rows that are dropped in one transaction."""


def open_unit(db: sqlite3.Connection, unit: Unit, opening: Opening, has_rival: bool = False) -> tuple[CursorRow, Fence]:
    """The unit's cursor, created at the head of the log where there is none; and the fence of its new owner. `has_rival`: an
    earlier owner may still commit. Without one, and with a destination as it was, nothing is written."""
    destination, now_ms = unit.destination, opening.now_ms
    with _transaction(db):
        added = _add_cursor(db, unit, opening)
        if _is_dropped(db, destination):  # the process that dropped it ended half-way
            for table in TABLES:
                db.execute(f"DELETE FROM {table} WHERE {HERE}", (PART, destination))
            db.execute(f"DELETE FROM cursor WHERE {HERE}", (PART, destination))
            added = _add_cursor(db, unit, opening)
        _go_live(db, destination, opening.mode)
        beyond = _come_back(db, destination)
        abandoned = _skip_trimmed(db, destination)
        disabled = _note_enabled(db, destination, now_ms, opening.is_enabled)
        _ask_again(db, destination, opening.gate)
        if has_rival:
            db.execute(f"UPDATE cursor SET epoch = epoch + 1 WHERE {HERE} AND shard = ?", unit)
        _count_second_sendings(db, destination)
        start, pos, ahead, held, retrying, parked_bytes, letters, letter_bytes, epoch, step, *status = db.execute(
            "SELECT start, pos, ahead, held + again_held, retrying, parked_bytes, letters, letter_bytes, epoch, step, state, state_reason,"
            f" state_since, state_until, state_detail, stopped_ms FROM cursor WHERE {HERE} AND shard = ?",
            unit,
        ).fetchone()
    cursor = CursorRow(
        start, pos, unpack_ahead(pos, ahead), held, retrying, Status(*status), added == 1, parked_bytes, letters,
        letter_bytes, disabled, abandoned, beyond,
    )  # fmt: skip
    return cursor, Fence(unit, epoch, step)


def _note_enabled(
    db: sqlite3.Connection, destination: str, now_ms: int, is_enabled: bool
) -> tuple[tuple[int, int], ...]:
    """Begin or end a time in which the destination is disabled. What is tried again has that much longer."""
    began = db.execute(f"SELECT began FROM disabled WHERE {HERE} AND ended = 0", (PART, destination)).fetchone()
    if is_enabled and began is not None:
        db.execute(f"UPDATE disabled SET ended = ? WHERE {HERE} AND ended = 0", (now_ms, PART, destination))
        db.execute(
            f"UPDATE cursor SET stopped_ms = stopped_ms + ? WHERE {HERE}", (now_ms - began[0], PART, destination)
        )
        db.execute(
            f"DELETE FROM disabled WHERE {HERE} AND began NOT IN"
            f" (SELECT began FROM disabled WHERE {HERE} ORDER BY began DESC LIMIT ?)",
            (PART, destination, PART, destination, KEPT_SPELLS),
        )
    elif not is_enabled and began is None:
        db.execute("INSERT OR REPLACE INTO disabled VALUES (?, ?, ?, 0)", (PART, destination, now_ms))
    found = db.execute(
        f"SELECT began, ended FROM disabled WHERE {HERE} AND ended > 0 ORDER BY began", (PART, destination)
    )
    return tuple(found.fetchall())


def _add_cursor(db: sqlite3.Connection, unit: Unit, opening: Opening) -> int:
    """Begin at the head of the log. Returns 0 where there is a cursor already."""
    return db.execute(
        "INSERT OR IGNORE INTO cursor (part, destination, shard, start, pos, ahead, state_since, mode, gate)"
        " SELECT part, ?, ?, pos, pos, x'', ?, ?, ? FROM head WHERE part = ?",
        (unit.destination, unit.shard, opening.now_ms, opening.mode, opening.gate, unit.part),
    ).rowcount


def _go_live(db: sqlite3.Connection, destination: str, mode: str) -> None:
    """What a dry run remembered was never told to the vendor: state and timers begin anew."""
    before = db.execute(f"SELECT mode FROM cursor WHERE {HERE}", (PART, destination)).fetchone()[0]
    if before == mode:
        return
    if mode == "live":
        for table in ("state", "timer"):
            db.execute(f"DELETE FROM {table} WHERE {HERE}", (PART, destination))
    db.execute(f"UPDATE cursor SET mode = ? WHERE {HERE}", (mode, PART, destination))


def _come_back(db: sqlite3.Connection, destination: str) -> int:
    """A cursor beyond the head would pass events that are still to come. Returns how far beyond it stood."""
    head = db.execute("SELECT pos FROM head WHERE part = ?", (PART,)).fetchone()[0]
    pos, bitmap = db.execute(f"SELECT pos, ahead FROM cursor WHERE {HERE}", (PART, destination)).fetchone()
    ahead = unpack_ahead(pos, bitmap)
    beyond = max([pos, *ahead]) - head
    if beyond <= 0:
        return 0
    left = pack_ahead(min(pos, head), (position for position in ahead if position <= head))
    values = (min(pos, head), left, PART, destination)
    db.execute(f"UPDATE cursor SET pos = ?, ahead = ? WHERE {HERE}", values)
    return int(beyond)


def _skip_trimmed(db: sqlite3.Connection, destination: str) -> int:
    """A destination that was removed for longer than the retention goes on where the log begins now. The events it missed are
    dead, without a letter: there is nothing left of them. Returns how many."""
    first = db.execute("SELECT coalesce((SELECT min(pos) FROM log), (SELECT pos + 1 FROM head))").fetchone()[0]
    pos, bitmap = db.execute(f"SELECT pos, ahead FROM cursor WHERE {HERE}", (PART, destination)).fetchone()
    if first <= pos + 1:
        return 0
    ahead = unpack_ahead(pos, bitmap)
    missed = first - 1 - pos - sum(1 for position in ahead if position < first)
    left = {position for position in ahead if position >= first}
    db.execute(
        f"UPDATE cursor SET pos = ?, ahead = ?, dead = dead + ? WHERE {HERE}",
        (first - 1, pack_ahead(first - 1, left), missed, PART, destination),
    )
    return int(missed)


def _ask_again(db: sqlite3.Connection, destination: str, gate: str) -> None:
    """Take down what the gate asks; where it asked something else before, all that waits for it is to be asked again."""
    values = (gate, PART, destination)
    changed = db.execute("UPDATE cursor SET gate = ?1 WHERE part = ?2 AND destination = ?3 AND gate <> ?1", values)
    if changed.rowcount and db.execute(f"SELECT 1 FROM lane WHERE {HERE} LIMIT 1", values[1:]).fetchone():
        db.execute("INSERT OR REPLACE INTO opening VALUES (?, ?, ?, '')", (PART, destination, EVERY))


def _count_second_sendings(db: sqlite3.Connection, destination: str) -> None:
    """Take down how many of them wait, where it is not what is counted: who erased their rows, or wrote them before they were counted, says
    nothing of it."""
    rows = db.execute(
        f"SELECT state, count(*) FROM parked WHERE {HERE} AND origin <> 0 GROUP BY state", (PART, destination)
    )
    found = dict(rows.fetchall())
    names = [f"again_{state}" for state in UNSETTLED]
    values = tuple(found.get(state, 0) for state in UNSETTLED)
    here = (PART, destination)
    if db.execute(f"SELECT {', '.join(names)} FROM cursor WHERE {HERE}", here).fetchone() != values:
        sets = ", ".join(f"{name} = ?" for name in names)
        db.execute(f"UPDATE cursor SET {sets} WHERE {HERE}", (*values, *here))


def begin_to_drop(db: sqlite3.Connection, destination: str) -> dict[str, int]:
    """From here on the destination's rows count for nothing. Returns what it had: held, retrying, queued, kept dead letters."""
    with _transaction(db):
        row = db.execute(
            f"SELECT {LEFT}, letters FROM cursor c JOIN head h USING (part) WHERE c.part = ? AND c.destination = ?",
            (PART, destination),
        ).fetchone()
        db.execute(f"UPDATE cursor SET state = '{DROPPED}', epoch = epoch + 1 WHERE {HERE}", (PART, destination))
        db.execute("INSERT OR REPLACE INTO meta VALUES (?, 0)", (SWEEP,))
    return dict(zip(("held", "retrying", "queued", "dead"), row or (0, 0, 0, 0), strict=True))


def drop_slice(db: sqlite3.Connection, destination: str) -> bool:
    """Drop some of its rows, its cursor at last. False: nothing is left."""
    with _transaction(db):
        left = SLICE
        for table, key in TABLES.items():
            left -= db.execute(
                f"DELETE FROM {table} WHERE {HERE} AND ({key}) IN (SELECT {key} FROM {table} WHERE {HERE} LIMIT ?)",
                (PART, destination, PART, destination, left),
            ).rowcount
            if left <= 0:
                return True
        db.execute("DELETE FROM counted WHERE part = ? AND kind = 'destination' AND name = ?", (PART, destination))
        db.execute(f"DELETE FROM cursor WHERE {HERE}", (PART, destination))
    return False


def _is_dropped(db: sqlite3.Connection, destination: str) -> bool:
    state = db.execute(f"SELECT state FROM cursor WHERE {HERE}", (PART, destination)).fetchone()[0]
    return bool(state == DROPPED)


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # else SQLite has taken it back already, as it does with some faults of the disk
            db.execute("ROLLBACK")
        raise
