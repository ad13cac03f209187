"""Which libraries sent the newest events of a source. Pure: each store reads its own rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from router.clock import to_iso
from router.event.library import library_of
from router.store.event_words import NOTHING_LEFT

MAX_CLIENTS = 50


def libraries_told(rows: Iterable[tuple[str, int, bytes | None]], source: str) -> dict[str, Any]:
    """Of (source, instant, body), newest first: `{"looked_at", "events", "last_at",
    "items": [{"library", "version", "count", "without_sent_at", "last_at"}], "left_out"}`."""
    seen: dict[tuple[str, str], dict[str, Any]] = {}
    looked_at, events, left_out, last_at = 0, 0, 0, None
    for of, at, body in rows:
        looked_at += 1
        if of != source:
            continue
        events, last_at = events + 1, last_at or to_iso(at)
        library = library_of(bytes(body or NOTHING_LEFT))
        key = library.name, library.version
        if key not in seen and len(seen) >= MAX_CLIENTS:
            left_out += 1
            continue
        about = {"library": key[0], "version": key[1], "count": 0, "without_sent_at": 0, "last_at": to_iso(at)}
        one = seen.setdefault(key, about)
        one["count"] += 1
        one["without_sent_at"] += bool(body) and not library.tells_when
    items = sorted(seen.values(), key=lambda one: (-one["count"], one["library"], one["version"]))
    return {"looked_at": looked_at, "events": events, "last_at": last_at, "items": items, "left_out": left_out}
