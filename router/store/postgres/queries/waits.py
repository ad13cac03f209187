"""What events wait for at their destinations: the next attempt, an earlier event of the user, a group call that is on its way. However many
are asked for, it takes a few trips."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from router.clock import to_iso
from router.store.fate_words import RELEASED, timers_told
from router.store.postgres.block_reads import Blocks
from router.store.postgres.database import Connection
from router.store.postgres.outcome_reads import Ask, columns
from router.store.postgres.queries.fates import ASKED, fates_of, message_ids
from router.store.postgres.row_reads import accepted_at
from router.store.rows import NO_GROUP, ORDER_KEY_STEP
from router.vocabulary import EventState

HERE = "part = 0 AND destination = $1"
RELEASED_COUNTED = 10_000
"""So many released events are counted for a ledger, of as many lanes. Further ones count as held until they have their turn."""
ON_THEIR_WAY = (EventState.QUEUED, EventState.RETRYING)

OWN_OR_AGAIN = (
    "o.part = 0 AND o.destination = a.destination AND (o.pos = a.pos OR (o.origin = a.pos AND o.origin <> 0))"
)
"""The row of an event that waits, or of its second sending."""
KEYS = (
    f"SELECT a.destination, a.pos, p.user_key FROM {ASKED} CROSS JOIN LATERAL"
    f" (SELECT user_key FROM parked o WHERE {OWN_OR_AGAIN} LIMIT 1) p"
)
OF_USERS = "unnest($1::text[], $2::text[]) AS a (destination, user_key)"
LANES = (
    f"SELECT a.destination, a.user_key, l.need, l.also, l.reason, l.group_id, l.due_at, l.refused_pos FROM {OF_USERS} CROSS JOIN LATERAL"
    " (SELECT * FROM lane WHERE part = 0 AND destination = a.destination AND user_key = a.user_key LIMIT 1) l"
)
TIMERS = (
    f"SELECT a.destination, a.user_key, t.n, t.due_at FROM {OF_USERS} CROSS JOIN LATERAL"
    " (SELECT count(*) AS n, min(due_at) AS due_at FROM timer WHERE part = 0 AND destination = a.destination AND user_key = a.user_key) t"
    " WHERE t.n > 0"
)
BEHIND = (
    "SELECT a.destination, a.pos, p.pos AS first, p.state, p.reason, p.due_at FROM unnest($1::text[], $2::bigint[], $3::text[])"
    " AS a (destination, pos, user_key) CROSS JOIN LATERAL"
    " (SELECT p.pos, p.state, p.reason, l.due_at FROM parked p JOIN lane l USING (part, destination, user_key)"
    " WHERE p.part = 0 AND p.destination = a.destination AND p.user_key = a.user_key AND (p.queue = 'main' OR l.need = '') AND p.place <"
    f" coalesce((SELECT o.place FROM parked o WHERE {OWN_OR_AGAIN} LIMIT 1), a.pos * $4::bigint)"
    " ORDER BY p.place LIMIT 1) p"
)
NEWEST_CALLS = (
    "SELECT k.key, m.call_pos FROM unnest($1::text[]) AS k (key) CROSS JOIN LATERAL"
    " (SELECT call_pos, group_id FROM membership WHERE part = 0 AND user_key = k.key ORDER BY pos DESC LIMIT 1) m WHERE m.group_id <> $2"
)


DO_NOT_COUNT = (
    f"SELECT a.destination, a.pos FROM {ASKED} CROSS JOIN LATERAL"
    " (SELECT 1 FROM supply WHERE part = 0 AND destination = a.destination AND pos = a.pos LIMIT 1) s"
)
OF_REFUSED = ("state", "reason", "detail", "at")
"""What is told of a group call that does not count."""


class Want(NamedTuple):
    """What a lane waits for."""

    destination: str
    needs: tuple[str, str]
    reason: str
    group_id: str
    refused_pos: int  #: the call that does not count, where the lane knows it; it does not know of one that came after its events


async def waits_of(connection: Connection, blocks: Blocks, states: Mapping[Ask, str]) -> dict[Ask, dict[str, Any]]:
    """What is to be said beside the state of each of these events: see `router/store/sqlite/queries/waits.py`."""
    keys = await _user_keys(connection, blocks, states)
    timers = {
        (destination, key): timers_told(n, due_at)
        for destination, key, n, due_at in await connection.fetch(TIMERS, *_pairs(keys))
    }
    wait = {ask: state for ask, state in states.items() if state in (*ON_THEIR_WAY, EventState.HELD)}
    said = await _waits(connection, blocks, wait, keys)
    return {
        ask: said.get(ask, {}) | timers.get((ask[0], keys[ask]), {}) if ask in keys else {} for ask in states
    }  # fmt: skip


async def _waits(
    connection: Connection, blocks: Blocks, states: Mapping[Ask, str], keys: Mapping[Ask, str]
) -> dict[Ask, dict[str, Any]]:
    asks = {ask: keys[ask] for ask in states if ask in keys}
    if not asks:
        return {}
    lanes = {(row[0], row[1]): tuple(row)[2:] for row in await connection.fetch(LANES, *_pairs(asks))}
    of_ask = {ask: lanes[ask[0], key] for ask, key in asks.items() if (ask[0], key) in lanes}
    told: dict[Ask, dict[str, Any]] = {}
    queued: dict[Ask, str] = {}
    wants: dict[Ask, Want] = {}
    for ask, (need, also, reason, group_id, due_at, refused_pos) in of_ask.items():
        if states[ask] == EventState.RETRYING:
            told[ask] = {"next_attempt_at": to_iso(due_at) if due_at else None}
        elif states[ask] == EventState.QUEUED:
            queued[ask] = asks[ask]
        else:
            wants[ask] = Want(ask[0], (need, also), reason, group_id, refused_pos)
    told |= await _behind(connection, blocks, queued)
    if wants:
        calls = await group_calls_of(connection, blocks, list(wants.values()))
        told |= dict(zip(wants, calls, strict=True))
    return told


async def _user_keys(connection: Connection, blocks: Blocks, asks: Collection[Ask]) -> dict[Ask, str]:
    """Whose lane each of these events stands in, or would stand in."""
    rows = await connection.fetch(KEYS, *columns(asks))
    found = {(destination, pos): key for destination, pos, key in rows}
    left = [ask for ask in asks if ask not in found and ask[1] > 0]
    events = await accepted_at(connection, blocks, {pos for _, pos in left})
    return found | {ask: events[ask[1]].user_key for ask in left if ask[1] in events}


async def _behind(connection: Connection, blocks: Blocks, keys: Mapping[Ask, str]) -> dict[Ask, dict[str, Any]]:
    """Of each of these events, with whose lane it stands in, the first event of the lane that is to go out before it."""
    if not keys:
        return {}
    rows = await connection.fetch(BEHIND, *columns(keys), list(keys.values()), ORDER_KEY_STEP)
    ids = await message_ids(connection, blocks, [(row["destination"], row["first"]) for row in rows])
    told = {}
    for destination, pos, first, state, reason, due_at in rows:
        one = {"message_id": ids.get((destination, first)), "state": state, "reason": reason}
        if state == EventState.HELD:
            one |= {"state": EventState.QUEUED, "reason": RELEASED}
        next_at = to_iso(due_at) if due_at and state == EventState.RETRYING else None
        told[destination, pos] = {"behind": {**one, "next_attempt_at": next_at}}
    return told


async def group_calls_of(connection: Connection, blocks: Blocks, wants: Sequence[Want]) -> list[dict[str, Any]]:
    """For each of these lanes the calls that were accepted and did not open its gate: see `router/store/sqlite/queries/waits.py`."""
    found = await _calls_for(connection, wants)
    calls: list[list[Ask]] = [
        [
            (want.destination, pos)
            for need in _openers(want.needs)
            if (pos := found.get((need, want.reason, want.group_id)))
        ]
        for want in wants
    ]
    known = {(want.destination, want.refused_pos) for want in wants if want.refused_pos}
    fates = await fates_of(connection, known.union(*calls))
    states = {ask: fate["state"] for ask, fate in fates.items() if fate["state"] in ON_THEIR_WAY}
    others = known.union(*calls).difference(states)
    void = (
        known | {(row[0], row[1]) for row in await connection.fetch(DO_NOT_COUNT, *columns(others))}
        if others
        else known
    )
    ids = await message_ids(connection, blocks, void.union(states))
    said = await _waits(connection, blocks, states, await _user_keys(connection, blocks, states))
    told: list[dict[str, Any]] = []
    for want, asks in zip(wants, calls, strict=True):
        one: dict[str, Any] = {}
        call = next((ask for ask in asks if ask in states), None)
        if call is not None:
            words = {"message_id": ids.get(call), "state": states[call], "reason": fates[call]["reason"]}
            one["group_call"] = words | said.get(call, {})
        before = asks[: asks.index(call)] if call is not None else asks
        refused = [(want.destination, want.refused_pos)] if want.refused_pos else [ask for ask in before if ask in void]
        if refused:
            fate = fates.get(refused[0], {})
            one["refused"] = {"message_id": ids.get(refused[0]), **{word: fate.get(word) for word in OF_REFUSED}}
        told.append(one)
    return told


def _openers(needs: tuple[str, str]) -> list[str]:
    """Beside a certain call, or a trait of a group, a call of the user opens the gate only if an earlier one was refused."""
    return [need for need in (needs[:1] if needs[0].startswith(("c:", "g:")) else needs) if need]


async def _calls_for(connection: Connection, wants: Sequence[Want]) -> dict[tuple[str, str, str], int]:
    """By (need, reason, group) the position of the newest call that tells what a lane waits for."""
    asked = {(need, want.reason, want.group_id) for want in wants for need in _openers(want.needs)}
    groups = {group_id for need, _, group_id in asked if need.startswith("g:")}
    people = {need for need, _, _ in asked if not need.startswith(("c:", "g:"))}
    sql = "SELECT group_id, since FROM company WHERE part = 0 AND group_id = ANY($1::text[])"
    since = dict(await connection.fetch(sql, list(groups))) if groups else {}
    newest = dict(await connection.fetch(NEWEST_CALLS, list(people), NO_GROUP)) if people else {}
    found: dict[tuple[str, str, str], int] = {}
    for need, reason, group_id in asked:
        if need.startswith("c:"):
            pos = int(need[2:])
        elif need.startswith("g:"):
            told: dict[str, int] = msgspec.json.decode(since.get(group_id, b"{}"))
            pos = told.get(reason.removeprefix("group_").removesuffix("_unknown"), 0)
        else:
            pos = newest.get(need, 0)
        found[need, reason, group_id] = pos
    return found


def _pairs(keys: Mapping[Ask, str]) -> tuple[list[str], list[str]]:
    """The different (destination, user key) of these, as two arrays."""
    pairs = {(destination, key) for (destination, _), key in keys.items()}
    return [destination for destination, _ in pairs], [key for _, key in pairs]


async def timers_of(connection: Connection, destination: str, user_key: str | None = None) -> dict[str, Any]:
    """How many timers are set, of all users or of one, and when the next is due."""
    sql = f"SELECT count(*), min(due_at) FROM timer WHERE {HERE} AND ($2::text IS NULL OR user_key = $2)"
    return timers_told(*await connection.fetchrow(sql, destination, user_key))


async def released(connection: Connection, destination: str) -> tuple[int, int]:
    """Events in the held queue of lanes whose gate has opened, or is being asked again: they are queued, and held no longer. First those that
    the seven of the ledger count, then second sendings."""
    row = await connection.fetchrow(
        f"SELECT count(*) FILTER (WHERE pos > 0), count(*) FILTER (WHERE pos < 0) FROM (SELECT p.pos FROM (SELECT user_key FROM lane WHERE {HERE} AND mode IN ('waiting', 'retry')"
        "  AND due_at IS NOT NULL AND held > 0 AND need = '' LIMIT $2) l JOIN parked p ON p.part = 0 AND p.destination = $1"
        "  AND p.user_key = l.user_key AND p.queue = 'held' WHERE p.state = 'held' LIMIT $2) counted",
        destination, RELEASED_COUNTED,
    )  # fmt: skip
    return row[0], row[1]
