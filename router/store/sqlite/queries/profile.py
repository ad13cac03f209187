"""What the directory knows of a person or a group, and what their lanes wait for. Every look-up goes by an index."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

import msgspec

from router.clock import to_iso
from router.event import show_user_key
from router.store.rows import NO_GROUP, PART
from router.store.sqlite.queries.waits import group_calls_of

_json = msgspec.json.decode
MOST_MEMBERSHIPS = 5
MOST_WAITING = 10_000
"""Lanes that are counted for one group at one destination: 5 ms."""


def profile(db: sqlite3.Connection, user_key: str) -> dict[str, Any]:
    """A person: traits, the user that an anonymousId was joined to, and the groups, newest first. Traits None: none are known."""
    row = db.execute("SELECT traits FROM person WHERE part = ? AND user_key = ?", (PART, user_key)).fetchone()
    joined = db.execute(
        "SELECT user_key FROM link WHERE part = ? AND anonymous_key = ? ORDER BY pos DESC LIMIT 1", (PART, user_key)
    ).fetchone()
    memberships = db.execute(
        "SELECT group_id, pos, call_pos FROM membership WHERE part = ? AND user_key = ? AND group_id <> ? ORDER BY pos DESC LIMIT ?",
        (PART, user_key, NO_GROUP, MOST_MEMBERSHIPS),
    ).fetchall()
    return {
        "traits": _json(row[0]) if row else None,
        "joined_to": show_user_key(joined[0]) if joined else None,
        "groups": [{"id": id, "name": name_of(db, id), **call_at(db, call)} for id, _, call in memberships],
    }


def is_known(db: sqlite3.Connection, user_key: str) -> bool:
    """Whether the directory knows of this person."""
    found = profile(db, user_key)
    return found["traits"] is not None or found["joined_to"] is not None or bool(found["groups"])


def group_profile(db: sqlite3.Connection, group_id: str, destinations: Sequence[str]) -> dict[str, Any] | None:
    """A group: traits, since when each is known, and by destination what waits for a trait of it; None where it is unknown."""
    row = db.execute("SELECT traits, since FROM company WHERE part = ? AND group_id = ?", (PART, group_id)).fetchone()
    if row is None:
        return None
    since: dict[str, int] = _json(row[1])
    first = call_at(db, min(since.values())) if since else {"message_id": None, "source": None, "since": None}
    waits = {name: found for name in destinations if (found := _waits_for(db, name, group_id))}
    return {"id": group_id, "traits": _json(row[0]), **first, "waits": waits}


def name_of(db: sqlite3.Connection, group_id: str) -> str | None:
    """The name of a group, where a call has told it."""
    row = db.execute("SELECT traits FROM company WHERE part = ? AND group_id = ?", (PART, group_id)).fetchone()
    name = _json(row[0]).get("name") if row else None
    return name if isinstance(name, str) and name.strip() else None


def call_at(db: sqlite3.Connection, pos: int) -> dict[str, Any]:
    """The call at a position: message id, source, and `since`, the instant of it; None where nothing is kept of it."""
    for table in ("log", "kept"):
        row = db.execute(
            f"SELECT message_id, source, received_at FROM {table} WHERE part = ? AND pos = ?", (PART, pos)
        ).fetchone()
        if row is not None and row[2] is not None:
            return {"message_id": row[0] or None, "source": row[1], "since": to_iso(row[2])}
    return {"message_id": None, "source": None, "since": None}


def lanes_of(
    db: sqlite3.Connection, keys: Sequence[str], destinations: Sequence[str]
) -> dict[str, list[dict[str, Any]]]:
    """By destination the lanes of these users in which something is held, and what each waits for:

    - `group_call`: the call that would open the gate and is on its way here;
    - `refused`: the call that does not count here, since it was refused or filtered;
    - `told`: the newest group call of the user, which lacks what the lane waits for.
    """
    return {name: found for name in destinations if (found := [lane for key in keys if (lane := _lane(db, name, key))])}


def _lane(db: sqlite3.Connection, destination: str, key: str) -> dict[str, Any] | None:
    row = db.execute(
        "SELECT need, also, reason, group_id, held, held_since, refused_pos FROM lane WHERE part = ? AND destination = ?"
        " AND user_key = ? AND held > 0 AND need <> ''",
        (PART, destination, key),
    ).fetchone()
    if row is None:
        return None
    need, also, reason, group_id, held, since, refused_pos = row
    told = {
        "user": show_user_key(key),
        "waiting_for": reason,
        "group_id": group_id or None,
        "group_name": name_of(db, group_id) if group_id else None,
        "events": held,
        "since": to_iso(since),
        **group_calls_of(db, destination, (need, also), reason, group_id, refused_pos),
    }
    if group_id and "refused" not in told:
        newest = db.execute(
            "SELECT call_pos FROM membership WHERE part = ? AND user_key = ? AND group_id = ? ORDER BY pos DESC LIMIT 1",
            (PART, key, group_id),
        ).fetchone()
        if newest is not None:
            told["told"] = call_at(db, newest[0])
    return told


def _waits_for(db: sqlite3.Connection, destination: str, group_id: str) -> dict[str, Any] | None:
    """How many events of how many users wait for a trait of this group."""
    users, events, since, reason = db.execute(
        "SELECT count(*), sum(held), min(held_since), max(reason) FROM (SELECT held, held_since, reason FROM lane INDEXED BY lane_for_need"
        " WHERE part = ? AND destination = ? AND need = ? AND need <> '' AND need <> user_key AND held > 0 LIMIT ?)",
        (PART, destination, f"g:{group_id}", MOST_WAITING),
    ).fetchone()
    return {"users": users, "events": events, "since": to_iso(since), "waiting_for": reason} if users else None
