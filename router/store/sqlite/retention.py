"""Trims what is older than the retention: settled events, their receipts, late outcomes, attempts, indexed message ids, and
memberships that no event left asks for.

A slice goes with a commit a few times a second, twice what was stored since the last one, so that the file stops growing and no commit is
long. Nothing that a configured destination has still to read is ever dropped.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from router.store.rows import PART
from router.store.sqlite import id_runs, kept_events
from router.store.sqlite.cursors import SWEEP

LEAST_ROWS, MOST_ROWS = 200, 8_000
MOST_BYTES = 1_000_000
"""Bodies that one slice copies since rows still refer to them, if no more than that was stored."""
TOLD_LONGER_MS = 3_600_000
"""What became of an event is told for this much longer than the event is retained, or not at all then: a retry of a few seconds
is not worth a copy."""
SWEEP_FACTOR = 3
"""Index entries looked at for each event trimmed: one round over the index in a third of the time it takes to fill."""
KEPT_ATTEMPTS, KEPT_ATTEMPT_BYTES = 200_000, 100_000_000
"""Attempts beyond this go before their time: a dry run writes one for each event, with what would be sent."""
LOOKED_AT = 20
"""Rows of a side table that one slice looks at, whether anything still refers to them."""


class Stored(NamedTuple):
    """Rows that one commit stores."""

    events: int = 0
    bytes: int = 0  #: of their bodies
    outcomes: int = 0
    attempts: int = 0


class Retention:
    """Lives in the writing thread."""

    def __init__(self, retention_ms: int, hash_of: kept_events.Hash) -> None:
        self._retention_ms, self._hash_of = retention_ms, hash_of
        self.destinations: frozenset[str] | None = None  #: those whose cursors hold the log; None: all there are
        self._trimmed = 0  #: last position known to be gone
        self._swept = -(1 << 63)  #: how far the present round over the index is
        self._pruned = ""  #: how far the present round over the memberships is
        self._looked_at = ("", 0)  #: how far the present round over group calls that do not supply is

    def slice(self, db: sqlite3.Connection, stored: Stored, now_ms: int) -> int:
        """Trim at most about twice what was stored; returns how many events went."""
        before = now_ms - self._retention_ms
        gone = self._trim_log(db, _rows(stored.events), max(MOST_BYTES, 2 * stored.bytes), before)
        if gone:
            self._sweep(db, SWEEP_FACTOR * gone)
            id_runs.drop_trimmed(db, self._trimmed)
            self._prune(db, gone)
            self._prune_group_calls(db)
        self._sweep_kept(db)
        self._trim_outcomes(db, _rows(stored.outcomes), before)
        self._trim_attempts(db, _rows(stored.attempts), before)
        return gone

    def _trim_outcomes(self, db: sqlite3.Connection, rows: int, before_ms: int) -> None:
        sql = "SELECT part, destination, pos FROM outcome WHERE at < ? ORDER BY at LIMIT ?"
        if gone := db.execute(sql, (before_ms, rows)).fetchall():
            db.executemany("DELETE FROM outcome WHERE part = ? AND destination = ? AND pos = ?", gone)
            kept_events.let_go(db, "", (pos for _, _, pos in gone if 0 < pos <= self._trimmed))

    def _trim_attempts(self, db: sqlite3.Connection, rows: int, before_ms: int) -> None:
        newest = db.execute("SELECT rowid, upto FROM attempt ORDER BY rowid DESC LIMIT 1").fetchone()
        if newest is None:
            return
        cut, last, upto = 0, newest[0] - KEPT_ATTEMPTS, newest[1] - KEPT_ATTEMPT_BYTES
        oldest = db.execute("SELECT rowid, at, upto FROM attempt ORDER BY rowid LIMIT ?", (rows,))
        for rowid, at, so_far in oldest:
            if at >= before_ms and rowid > last and so_far > upto:
                break
            cut = rowid
        oldest.close()
        if cut:
            db.execute("DELETE FROM attempt WHERE rowid <= ?", (cut,))

    def _trim_log(self, db: sqlite3.Connection, rows: int, most_bytes: int, before_ms: int) -> int:
        first, last, count = 0, 0, 0
        bound = self._bound(db)
        found = db.execute("SELECT pos, received_at FROM log ORDER BY pos LIMIT ?", (rows,))
        for pos, received_at in found:
            if pos > bound or received_at >= before_ms:
                break
            first, last, count = first or pos, pos, count + 1
        found.close()
        if count:
            told_from = before_ms + TOLD_LONGER_MS
            last = kept_events.keep_trimmed(db, first - 1, last, told_from, most_bytes, self._hash_of)
            count = last - first + 1
            db.execute("DELETE FROM log WHERE pos <= ?", (last,))
            for name in db.execute("SELECT destination FROM cursor WHERE part = ?", (PART,)).fetchall():
                db.execute(
                    "DELETE FROM receipt WHERE part = ? AND destination = ? AND to_pos <= ?", (PART, *name, last)
                )
        self._trimmed = kept_events.log_begins(db) - 1
        return count

    def _bound(self, db: sqlite3.Connection) -> int:
        """No event beyond it may go: a destination has still to read it, or its message id is not indexed yet."""
        merged: int = int(db.execute("SELECT merged FROM head WHERE part = ?", (PART,)).fetchone()[0])
        cursors = db.execute("SELECT destination, pos FROM cursor WHERE part = ?", (PART,)).fetchall()
        replays = db.execute(
            "SELECT destination, pos FROM replay WHERE part = ? AND state = 'running' AND kind = 'span'", (PART,)
        ).fetchall()
        kept = self.destinations
        return min([merged, *(int(pos) for name, pos in (*cursors, *replays) if kept is None or name in kept)])

    def _prune(self, db: sqlite3.Connection, users: int) -> None:
        """Drop memberships that ended before the oldest event which is left anywhere, users in the order of their keys."""
        oldest = [self._trimmed + 1]
        for name in db.execute("SELECT destination FROM cursor WHERE part = ?", (PART,)).fetchall():
            for table in ("parked", "dead"):
                sql = f"SELECT min(pos) FROM {table} WHERE part = ? AND destination = ? AND pos > 0"
                oldest += [pos for (pos,) in db.execute(sql, (PART, *name)) if pos is not None]
            sql = "SELECT min(origin) FROM parked WHERE part = ? AND destination = ? AND origin <> 0"
            oldest += [pos for (pos,) in db.execute(sql, (PART, *name)) if pos is not None]
        last = db.execute(
            "SELECT max(user_key) FROM (SELECT user_key FROM membership WHERE part = ? AND user_key > ?"
            " ORDER BY user_key LIMIT ?)",
            (PART, self._pruned, users),
        ).fetchone()[0]
        if last is not None:
            db.execute(
                "DELETE FROM membership WHERE part = ?1 AND user_key > ?2 AND user_key <= ?3 AND EXISTS"
                " (SELECT 1 FROM membership later WHERE later.part = ?1 AND later.user_key = membership.user_key"
                "  AND later.pos > membership.pos AND later.pos <= ?4)",
                (PART, self._pruned, last, min(oldest)),
            )
        self._pruned = last or ""

    def _prune_group_calls(self, db: sqlite3.Connection) -> None:
        """Forget group calls that do not supply where nobody can ask for them any more: their letter was dropped, and the
        directory has newer ones in their place."""
        found = db.execute(
            "SELECT destination, pos, group_id, missing FROM supply WHERE part = ? AND (destination, pos) > (?, ?)"
            " ORDER BY destination, pos LIMIT ?",
            (PART, *self._looked_at, LOOKED_AT),
        ).fetchall()
        for destination, pos, group_id, missing in found:
            if not _is_asked_for(db, destination, pos, group_id, msgspec.json.decode(missing)):
                key = (PART, destination, pos)
                db.execute("DELETE FROM supply WHERE part = ? AND destination = ? AND pos = ?", key)
        self._looked_at = found[-1][:2] if len(found) == LOOKED_AT else ("", 0)

    def _sweep_kept(self, db: sqlite3.Connection) -> None:
        """After a destination was forgotten: events that only its rows referred to."""
        row = db.execute(f"SELECT value FROM meta WHERE key = '{SWEEP}'").fetchone()
        if row is not None:
            after = kept_events.sweep(db, row[0], LOOKED_AT)
            if after is None:
                db.execute(f"DELETE FROM meta WHERE key = '{SWEEP}'")
            else:
                db.execute(f"UPDATE meta SET value = ? WHERE key = '{SWEEP}'", (after,))

    def _sweep(self, db: sqlite3.Connection, entries: int) -> None:
        """Drop index entries of trimmed events, in the order of the index: page after page, not here and there."""
        last = db.execute(
            "SELECT max(hash) FROM (SELECT hash FROM seen WHERE hash > ? ORDER BY hash LIMIT ?)", (self._swept, entries)
        ).fetchone()[0]
        upto = (1 << 63) - 1 if last is None else last
        db.execute("DELETE FROM seen WHERE hash > ? AND hash <= ? AND pos <= ?", (self._swept, upto, self._trimmed))
        self._swept = -(1 << 63) if last is None else last


def _rows(stored: int) -> int:
    return min(MOST_ROWS, max(LEAST_ROWS, 2 * stored))


def _is_asked_for(db: sqlite3.Connection, destination: str, pos: int, group_id: str, missing: Sequence[str]) -> bool:
    """Whether a group call is still to be sent, or the directory names it for a membership or as the first to tell a trait."""
    values = {"part": PART, "destination": destination, "pos": pos}
    here = "part = :part AND destination = :destination AND pos = :pos"
    if db.execute(
        f"SELECT EXISTS (SELECT 1 FROM parked WHERE {here}) OR EXISTS (SELECT 1 FROM dead WHERE {here}) OR EXISTS"
        " (SELECT 1 FROM supply s JOIN membership m ON m.part = s.part AND m.user_key = s.user_key AND m.pos = s.pos"
        "  WHERE s.part = :part AND s.destination = :destination AND s.pos = :pos) OR EXISTS"
        " (SELECT 1 FROM membership WHERE part = :part AND call_pos = :pos AND call_pos <> pos)",
        values,
    ).fetchone()[0]:
        return True
    row = db.execute("SELECT since FROM company WHERE part = ? AND group_id = ?", (PART, group_id)).fetchone()
    since = msgspec.json.decode(row[0]) if row else {}
    return any(since.get(what) == pos for what in missing)
