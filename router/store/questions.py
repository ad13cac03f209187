"""What people ask of a store: the ledger, the fate of a message, who is held and why. Read-only, shapes as the admin API
gives them. Works beside a running daemon and without one."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from router.clock import to_iso
from router.errors import StoreNewer
from router.event import show_user_key
from router.store import PART, Letters, Waits
from router.store.connection import Connection, open_reader
from router.store.dedupe import keyed_hash
from router.store.migrate import SCHEMA
from router.store.receipts import code_at
from router.store.waiting import count_waiting

PAGE = 100
SPAN = 4_000
"""A receipt covers less than this many positions: the window of a destination bounds it."""


class Questions:
    """Asks a store through one read-only connection. Every answer is one consistent snapshot.

    `now_ms`: router time. Without it, time stands still at the newest commit.
    """

    def __init__(self, connection: Connection, now_ms: Callable[[], int] = lambda: 0) -> None:
        self._connection, self._now_ms = connection, now_ms

    async def ledger(self, destinations: Sequence[str]) -> dict[str, Any]:
        """Counts; per destination the seven add up to what was accepted since it began."""
        return await self._connection.run(_snapshot, _ledger, destinations, self._now_ms())

    async def message(self, message_id: str, source: str | None, destinations: Sequence[str]) -> dict[str, Any] | None:
        """The fate of a message at each destination; None when unknown."""
        return await self._connection.run(_snapshot, _message, message_id, source, destinations)

    async def held(self, destination: str, user_key: str | None, after: str) -> dict[str, Any]:
        """Users whose events wait for a group, a page at a time."""
        return await self._connection.run(_snapshot, _held, destination, user_key, after)

    async def waiting(self, destination: str) -> list[Waits]:
        """How much is held, by what it waits for."""
        return await self._connection.run(_snapshot, count_waiting, destination)

    async def dead(self, destination: str, which: Letters, after: int | None) -> dict[str, Any]:
        """Dead letters in order of position, a page at a time."""
        return await self._connection.run(_snapshot, _dead, destination, which, after)

    async def position(self, message_id: str, source: str | None) -> int | None:
        """Where in the log the newest event with this message id stands or stood."""
        found = await self._connection.run(_snapshot, _find, message_id, source)
        return found[0] if found else None

    async def left_over(self, configured: Sequence[str]) -> dict[str, dict[str, int]]:
        """Destinations that are configured no more, and what is kept of them: held, retrying, queued, dead letters."""
        return await self._connection.run(_snapshot, _left_over, configured)

    async def discards(self) -> dict[str, Any]:
        """Why calls that got a 200 are nowhere: counts by source and code, and the newest ones."""
        return await self._connection.run(_snapshot, _discards)

    async def used_bytes(self) -> int:
        """What the database takes, without pages that are free for reuse."""
        return await self._connection.run(_snapshot, _used_bytes)

    async def destinations(self) -> list[str]:
        """The names of all destinations that have a cursor."""
        return await self._connection.run(_snapshot, _destinations)


@asynccontextmanager
async def open_questions(path: Path) -> AsyncIterator[Questions]:
    """Read a store while no daemon runs (or beside it).

    Raises:
        FileNotFoundError, sqlite3.Error: there is no store to read.
        StoreNewer: written by a newer program.
    """
    connection = await open_reader(path)
    try:
        version = await connection.run(lambda db: db.execute("PRAGMA user_version").fetchone()[0])
        if version != SCHEMA:
            raise StoreNewer(f"{path} has schema {version}, this segment-router reads {SCHEMA}")
        yield Questions(connection)
    finally:
        await connection.close()


def _snapshot(db: sqlite3.Connection, question: Any, *args: Any) -> Any:
    db.execute("BEGIN")
    try:
        return question(db, *args)
    finally:
        db.execute("COMMIT")


def _used_bytes(db: sqlite3.Connection) -> int:
    count, free, size = (
        db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return int((count - free) * size)


def _destinations(db: sqlite3.Connection) -> list[str]:
    return [row[0] for row in db.execute("SELECT destination FROM cursor WHERE part = ? ORDER BY 1", (PART,))]


def _ledger(db: sqlite3.Connection, destinations: Sequence[str], now_ms: int) -> dict[str, Any]:
    head, duplicates, discarded, clock = db.execute(
        "SELECT pos, duplicates, discarded, clock FROM head WHERE part = ?", (PART,)
    ).fetchone()
    answer: dict[str, Any] = {"accepted": head, "duplicates": duplicates, "discarded": discarded, "destinations": {}}
    for name in destinations:
        row = db.execute(
            "SELECT start, pos, delivered, skipped, filtered, held, retrying, dead, dry_run, replayed, state,"
            " state_reason, state_since FROM cursor WHERE part = ? AND destination = ?",
            (PART, name),
        ).fetchone()
        if row is None:
            continue
        start, pos, delivered, skipped, filtered, held, retrying, dead, dry_run, replayed, state, reason, since = row
        queued = head - start - delivered - skipped - filtered - held - retrying - dead
        answer["destinations"][name] = {
            "delivered": delivered,
            "skipped": skipped,
            "filtered": filtered,
            "held": held,
            "retrying": retrying,
            "queued": queued,
            "dead": dead,
            "dry_run": dry_run,
            "replayed": replayed,
            "cursor": pos,
            "head": head,
            "oldest_queued_s": _oldest_queued_s(db, name, pos, max(clock, now_ms)) if queued else 0,
            "state": state,
            "state_reason": reason,
            "state_since": to_iso(since),
        }
    return answer


def _oldest_queued_s(db: sqlite3.Connection, destination: str, pos: int, now: int) -> float:
    """Age of the oldest event that is neither settled nor parked for a reason of its own."""
    first = db.execute("SELECT received_at FROM log WHERE pos > ? ORDER BY pos LIMIT 1", (pos,)).fetchone()
    return max(0.0, (now - first[0]) / 1000) if first else 0.0


def _message(
    db: sqlite3.Connection, message_id: str, source: str | None, destinations: Sequence[str]
) -> dict[str, Any] | None:
    found = _find(db, message_id, source)
    if found is None:
        return None
    pos, source_name, hashed = found
    row = _words(db, pos, hashed)
    answer: dict[str, Any] = {"message_id": message_id, "source": source_name, **row, "destinations": {}}
    for name in destinations:
        fate = _fate(db, name, pos)
        if fate is not None:
            answer["destinations"][name] = {**fate, "attempts": _attempts(db, name, pos)}
    return answer


def _find(db: sqlite3.Connection, message_id: str, source: str | None) -> tuple[int, str, int] | None:
    """(position, source, hash) of the newest acceptance of a message id."""
    key = db.execute("SELECT value FROM meta WHERE key = 'hash_key'").fetchone()[0]
    names = [source] if source else [row[0] for row in db.execute("SELECT name FROM source")] + [""]
    newest: tuple[int, str, int] | None = None
    for name in names:
        hashed = keyed_hash(key, name, message_id)
        for sql in (
            "SELECT max(pos) FROM seen WHERE part = ? AND hash = ?",
            "SELECT max(pos) FROM parked WHERE part = ? AND hash = ? AND origin = 0",
            "SELECT max(pos) FROM dead WHERE part = ? AND hash = ?",
        ):
            row = db.execute(sql, (PART, hashed)).fetchone()
            if row[0] is not None and (newest is None or row[0] > newest[0]):
                newest = (row[0], name, hashed)
    return _newest_unmerged(db, key, message_id, source) or newest


def _newest_unmerged(
    db: sqlite3.Connection, key: bytes, message_id: str, source: str | None
) -> tuple[int, str, int] | None:
    """The same for events that are not in the index yet: a bounded tail of the log."""
    row = db.execute(
        "SELECT pos, source FROM log WHERE pos > (SELECT merged FROM head WHERE part = ?) AND message_id = ?"
        " AND (? IS NULL OR source = ?) ORDER BY pos DESC LIMIT 1",
        (PART, message_id, source, source),
    ).fetchone()
    return (row[0], row[1], keyed_hash(key, row[1], message_id)) if row else None


def _words(db: sqlite3.Connection, pos: int, hashed: int) -> dict[str, Any]:
    """Type, ids and time of an event, from the log or from a row that outlived it."""
    for sql in (
        "SELECT type, user_key, received_at FROM log WHERE part = ? AND pos = ?",
        "SELECT type, user_key, received_at FROM parked WHERE part = ? AND pos = ? LIMIT 1",
        "SELECT type, user_key, received_at FROM dead WHERE part = ? AND pos = ? LIMIT 1",
    ):
        row = db.execute(sql, (PART, pos)).fetchone()
        if row is not None:
            type_, key, received_at = row
            return {
                "type": type_,
                "user_id": key[2:] if key.startswith("u:") else None,
                "anonymous_id": key[2:] if key.startswith("a:") else None,
                "received_at": to_iso(received_at),
            }
    return {"type": None, "user_id": None, "anonymous_id": None, "received_at": None}


def _fate(db: sqlite3.Connection, destination: str, pos: int) -> dict[str, Any] | None:
    """State, reason and time of one event at one destination; None where it began later."""
    here = (PART, destination, pos)
    where = "part = ? AND destination = ? AND pos = ?"
    if row := db.execute(f"SELECT reason, detail, at FROM dead WHERE {where}", here).fetchone():
        return {"state": "dead", "reason": row[0], "detail": row[1], "at": to_iso(row[2])}
    parked = (
        "SELECT p.state, CASE WHEN p.state = 'held' AND l.reason GLOB 'group_*' THEN l.reason ELSE p.reason END, p.parked_at"
        " FROM parked p LEFT JOIN lane l USING (part, destination, user_key) WHERE p.part = ? AND p.destination = ? AND p.pos = ?"
    )  # what a lane waits for now is said by the lane
    if row := db.execute(parked, here).fetchone():
        return {"state": row[0], "reason": row[1], "at": to_iso(row[2])}
    if row := db.execute(f"SELECT code, at FROM outcome WHERE {where}", here).fetchone():
        return _told(db, row[0], row[1])
    for first, at, codes in db.execute(
        "SELECT from_pos, at, codes FROM receipt WHERE part = ? AND destination = ? AND to_pos BETWEEN ? AND ?"
        " AND from_pos <= ?",
        (PART, destination, pos, pos + SPAN, pos),
    ):
        if code := code_at(first, codes, pos):
            return _told(db, code, at)
    cursor = db.execute("SELECT start FROM cursor WHERE part = ? AND destination = ?", here[:2]).fetchone()
    if cursor is None or pos <= cursor[0]:
        return None
    return {"state": "queued", "reason": "in_flight", "at": None}


def _told(db: sqlite3.Connection, code: int, at: int) -> dict[str, Any]:
    state, reason = db.execute("SELECT state, reason FROM code WHERE code = ?", (code,)).fetchone()
    return {"state": state, "reason": reason, "at": to_iso(at)}


def _attempts(db: sqlite3.Connection, destination: str, pos: int) -> list[dict[str, Any]]:
    rows = db.execute(
        "SELECT at, duration_ms, status, error, reason, request FROM attempt WHERE part = ? AND destination = ? AND pos = ?"
        " ORDER BY at, rowid",
        (PART, destination, pos),
    )
    attempts = []
    for at, duration_ms, status, error, reason, request in rows:
        attempt = {"at": to_iso(at), "duration_ms": duration_ms, "status": status, "error": error, "reason": reason}
        if request:
            attempt["request"] = msgspec.json.decode(request)
        attempts.append(attempt)
    return attempts


def _held(db: sqlite3.Connection, destination: str, user_key: str | None, after: str) -> dict[str, Any]:
    total = db.execute("SELECT held FROM cursor WHERE part = ? AND destination = ?", (PART, destination)).fetchone()
    rows = db.execute(
        "SELECT user_key, reason, group_id, held, held_since FROM lane WHERE part = ? AND destination = ? AND held > 0"
        " AND user_key > ? AND (? IS NULL OR user_key = ?) ORDER BY user_key LIMIT ?",
        (PART, destination, after, user_key, user_key, PAGE + 1),
    ).fetchall()
    users = [
        {
            "user": show_user_key(key),
            "waiting_for": reason,
            "group_id": group_id or None,
            "events": held,
            "since": to_iso(since),
        }
        for key, reason, group_id, held, since in rows[:PAGE]
    ]
    return {"held": total[0] if total else 0, "users": users, "next": rows[PAGE - 1][0] if len(rows) > PAGE else None}


def _dead(db: sqlite3.Connection, destination: str, which: Letters, after: int | None) -> dict[str, Any]:
    counts = db.execute(
        "SELECT dead, letters, letter_bytes FROM cursor WHERE part = ? AND destination = ?", (PART, destination)
    ).fetchone()
    dead, letters, size = counts or (0, 0, 0)
    rows = db.execute(
        "SELECT pos, message_id, type, user_key, at, reason, detail FROM dead WHERE part = ? AND destination = ? AND pos > ?"
        " AND at >= ? AND at < ? AND (?6 IS NULL OR reason = ?6) ORDER BY pos LIMIT ?7",
        (PART, destination, -(1 << 62) if after is None else after, which.since, which.until, which.reason, PAGE + 1),
    ).fetchall()
    items = [
        {
            "message_id": message_id,
            "type": type_,
            "user": show_user_key(key),
            "at": to_iso(at),
            "reason": why,
            "detail": detail,
            "attempts": _attempts(db, destination, pos),
        }
        for pos, message_id, type_, key, at, why, detail in rows[:PAGE]
    ]
    more = rows[PAGE - 1][0] if len(rows) > PAGE else None
    return {"dead": dead, "kept": letters, "kept_bytes": size, "items": items, "next": more}


def _left_over(db: sqlite3.Connection, configured: Sequence[str]) -> dict[str, dict[str, int]]:
    rows = db.execute(
        "SELECT destination, held, retrying, h.pos - c.start - delivered - skipped - filtered - held - retrying - dead,"
        " letters FROM cursor c JOIN head h USING (part) WHERE c.part = ? ORDER BY destination",
        (PART,),
    )
    names = ("held", "retrying", "queued", "dead")
    return {name: dict(zip(names, counts, strict=True)) for name, *counts in rows if name not in configured}


def _discards(db: sqlite3.Connection) -> dict[str, Any]:
    counts: dict[str, dict[str, int]] = {}
    for source, code, n in db.execute("SELECT source, code, n FROM discard_count WHERE part = ?", (PART,)):
        counts.setdefault(source, {})[code] = n
    newest = db.execute(
        "SELECT at, source, code, message, message_id, type, excerpt FROM discard WHERE part = ? ORDER BY id DESC LIMIT ?",
        (PART, PAGE),
    )
    names = ("source", "code", "message", "message_id", "type", "excerpt")
    items = [{"at": to_iso(at), **dict(zip(names, rest, strict=True))} for at, *rest in newest]
    return {"counts": counts, "items": items}
