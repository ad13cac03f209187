"""Trim what is told of events beside the log: late outcomes, attempts, memberships that no event left asks for, and group calls that
nobody can ask for any more. Each function is a slice inside the caller's transaction. What somebody else is writing is left for the next one."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from router.store.postgres.database import Connection

MOST_ROWS = 8_000
KEPT_ATTEMPTS = 200_000
"""Attempts beyond this go before their time: a dry run writes one for each event, with what would be sent."""
USERS = 500
"""Memberships that one slice looks at. Appends wait meanwhile."""
LOOKED_AT = 20
"""Group calls that do not supply of which one slice looks whether anything still refers to them."""

OLDEST = (
    "SELECT least((SELECT pos + 1 FROM trim WHERE part = 0), min(oldest)) FROM (SELECT DISTINCT destination FROM unit WHERE part = 0) u"
    " CROSS JOIN LATERAL ("
    "SELECT min(pos) AS oldest FROM parked p WHERE p.part = 0 AND p.destination = u.destination AND p.pos > 0 UNION ALL"
    " SELECT min(origin) FROM parked p WHERE p.part = 0 AND p.destination = u.destination AND p.origin <> 0 UNION ALL"
    " SELECT min(pos) FROM dead d WHERE d.part = 0 AND d.destination = u.destination AND d.pos > 0) of_rows"
)
"""The position of the oldest event that is left anywhere."""


async def outcomes(connection: Connection, before_ms: int) -> int:
    """Late outcomes that are older than an instant. Returns how many went."""
    old = "SELECT ctid FROM outcome WHERE at < $1 ORDER BY at LIMIT $2 FOR UPDATE SKIP LOCKED"
    told = await connection.execute(f"DELETE FROM outcome WHERE ctid = ANY(ARRAY({old}))", before_ms, MOST_ROWS)
    return _rows(told)


async def attempts(connection: Connection, before_ms: int) -> int:
    """Attempts that are older than an instant, or too many. Returns how many went."""
    newest = await connection.fetchval("SELECT max(id) FROM attempt")
    if newest is None:
        return 0
    cut = 0
    for id, at in await connection.fetch("SELECT id, at FROM attempt ORDER BY id LIMIT $1", MOST_ROWS):
        if at >= before_ms and id > newest - KEPT_ATTEMPTS:
            break
        cut = id
    old = "SELECT id FROM attempt WHERE id <= $1 ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED"
    return _rows(await connection.execute(f"DELETE FROM attempt WHERE id IN ({old})", cut, MOST_ROWS))


async def memberships(connection: Connection, after: str) -> str:
    """Drop memberships that ended before the oldest event which is left anywhere, users in the order of their keys. The directory is
    written only while the head row is held. Returns the last user looked at; empty: it was the last of all."""
    last = await connection.fetchval(
        "SELECT max(user_key) FROM (SELECT user_key FROM membership WHERE part = 0 AND user_key > $1 ORDER BY user_key LIMIT $2) users",
        after,
        USERS,
    )
    if last is None:
        return ""
    oldest = await connection.fetchval(OLDEST)
    await connection.execute("SELECT 1 FROM head WHERE part = 0 FOR UPDATE")
    await connection.execute(
        "DELETE FROM membership m WHERE part = 0 AND user_key > $1 AND user_key <= $2 AND EXISTS (SELECT 1 FROM membership later"
        " WHERE later.part = 0 AND later.user_key = m.user_key AND later.pos > m.pos AND later.pos <= $3)",
        after, last, oldest,
    )  # fmt: skip
    return str(last)


async def group_calls(connection: Connection, after: tuple[str, int]) -> tuple[str, int]:
    """Forget group calls that do not supply where nobody can ask for them any more: their letter was dropped, and the directory has newer
    ones in their place. Returns the last one looked at; of nobody: it was the last of all."""
    found = await connection.fetch(
        "SELECT destination, pos, group_id, missing FROM supply WHERE part = 0 AND (destination, pos) > ($1, $2)"
        " ORDER BY destination, pos LIMIT $3 FOR UPDATE SKIP LOCKED",
        *after, LOOKED_AT,
    )  # fmt: skip
    for destination, pos, group_id, missing in found:
        if not await _is_asked_for(connection, destination, pos, group_id, msgspec.json.decode(missing)):
            sql = "DELETE FROM supply WHERE part = 0 AND destination = $1 AND pos = $2"
            await connection.execute(sql, destination, pos)
    return (found[-1][0], found[-1][1]) if len(found) == LOOKED_AT else ("", 0)


async def _is_asked_for(
    connection: Connection, destination: str, pos: int, group_id: str, missing: Sequence[str]
) -> bool:
    """Whether a group call is still to be sent, or the directory names it for a membership or as the first to tell a trait."""
    here = "part = 0 AND destination = $1 AND pos = $2"
    if await connection.fetchval(
        f"SELECT EXISTS (SELECT 1 FROM parked WHERE {here}) OR EXISTS (SELECT 1 FROM dead WHERE {here}) OR EXISTS"
        " (SELECT 1 FROM supply s JOIN membership m ON m.part = s.part AND m.user_key = s.user_key AND m.pos = s.pos"
        "  WHERE s.part = 0 AND s.destination = $1 AND s.pos = $2) OR EXISTS"
        " (SELECT 1 FROM membership WHERE part = 0 AND call_pos = $2 AND call_pos <> pos)",
        destination, pos,
    ):  # fmt: skip
        return True
    since = await connection.fetchval("SELECT since FROM company WHERE part = 0 AND group_id = $1", group_id)
    told = msgspec.json.decode(since) if since else {}
    return any(told.get(what) == pos for what in missing)


def _rows(told: str) -> int:
    """How many rows a statement has changed, as the database tells it."""
    return int(told.rpartition(" ")[2])
