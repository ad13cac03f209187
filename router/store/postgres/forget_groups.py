"""What the directory knows of groups that are forgotten. An event is a group's if it names it as its own; what its members did beside that
is theirs, and stays."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

import msgspec

from router.store.postgres.database import Connection
from router.store.regulation import Regulation
from router.store.rows import NO_GROUP

OF_THESE = "part = 0 AND group_id = ANY($1::text[]) AND call_pos <= $2"
SLICE = 500
"""Memberships that one transaction erases. Appends wait meanwhile."""


class Members(NamedTuple):
    """Who belonged to groups."""

    keys: list[str]  #: user keys, and the anonymousIds that were joined to them
    memberships: list[tuple[str, int]]  #: user key, and since which position


async def find_members(connection: Connection, regulation: Regulation) -> Members:
    """Who belonged to the groups that are forgotten, by the calls up to the demand. Reads every membership."""
    sql = f"SELECT user_key, pos FROM membership WHERE {OF_THESE}"
    rows = await connection.fetch(sql, sorted(regulation.groups), regulation.bound)
    users = list(dict.fromkeys(row[0] for row in rows))
    joined = await connection.fetch(
        "SELECT DISTINCT anonymous_key FROM link WHERE part = 0 AND user_key = ANY($1::text[])", users
    )
    return Members([*users, *(row[0] for row in joined)], [(row[0], row[1]) for row in rows])


async def names_of(connection: Connection, groups: Collection[str]) -> list[str]:
    """The names of these groups, where they are known, written as keys are."""
    sql = "SELECT traits FROM company WHERE part = 0 AND group_id = ANY($1::text[])"
    found = [msgspec.json.decode(row[0]).get("name") for row in await connection.fetch(sql, sorted(groups))]
    return [f"g:{name.strip()}" for name in found if isinstance(name, str) and name.strip()]


async def erase_traits(connection: Connection, groups: Collection[str]) -> int:
    """What is known of them. Returns how many rows that were."""
    sql = "DELETE FROM company WHERE part = 0 AND group_id = ANY($1::text[])"
    return int((await connection.execute(sql, sorted(groups))).rpartition(" ")[2])


async def erase_memberships(connection: Connection, found: Sequence[tuple[str, int]], regulation: Regulation) -> int:
    """Those of these that are theirs still. Returns how many that were. That a user belonged to some group stays: else the group that
    they left for this one would be theirs again. The directory is written only while the head row is held."""
    await connection.execute("SELECT 1 FROM head WHERE part = 0 FOR UPDATE")
    told = await connection.execute(
        f"UPDATE membership m SET group_id = $3 FROM unnest($4::text[], $5::bigint[]) AS these (key, at) WHERE {OF_THESE}"
        " AND m.user_key = these.key AND m.pos = these.at",
        sorted(regulation.groups), regulation.bound, NO_GROUP, [key for key, _ in found], [pos for _, pos in found],
    )  # fmt: skip
    return int(told.rpartition(" ")[2])
