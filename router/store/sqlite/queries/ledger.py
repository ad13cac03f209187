"""The ledger: how many events each destination has brought to which end. The seven always add up to what was accepted."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from router.store.fate_words import state_told
from router.store.rows import PART
from router.store.sqlite.queries.waits import released, timers_of


def ledger(db: sqlite3.Connection, destinations: Sequence[str], now_ms: int) -> dict[str, Any]:
    """Counts of all that was accepted, and of each of these destinations that has a cursor."""
    head, duplicates, discarded, clock = db.execute(
        "SELECT pos, duplicates, discarded, clock FROM head WHERE part = ?", (PART,)
    ).fetchone()
    answer: dict[str, Any] = {"accepted": head, "duplicates": duplicates, "discarded": discarded, "destinations": {}}
    for name in destinations:
        row = db.execute(
            "SELECT start, pos, delivered, skipped, filtered, held, retrying, dead, dry_run, replayed, state,"
            " state_reason, state_since, state_until, state_detail FROM cursor WHERE part = ? AND destination = ?",
            (PART, name),
        ).fetchone()
        if row is None:
            continue
        start, pos, delivered, skipped, filtered, held, retrying, dead, dry_run, replayed, *state = row
        held -= min(held, released(db, name)) if held else 0
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
            **state_told(*state),
            **timers_of(db, name),
        }
    return answer


def _oldest_queued_s(db: sqlite3.Connection, destination: str, pos: int, now: int) -> float:
    """Age of the oldest event that is neither settled nor parked for a reason of its own."""
    first = db.execute("SELECT received_at FROM log WHERE pos > ? ORDER BY pos LIMIT 1", (pos,)).fetchone()
    return max(0.0, (now - first[0]) / 1000) if first else 0.0
