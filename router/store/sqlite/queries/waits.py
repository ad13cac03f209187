"""What an event waits for at a destination: its next attempt, an earlier event of its user, a group call that is on its way."""

from __future__ import annotations

import sqlite3
from typing import Any

import msgspec

from router.clock import to_iso
from router.store.fate_words import RELEASED, timers_told
from router.store.rows import NO_GROUP, ORDER_KEY_STEP, PART
from router.store.sqlite.queries.fates import fate_of, message_id_at
from router.vocabulary import EventState

RELEASED_COUNTED = 10_000
"""So many released events are counted for a ledger, of as many lanes: 0.1 s. Further ones count as held until they have their turn."""
ON_THEIR_WAY = (EventState.QUEUED, EventState.RETRYING)
OF_REFUSED = ("state", "reason", "detail", "at")
"""What is told of a group call that does not count."""


def waits_of(db: sqlite3.Connection, destination: str, pos: int, state: str) -> dict[str, Any]:
    """What is to be said beside the state of an event:

    - `next_attempt_at` of one that is retrying;
    - `behind`, of one that is queued behind an earlier event of its user: that one;
    - `group_call`, of one that is held while the call that it waits for is on its way here: that call;
    - `refused`, of one that is held although a call came, which does not count here: that call;
    - `timers` of its user and `next_timer_at`, where any are set.
    """
    pos = _row_of(db, destination, pos)
    key = _user_key(db, destination, pos)
    if key is None:
        return {}
    timers = timers_of(db, destination, key)
    waits = _waits(db, destination, pos, key, state) if state in (*ON_THEIR_WAY, EventState.HELD) else {}
    return {**waits, **(timers if timers["timers"] else {})}


def _waits(db: sqlite3.Connection, destination: str, pos: int, key: str, state: str) -> dict[str, Any]:
    lane = db.execute(
        "SELECT need, also, reason, group_id, due_at, refused_pos FROM lane WHERE part = ? AND destination = ? AND user_key = ?",
        (PART, destination, key),
    ).fetchone()
    if lane is None:
        return {}
    need, also, reason, group_id, due_at, refused_pos = lane
    next_at = to_iso(due_at) if due_at else None
    if state == EventState.RETRYING:
        return {"next_attempt_at": next_at}
    if state == EventState.QUEUED:
        return _behind(db, destination, pos, key, next_at)
    return group_calls_of(db, destination, (need, also), reason, group_id, refused_pos)


def _row_of(db: sqlite3.Connection, destination: str, pos: int) -> int:
    """Where the row of an event stands that waits: of a second sending not where the event does."""
    sql = "SELECT pos FROM parked WHERE part = ? AND destination = ? AND origin = ? AND origin <> 0"
    row = db.execute(sql, (PART, destination, pos)).fetchone()
    return int(row[0]) if row else pos


def _user_key(db: sqlite3.Connection, destination: str, pos: int) -> str | None:
    """Whose lane an event stands in, or would stand in."""
    for sql, values in (
        ("SELECT user_key FROM parked WHERE part = ? AND destination = ? AND pos = ?", (PART, destination, pos)),
        ("SELECT user_key FROM log WHERE part = ? AND pos = ?", (PART, pos)),
    ):
        if row := db.execute(sql, values).fetchone():
            return str(row[0])
    return None


def _behind(db: sqlite3.Connection, destination: str, pos: int, key: str, due_at: str | None) -> dict[str, Any]:
    """The first event of the lane that is to go out before this one."""
    first = db.execute(
        "SELECT p.pos, p.state, p.reason FROM parked p JOIN lane l USING (part, destination, user_key)"
        " WHERE p.part = ?1 AND p.destination = ?2 AND p.user_key = ?3 AND (p.queue = 'main' OR l.need = '') AND p.place <"
        " coalesce((SELECT place FROM parked WHERE part = ?1 AND destination = ?2 AND pos = ?4), ?4 * ?5)"
        " ORDER BY p.place LIMIT 1",
        (PART, destination, key, pos, ORDER_KEY_STEP),
    ).fetchone()
    if first is None:
        return {}
    at, state, reason = first
    told = {"message_id": message_id_at(db, destination, at), "state": state, "reason": reason}
    if state == EventState.HELD:
        told |= {"state": EventState.QUEUED, "reason": RELEASED}
    return {"behind": {**told, "next_attempt_at": due_at if state == EventState.RETRYING else None}}


def group_calls_of(
    db: sqlite3.Connection, destination: str, needs: tuple[str, str], reason: str, group_id: str, refused_pos: int
) -> dict[str, Any]:
    """The calls that were accepted and did not open the gate of a lane: `group_call`, which is on its way here still; `refused`, which does
    not count here. `refused_pos`: the latter, where the lane knows it; it does not know of one that came after its events."""
    if needs[0].startswith(("c:", "g:")):
        needs = (needs[0], "")  # beside it, a call of the user opens the gate only if an earlier one was refused
    told: dict[str, Any] = {}
    refused = refused_call(db, destination, refused_pos) if refused_pos else None
    for need in filter(None, needs):
        pos = _call_for(db, need, reason, group_id)
        fate = fate_of(db, destination, pos) if pos else None
        if pos and fate and fate["state"] in ON_THEIR_WAY:
            call = {"message_id": message_id_at(db, destination, pos), "state": fate["state"], "reason": fate["reason"]}
            key = _user_key(db, destination, pos)
            told["group_call"] = {**call, **(_waits(db, destination, pos, key, fate["state"]) if key else {})}
            break
        if pos and refused is None and _does_not_count(db, destination, pos):
            refused = refused_call(db, destination, pos)
    return {**told, "refused": refused} if refused is not None else told


def refused_call(db: sqlite3.Connection, destination: str, pos: int) -> dict[str, Any]:
    """A group call that was refused or filtered here."""
    fate = fate_of(db, destination, pos) or {}
    return {"message_id": message_id_at(db, destination, pos), **{word: fate.get(word) for word in OF_REFUSED}}


def _does_not_count(db: sqlite3.Connection, destination: str, pos: int) -> bool:
    sql = "SELECT 1 FROM supply WHERE part = ? AND destination = ? AND pos = ?"
    return db.execute(sql, (PART, destination, pos)).fetchone() is not None


def _call_for(db: sqlite3.Connection, need: str, reason: str, group_id: str) -> int | None:
    """The position of the newest call that tells what a lane waits for (`lane.need` of schema.sql)."""
    if need.startswith("c:"):
        return int(need[2:])
    if need.startswith("g:"):
        row = db.execute("SELECT since FROM company WHERE part = ? AND group_id = ?", (PART, group_id)).fetchone()
        trait = reason.removeprefix("group_").removesuffix("_unknown")
        since: dict[str, int] = msgspec.json.decode(row[0]) if row else {}
        return since.get(trait)
    row = db.execute(
        "SELECT call_pos, group_id FROM membership WHERE part = ? AND user_key = ? ORDER BY pos DESC LIMIT 1",
        (PART, need),
    ).fetchone()
    return row[0] if row and row[1] != NO_GROUP else None


def timers_of(db: sqlite3.Connection, destination: str, user_key: str | None = None) -> dict[str, Any]:
    """How many timers are set, of all users or of one, and when the next is due."""
    sql = "SELECT count(*), min(due_at) FROM timer WHERE part = ? AND destination = ?"
    of_user = (
        (sql, (PART, destination)) if user_key is None else (f"{sql} AND user_key = ?", (PART, destination, user_key))
    )
    n, due_at = db.execute(*of_user).fetchone()
    return timers_told(n, due_at)


def released(db: sqlite3.Connection, destination: str) -> tuple[int, int]:
    """Events in the held queue of lanes whose gate has opened, or is being asked again: they are queued, and held no longer. First those that
    the seven of the ledger count, then second sendings."""
    n: int
    again: int
    n, again = db.execute(
        "SELECT coalesce(sum(pos > 0), 0), coalesce(sum(pos < 0), 0) FROM (SELECT p.pos AS pos FROM (SELECT user_key FROM lane INDEXED BY lane_for_due WHERE part = ?1"
        "  AND destination = ?2 AND mode IN ('waiting', 'retry') AND due_at IS NOT NULL AND held > 0 AND need = '' LIMIT ?3) l"
        " CROSS JOIN parked p INDEXED BY parked_in_order ON p.part = ?1 AND p.destination = ?2 AND p.user_key = l.user_key"
        " AND p.queue = 'held' WHERE p.state = 'held' LIMIT ?3)",
        (PART, destination, RELEASED_COUNTED),
    ).fetchone()
    return n, again
