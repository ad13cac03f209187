"""Look-ups in the directory, as of a position. Each function runs in a reading connection's thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import msgspec

from router.store.rows import MOST_REFUSED, PART, DirectorySnapshot, GroupProfile, IsRefused, Membership
from router.store.sqlite.event_columns import key_list

_json = msgspec.json.decode

MEMBERSHIP_AS_OF = "SELECT pos, group_id, call_pos FROM membership WHERE part = ? AND user_key = ? AND pos <= ? ORDER BY pos DESC LIMIT 1"
MEMBERSHIP_AFTER = (
    "SELECT pos, group_id, call_pos FROM membership WHERE part = ? AND user_key = ? AND pos > ? ORDER BY pos LIMIT 1"
)
LINK_AS_OF = (
    "SELECT pos, user_key FROM link WHERE part = ? AND anonymous_key = ? AND pos <= ? ORDER BY pos DESC LIMIT 1"
)
LINK_AFTER = "SELECT pos, user_key FROM link WHERE part = ? AND anonymous_key = ? AND pos > ? ORDER BY pos LIMIT 1"
# Measured: 4 us each. The form that asks for all keys in one statement gets a plan that reads every row of a key.


def known(
    db: sqlite3.Connection, asks: Sequence[tuple[str, int]], group_ids: Sequence[str], is_refused: IsRefused
) -> DirectorySnapshot:
    """Look up each (user key, position) by index; users reached by a link, and groups reached by a membership, with them."""
    db.execute("BEGIN")
    try:
        links, linked = _links(db, [ask for ask in asks if ask[0].startswith("a:")])
        every = sorted({*asks, *linked})
        memberships, groups = _memberships(db, every, is_refused)
        found = DirectorySnapshot({}, {}, memberships, links)
        for key, traits in db.execute(
            "SELECT user_key, traits FROM person WHERE part = ? AND user_key IN (SELECT value FROM json_each(?))",
            (PART, key_list(list(dict.fromkeys(key for key, _ in every)))),
        ):
            found.people[key] = _json(traits)
        for group_id, traits, since in db.execute(
            "SELECT group_id, traits, since FROM company WHERE part = ? AND group_id IN (SELECT value FROM json_each(?))",
            (PART, key_list(sorted({*groups, *group_ids}))),
        ):
            found.companies[group_id] = GroupProfile(_json(traits), _json(since))
        return found
    finally:
        db.execute("COMMIT")


def _links(
    db: sqlite3.Connection, asks: Sequence[tuple[str, int]]
) -> tuple[dict[str, list[tuple[int, str]]], set[tuple[str, int]]]:
    """For each (anonymous key, position) the link as of then and the first one after it; and the users these lead to, to be
    asked for at the same position."""
    found: dict[str, dict[int, str]] = {}
    linked: set[tuple[str, int]] = set()
    for key, pos in asks:
        for sql in (LINK_AS_OF, LINK_AFTER):
            if row := db.execute(sql, (PART, key, pos)).fetchone():
                found.setdefault(key, {})[row[0]] = row[1]
                linked.add((row[1], pos))
    return {key: sorted(rows.items()) for key, rows in found.items()}, linked


def _memberships(
    db: sqlite3.Connection, asks: Sequence[tuple[str, int]], is_refused: IsRefused
) -> tuple[dict[str, list[Membership]], set[str]]:
    """For each (user key, position), sorted: the memberships as of then and as of the position before, and the first one after
    it that counts; and the groups of those that may count for an event."""
    found: dict[str, dict[int, Membership]] = {}
    groups: set[str] = set()
    same_until: dict[str, int] = {}  # up to here the answers are those of the position asked for before
    for key, pos in asks:
        if pos < same_until.get(key, 0):
            continue
        current = _membership(db, MEMBERSHIP_AS_OF, key, pos)
        before = _membership(db, MEMBERSHIP_AS_OF, key, pos - 1) if current and current.pos == pos else None
        after, same_until[key] = _first_after(db, key, pos, is_refused)
        groups.update(m.group_id for m in (current, after) if m)
        rows = {m.pos: m for m in (before, current, after) if m}
        if rows:
            found.setdefault(key, {}).update(rows)
    return {key: [rows[pos] for pos in sorted(rows)] for key, rows in found.items()}, groups


def _first_after(db: sqlite3.Connection, key: str, pos: int, is_refused: IsRefused) -> tuple[Membership | None, int]:
    """The first membership after a position that counts, and where the next one of all stands."""
    after = _membership(db, MEMBERSHIP_AFTER, key, pos)
    if after is None:
        return None, 1 << 62
    next_pos = after.pos
    for _ in range(MOST_REFUSED):
        if after is None or after.counts(is_refused):
            return after, next_pos
        after = _membership(db, MEMBERSHIP_AFTER, key, after.pos)
    newest = _membership(db, MEMBERSHIP_AS_OF, key, 1 << 62)
    return newest if newest and newest.counts(is_refused) else None, next_pos


def _membership(db: sqlite3.Connection, sql: str, key: str, pos: int) -> Membership | None:
    row = db.execute(sql, (PART, key, pos)).fetchone()
    return None if row is None else Membership(*row)
