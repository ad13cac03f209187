"""Trims what is older than the retention: settled events, their receipts, late outcomes, attempts, indexed message ids, and
memberships that no event left asks for.

A slice goes with every commit that stores events, a little more than what came in, so that the file stops growing and no
commit is long. Nothing that a configured destination has still to read is ever dropped.
"""

from __future__ import annotations

import sqlite3

from router.store import PART

LEAST_ROWS, MOST_ROWS = 200, 8_000
SWEEP_FACTOR = 3
"""Index entries looked at for each event trimmed: one round over the index in a third of the time it takes to fill."""


class Trimmer:
    """Lives in the writing thread."""

    def __init__(self, retention_ms: int) -> None:
        self._retention_ms = retention_ms
        self.destinations: frozenset[str] | None = None  #: those whose cursors hold the log; None: all there are
        self._trimmed = 0  #: last position known to be gone
        self._swept = -(1 << 63)  #: how far the present round over the index is
        self._pruned = ""  #: how far the present round over the memberships is

    def slice(self, db: sqlite3.Connection, appended: int, now_ms: int) -> int:
        """Trim at most about twice what was appended; returns how many events went."""
        before = now_ms - self._retention_ms
        gone = self._trim_log(db, min(MOST_ROWS, max(LEAST_ROWS, 2 * appended)), before)
        if gone:
            self._sweep(db, SWEEP_FACTOR * gone)
            self._prune(db, gone)
        for table in ("outcome", "attempt"):
            db.execute(
                f"DELETE FROM {table} WHERE (part, destination, pos, at) IN"
                f" (SELECT part, destination, pos, at FROM {table} WHERE at < ? LIMIT ?)",
                (before, LEAST_ROWS),
            )
        return gone

    def _trim_log(self, db: sqlite3.Connection, rows: int, before_ms: int) -> int:
        last, count = 0, 0
        bound = self._bound(db)
        found = db.execute("SELECT pos, received_at FROM log ORDER BY pos LIMIT ?", (rows,))
        for pos, received_at in found:
            if pos > bound or received_at >= before_ms:
                break
            last, count = pos, count + 1
        found.close()
        if count:
            db.execute("DELETE FROM log WHERE pos <= ?", (last,))
            for name in db.execute("SELECT destination FROM cursor WHERE part = ?", (PART,)).fetchall():
                db.execute(
                    "DELETE FROM receipt WHERE part = ? AND destination = ? AND to_pos <= ?", (PART, *name, last)
                )
            self._trimmed = last
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

    def _sweep(self, db: sqlite3.Connection, entries: int) -> None:
        """Drop index entries of trimmed events, in the order of the index: page after page, not here and there."""
        last = db.execute(
            "SELECT max(hash) FROM (SELECT hash FROM seen WHERE hash > ? ORDER BY hash LIMIT ?)", (self._swept, entries)
        ).fetchone()[0]
        upto = (1 << 63) - 1 if last is None else last
        db.execute("DELETE FROM seen WHERE hash > ? AND hash <= ? AND pos <= ?", (self._swept, upto, self._trimmed))
        self._swept = -(1 << 63) if last is None else last
