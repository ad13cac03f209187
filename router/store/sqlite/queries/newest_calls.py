"""The newest calls of the log with what became of them at a destination, and which libraries sent those of a source."""

from __future__ import annotations

import sqlite3
from typing import Any

import msgspec

from router.clock import to_iso
from router.event import Call
from router.event.envelope import read_envelope
from router.store.sqlite.queries.fates import fate_of

MAX_NAME = 80
"""Characters of a library's name or version: senders choose them."""
MAX_CLIENTS = 50


def newest_calls(db: sqlite3.Connection, destination: str, most: int) -> list[tuple[Call, str, str]]:
    """So many calls, newest first, each with its state and reason at a destination. Not those from before it began."""
    rows = db.execute(
        "SELECT source, type, message_id, user_key, received_at, body, pos FROM log ORDER BY pos DESC LIMIT ?", (most,)
    ).fetchall()
    found = []
    for *columns, pos in rows:
        if (fate := fate_of(db, destination, pos)) is not None:
            found.append((Call(*columns), fate["state"], fate["reason"]))
    return found


class _Library(msgspec.Struct):
    name: Any = None
    version: Any = None


class _Context(msgspec.Struct):
    library: _Library | None = None


class _Head(msgspec.Struct):
    context: _Context | None = None


_heads = msgspec.json.Decoder(_Head)


def clients(db: sqlite3.Connection, source: str, most: int) -> dict[str, Any]:
    """Which libraries sent the newest events of a source, among so many of all sources: `{"looked_at", "events", "last_at",
    "items": [{"library", "version", "count", "last_at"}], "left_out"}`."""
    rows = db.execute("SELECT source, received_at, body FROM log ORDER BY pos DESC LIMIT ?", (most,)).fetchall()
    seen: dict[tuple[str, str], dict[str, Any]] = {}
    events, left_out, last_at = 0, 0, None
    for of, at, body in rows:
        if of != source:
            continue
        events, last_at = events + 1, last_at or to_iso(at)
        key = _library_of(bytes(body))
        if key not in seen and len(seen) >= MAX_CLIENTS:
            left_out += 1
            continue
        one = seen.setdefault(key, {"library": key[0], "version": key[1], "count": 0, "last_at": to_iso(at)})
        one["count"] += 1
    items = sorted(seen.values(), key=lambda one: (-one["count"], one["library"], one["version"]))
    return {"looked_at": len(rows), "events": events, "last_at": last_at, "items": items, "left_out": left_out}


def _library_of(body: bytes) -> tuple[str, str]:
    """Name and version; empty where the call does not say. That of the batch counts for calls without one."""
    line, _, call = body.partition(b"\n")
    try:
        context = _heads.decode(call).context
    except msgspec.DecodeError:  # it has another form: a library that is text, for example
        context = None
    if context is not None and context.library is not None:
        return _text(context.library.name), _text(context.library.version)
    of_batch = read_envelope(line).context
    library = of_batch.get("library") if isinstance(of_batch, dict) else None
    return (_text(library.get("name")), _text(library.get("version"))) if isinstance(library, dict) else ("", "")


def _text(value: Any) -> str:
    return value[:MAX_NAME] if isinstance(value, str) else ""
