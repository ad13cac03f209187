"""What the directory knows of groups that are forgotten, and how their events are told from others: no column has their group.

An event is a group's if it names it as its own. What its members did beside that is theirs, and stays.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

import msgspec

from router.event import named_groups
from router.store.regulation import Regulation
from router.store.rows import NO_GROUP, PART
from router.store.sqlite.event_columns import key_list

MAY_NAME_ONE = "(instr(body, CAST('groupId' AS BLOB)) OR instr(body, CAST('\\u' AS BLOB)))"
"""All other bodies need not be opened. JSON can spell any key with escapes."""
THESE = "(SELECT value FROM json_each(:groups))"
OF_THESE = f"part = :part AND group_id IN {THESE} AND call_pos <= :bound"
SLICE = 2_000
"""Memberships that one transaction erases: 26 ms of processor time, measured. The answer to a demand waits for all of them."""


class Members(NamedTuple):
    """Who belonged to groups."""

    keys: list[str]  #: user keys, and the anonymousIds that were joined to them
    memberships: list[tuple[str, int]]  #: user key, and since which position


def find_members(db: sqlite3.Connection, regulation: Regulation) -> Members:
    """Who belonged to the groups that are forgotten, by the calls up to the demand. Reads every membership and
    link (0.7 s for a million of each, measured at a load average of 7), so in a reading connection's thread."""
    values = {"part": PART, "groups": key_list(sorted(regulation.groups)), "bound": regulation.bound}
    rows = db.execute(f"SELECT user_key, pos FROM membership WHERE {OF_THESE}", values).fetchall()
    users = list(dict.fromkeys(key for key, _ in rows))
    joined = db.execute(
        "SELECT DISTINCT anonymous_key FROM link WHERE part = ? AND user_key IN (SELECT value FROM json_each(?))",
        (PART, key_list(users)),
    )
    return Members([*users, *(key for (key,) in joined)], rows)


def names_of(db: sqlite3.Connection, groups: Collection[str]) -> list[str]:
    """The names of these groups, where they are known, written as keys are."""
    sql = f"SELECT traits FROM company WHERE part = :part AND group_id IN {THESE}"
    rows = db.execute(sql, {"part": PART, "groups": key_list(sorted(groups))})
    found = [msgspec.json.decode(traits).get("name") for (traits,) in rows]
    return [f"g:{name.strip()}" for name in found if isinstance(name, str) and name.strip()]


def erase_traits(db: sqlite3.Connection, groups: Collection[str]) -> int:
    """What is known of them. Returns how many rows that were."""
    values = {"part": PART, "groups": key_list(sorted(groups))}
    return db.execute(f"DELETE FROM company WHERE part = :part AND group_id IN {THESE}", values).rowcount


def erase_memberships(db: sqlite3.Connection, found: Sequence[tuple[str, int]], regulation: Regulation) -> int:
    """Those of these that are theirs still. Returns how many that were. That a user belonged to some group stays: else the group that
    they left for this one would be theirs again."""
    here = {"part": PART, "groups": key_list(sorted(regulation.groups)), "bound": regulation.bound, "none": NO_GROUP}
    sql = f"UPDATE membership SET group_id = :none WHERE {OF_THESE} AND user_key = :key AND pos = :pos"
    return db.executemany(sql, [{**here, "key": key, "pos": pos} for key, pos in found]).rowcount


def logged_ids(db: sqlite3.Connection) -> Iterator[str]:
    """The groups that stored events name, as often as they do."""
    for table in ("log", "kept"):
        for (body,) in db.execute(f"SELECT body FROM {table} WHERE {MAY_NAME_ONE}"):
            yield from named_groups(body)
