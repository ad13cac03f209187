"""What became of one message: `why`."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

from router.clock import to_iso
from router.event import Call, trace_of, verdict_of
from router.store.forgotten import NOBODY
from router.store.keyed_hash import keyed_hash
from router.store.rows import PART
from router.store.sqlite import id_runs
from router.store.sqlite.queries.fates import fate_and_attempts
from router.store.sqlite.queries.waits import waits_of


def message(
    db: sqlite3.Connection, message_id: str, source: str | None, destinations: Sequence[str]
) -> dict[str, Any] | None:
    """The fate of the newest event with this message id at each destination; None where it is unknown."""
    found = find(db, message_id, source)
    if found is None:
        return None
    pos, source_name, hashed = found
    row = _words(db, pos, hashed)
    answer: dict[str, Any] = {"message_id": message_id, "source": source_name, **row, "destinations": {}}
    body = _body(db, pos)
    if trace := trace_of(body):
        answer["trace_id"] = trace.split("-")[1]
    verdict = verdict_of(body)
    if verdict is not None:
        answer["plan"] = {"blocked": verdict.is_blocked, **verdict.told()}
    for name in destinations:
        fate = fate_and_attempts(db, name, pos)
        if fate is not None:
            answer["destinations"][name] = {**fate, **waits_of(db, name, pos, fate["state"])}
            if second := fate.get("replay"):
                answer["destinations"][name]["replay"] = {**second, **waits_of(db, name, pos, second["state"])}
            if verdict is not None and (fate["state"], fate["reason"]) == ("filtered", "plan"):
                first = verdict.violations[0]
                answer["destinations"][name]["detail"] = f"{first.type}: {first.field}"
    return answer


def _body(db: sqlite3.Connection, pos: int) -> bytes:
    """The stored call, while its body is retained."""
    for table in ("log", "kept"):
        row = db.execute(f"SELECT body FROM {table} WHERE part = ? AND pos = ?", (PART, pos)).fetchone()
        if row is not None and row[0] is not None:
            return bytes(row[0])
    return b""


def stored_call(db: sqlite3.Connection, message_id: str, source: str | None) -> Call | None:
    """The newest event with this message id, while its body is retained."""
    found = find(db, message_id, source)
    if found is None:
        return None
    for table in ("log", "kept"):
        row = db.execute(
            f"SELECT source, type, message_id, user_key, received_at, body FROM {table} WHERE part = ? AND pos = ?"
            " AND body IS NOT NULL AND user_key <> ?",
            (PART, found[0], NOBODY),
        ).fetchone()
        if row is not None:
            return Call(*row)
    return None


def find(db: sqlite3.Connection, message_id: str, source: str | None) -> tuple[int, str, int] | None:
    """(position, source, hash) of the newest acceptance of a message id."""
    key = db.execute("SELECT value FROM meta WHERE key = 'hash_key'").fetchone()[0]
    names = [source] if source else [row[0] for row in db.execute("SELECT name FROM source")] + [""]
    newest: tuple[int, str, int] | None = None
    for name in names:
        hashed = keyed_hash(key, name, message_id)
        for pos in (id_runs.newest(db, hashed), *_in_tables(db, hashed)):
            if pos is not None and (newest is None or pos > newest[0]):
                newest = (pos, name, hashed)
    return _newest_unmerged(db, key, message_id, source) or newest or _woken(db, key, message_id)


def _in_tables(db: sqlite3.Connection, hashed: int) -> Iterator[int | None]:
    for table in ("seen", "kept"):
        yield db.execute(f"SELECT max(pos) FROM {table} WHERE part = ? AND hash = ?", (PART, hashed)).fetchone()[0]


def _woken(db: sqlite3.Connection, key: bytes, message_id: str) -> tuple[int, str, int] | None:
    """The same for what a timer returned."""
    row = db.execute("SELECT pos, source FROM woken WHERE message_id = ? LIMIT 1", (message_id,)).fetchone()
    return (row[0], row[1], keyed_hash(key, row[1], message_id)) if row else None


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
    """Type, ids and time of an event, from the log or from what is kept of it."""
    for sql in (
        "SELECT type, user_key, received_at FROM log WHERE part = ? AND pos = ?",
        "SELECT type, user_key, received_at FROM kept WHERE part = ? AND pos = ?",
        "SELECT type, coalesce(p.user_key, d.user_key), received_at FROM woken w LEFT JOIN parked p USING (part, destination, pos)"
        " LEFT JOIN dead d USING (part, destination, pos) WHERE w.part = ? AND w.pos = ? LIMIT 1",
    ):
        row = db.execute(sql, (PART, pos)).fetchone()
        if row is not None and row[0] is not None:
            type_, key, received_at = row
            return {
                **({"forgotten": True} if key == NOBODY else {}),
                "type": type_,
                "user_id": key[2:] if key.startswith("u:") else None,
                "anonymous_id": key[2:] if key.startswith("a:") else None,
                "received_at": to_iso(received_at),
            }
    return {"type": None, "user_id": None, "anonymous_id": None, "received_at": None}
