"""What happened lately at each destination, and at each source: for the list of troubles. Everything is bounded, newest first, and takes a
few trips however many destinations there are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from router.clock import to_iso
from router.store.postgres.database import Connection
from router.store.postgres.queries.fates import fates_of
from router.store.postgres.receipt_codes import all_codes

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
MOST_DEAD = 1_000
MOST_LET_GO = 10_000
MOST_RECEIPTS, MOST_OUTCOMES = 50, 1_000
MOST_PARKED = 1_000
MOST_CALLS = 100
"""Rows that are looked at, at each destination."""

EACH = "unnest($1::text[]) AS d (name) CROSS JOIN LATERAL"
DEAD = (
    f"SELECT d.name, x.reason, count(*) FROM {EACH} (SELECT reason FROM dead WHERE part = 0 AND destination = d.name AND at >= $2"
    " ORDER BY at DESC LIMIT $3) x GROUP BY d.name, x.reason"
)
RECEIPTS = (
    f"SELECT d.name, x.at, x.codes FROM {EACH} (SELECT to_pos, at, codes FROM receipt WHERE part = 0 AND destination = d.name"
    " ORDER BY to_pos DESC LIMIT $2) x ORDER BY x.to_pos DESC"
)
LATE = (
    "SELECT destination, max(at) FROM (SELECT at, code, destination FROM outcome ORDER BY at DESC LIMIT $1) newest"
    " WHERE code = ANY($2::int[]) GROUP BY destination"
)
HELD = (
    f"SELECT d.name, max(x.parked_at) FROM {EACH} (SELECT parked_at, state FROM parked WHERE part = 0 AND destination = d.name AND pos > 0"
    " ORDER BY pos DESC LIMIT $2) x WHERE x.state = 'held' AND x.parked_at >= $3 GROUP BY d.name"
)
LET_GO = (
    "SELECT destination, max(at) FROM (SELECT destination, at FROM outcome WHERE at >= $1 ORDER BY at DESC LIMIT $2) newest"
    " GROUP BY destination"
)
CALLS = f"SELECT d.name, x.pos FROM {EACH} (SELECT pos FROM supply WHERE part = 0 AND destination = d.name ORDER BY pos DESC LIMIT $2) x"


async def recent(connection: Connection, destinations: Sequence[str], now_ms: int) -> dict[str, Any]:
    """By destination:

    - `dead_last_hour`: dead letters of the last hour, by reason, as far as MOST_DEAD;
    - `last_delivered_at`: an instant, None where nothing was delivered lately;
    - `last_held_at`, `last_let_go_at`: when an event was held, and when one that had waited was settled, within a day;
    - `group_calls_filtered`: group calls that were filtered, so that events wait for another one.

    And `discarded_today`: by source, calls since midnight UTC of those that are kept.
    """
    names = list(destinations)
    dead: dict[str, dict[str, int]] = {name: {} for name in names}
    for name, reason, n in await connection.fetch(DEAD, names, now_ms - HOUR_MS, MOST_DEAD):
        dead[name][reason] = n
    delivered = await _last_delivered(connection, names)
    held = dict(await connection.fetch(HELD, names, MOST_PARKED, now_ms - DAY_MS))
    let_go = dict(await connection.fetch(LET_GO, now_ms - DAY_MS, MOST_LET_GO))
    filtered = await _filtered_calls(connection, names)
    today = "SELECT source, count(*) FROM discard WHERE at >= $1 GROUP BY source"  # 10,000 at most are kept
    return {
        "destinations": {
            name: {
                "dead_last_hour": dead[name],
                "last_delivered_at": _instant(delivered.get(name)),
                "last_held_at": _instant(held.get(name)),
                "last_let_go_at": _instant(let_go.get(name)),
                "group_calls_filtered": filtered.count(name),
            }
            for name in names
        },
        "discarded_today": dict(await connection.fetch(today, now_ms - now_ms % DAY_MS)),
    }


def _instant(ms: int | None) -> str | None:
    return to_iso(ms) if ms else None


async def _last_delivered(connection: Connection, names: list[str]) -> dict[str, int]:
    codes = [row[0] for row in await connection.fetch("SELECT code FROM code WHERE state = 'delivered'")]
    found = dict(await connection.fetch(LATE, MOST_OUTCOMES, codes))
    seen: set[str] = set()
    for name, at, packed in await connection.fetch(RECEIPTS, names, MOST_RECEIPTS):  # of each the newest first
        if name not in seen and not {code for _, code in all_codes(0, packed)}.isdisjoint(codes):
            seen.add(name)
            found[name] = max(at, found.get(name, 0))
    return found


async def _filtered_calls(connection: Connection, names: list[str]) -> list[str]:
    """The destination of each group call that was filtered."""
    calls = [tuple(row) for row in await connection.fetch(CALLS, names, MOST_CALLS)]
    return [name for (name, _), fate in (await fates_of(connection, calls)).items() if fate["state"] == "filtered"]
