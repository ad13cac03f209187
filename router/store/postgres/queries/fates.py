"""State, reason and attempts of events at destinations, from their rows, their outcome rows or the receipts of their commits. However many
are asked for, it takes a few trips."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

from router.clock import to_iso
from router.store.fate_words import (
    TOLD_ATTEMPTS,
    Fate,
    attempts_told,
    letter_fate,
    parked_fate,
    queued_fate,
    with_second,
)
from router.store.postgres.block_reads import Blocks
from router.store.postgres.database import Connection
from router.store.postgres.outcome_reads import Ask, Settled, columns, outcomes_of
from router.store.postgres.row_reads import accepted_at

ASKED = "unnest($1::text[], $2::bigint[]) AS a (destination, pos)"
DEAD = (
    f"SELECT a.destination, a.pos, d.again, d.reason, d.detail, d.at FROM {ASKED} CROSS JOIN LATERAL"
    " (SELECT again, reason, detail, at FROM dead WHERE part = 0 AND destination = a.destination AND pos = a.pos LIMIT 1) d"
)
PARKED = (
    f"SELECT a.destination, a.pos, p.state, p.reason, p.parked_at, l.reason, l.need FROM {ASKED} CROSS JOIN LATERAL"
    " (SELECT state, reason, parked_at, user_key FROM parked WHERE part = 0 AND destination = a.destination AND {which} LIMIT 1) p"
    " LEFT JOIN LATERAL (SELECT reason, need FROM lane WHERE part = 0 AND destination = a.destination AND user_key = p.user_key LIMIT 1) l"
    " ON true"
)
OWN, AGAIN = PARKED.format(which="pos = a.pos"), PARKED.format(which="origin = a.pos AND origin <> 0")
"""Its own row, and that of its second sending. The last condition is that of the index."""
ATTEMPTS = (
    f"SELECT a.destination, a.pos, t.at, t.duration_ms, t.status, t.error, t.reason, t.request FROM {ASKED} CROSS JOIN LATERAL"
    " (SELECT * FROM attempt WHERE part = 0 AND destination = a.destination AND pos = a.pos ORDER BY id DESC LIMIT $3) t ORDER BY t.id DESC"
)
UNITS = (
    "SELECT destination, min(start), CASE WHEN bool_and(state <> 'running') THEN min(state) ELSE 'running' END"
    " FROM unit WHERE part = 0 AND destination = ANY($1::text[]) GROUP BY destination"
)
"""Of a destination in shards some may send while others do not."""
NO_UNIT = (math.inf, "")
BELOW = (
    f"SELECT a.destination, a.pos, w.message_id, p.origin FROM {ASKED}"
    " LEFT JOIN LATERAL (SELECT message_id FROM woken WHERE part = 0 AND destination = a.destination AND pos = a.pos LIMIT 1) w ON true"
    " LEFT JOIN LATERAL (SELECT origin FROM parked WHERE part = 0 AND destination = a.destination AND pos = a.pos LIMIT 1) p ON true"
)


async def fates_of(connection: Connection, asks: Collection[Ask]) -> dict[Ask, Fate]:
    """State, reason and time of each; none where the destination began later."""
    return await _fates(connection, asks, await outcomes_of(connection, asks)) if asks else {}


async def fates_and_attempts(connection: Connection, asks: Collection[Ask]) -> dict[Ask, Fate]:
    """The same with the attempts of each."""
    settled = await outcomes_of(connection, asks)
    fates = await _fates(connection, asks, settled)
    attempts = await _attempts(connection, list(fates), settled)
    return {ask: {**fate, "attempts": attempts[ask]} for ask, fate in fates.items()}


async def attempts_of(connection: Connection, asks: Collection[Ask]) -> dict[Ask, list[dict[str, Any]]]:
    """The newest attempts of each, oldest first: those with a row, and the one that is packed beside its outcome."""
    return await _attempts(connection, asks, await outcomes_of(connection, asks))


async def _fates(connection: Connection, asks: Collection[Ask], settled: Mapping[Ask, Settled]) -> dict[Ask, Fate]:
    found: dict[Ask, Fate] = {}
    units = {
        destination: (start, state)
        for destination, start, state in await connection.fetch(UNITS, list({destination for destination, _ in asks}))
    }
    second: dict[Ask, Fate] = {}
    for sql, fates in ((OWN, found), (AGAIN, second)):
        for destination, pos, *row in await connection.fetch(sql, *columns(asks)):
            fates[destination, pos] = parked_fate(units.get(destination, NO_UNIT)[1], *row)
    for destination, pos, again, *letter in await connection.fetch(DEAD, *columns(asks)):
        (second if again else found).setdefault((destination, pos), letter_fate(*letter))
    words = {
        code: (state, reason)
        for code, state, reason in await connection.fetch(
            "SELECT code, state, reason FROM code WHERE code = ANY($1::int[])", list({one.code for one in settled.values()})
        )
    }  # fmt: skip
    for ask in asks:
        if ask in found:
            continue
        if (one := settled.get(ask)) is not None:
            state, reason = words[one.code]
            found[ask] = {"state": state, "reason": reason, "at": to_iso(one.at)}
        elif ask[1] > units.get(ask[0], NO_UNIT)[0]:
            found[ask] = queued_fate(units[ask[0]][1])
    starts = {ask: units.get(ask[0], NO_UNIT)[0] for ask in asks}
    both = {ask: with_second(found.get(ask), second.get(ask), is_older=ask[1] <= starts[ask]) for ask in asks}
    return {ask: fate for ask, fate in both.items() if fate is not None}


async def _attempts(
    connection: Connection, asks: Collection[Ask], settled: Mapping[Ask, Settled]
) -> dict[Ask, list[dict[str, Any]]]:
    rows: dict[Ask, list[tuple[Any, ...]]] = {ask: [] for ask in asks}
    if asks:
        for destination, pos, *row in await connection.fetch(ATTEMPTS, *columns(asks), TOLD_ATTEMPTS):
            rows[destination, pos].append(tuple(row))
    return {
        ask: attempts_told(found, settled[ask].tried(ask[1]) if ask in settled else None) for ask, found in rows.items()
    }


async def message_ids(connection: Connection, blocks: Blocks, asks: Collection[Ask]) -> dict[Ask, str]:
    """The message ids of the events at these positions, as long as anything is kept of them."""
    below = [ask for ask in asks if ask[1] < 0]
    rows = await connection.fetch(BELOW, *columns(below)) if below else []
    found = {(destination, pos): word for destination, pos, word, _ in rows if word is not None}
    at = {ask: ask[1] for ask in asks if ask[1] > 0}
    at |= {(destination, pos): origin for destination, pos, _, origin in rows if origin}
    events = await accepted_at(connection, blocks, set(at.values()))
    return {ask: events[pos].message_id for ask, pos in at.items() if pos in events} | found
