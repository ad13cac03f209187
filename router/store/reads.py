"""What destinations read from the store on their way. Each function runs in a reading connection's thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import msgspec

from router.store import (
    HELD,
    PART,
    PLACES,
    Company,
    DeadRow,
    Known,
    LaneRow,
    Letters,
    Loaded,
    LogRow,
    Membership,
    ParkedRow,
    ReplayRow,
    SupplyRow,
)

_json = msgspec.json.decode

PARKED_COLUMNS = (
    "pos, user_key, queue, place, state, reason, parked_at, received_at, source, type, message_id, linked, given, body,"
    " items, made_by, attempts, first_at, origin"
)
DEAD_COLUMNS = (
    "pos, at, user_key, reason, detail, received_at, source, type, message_id, linked, body, items, made_by, attempts"
)
LANE_COLUMNS = "user_key, mode, need, reason, group_id, due_at, attempts, held, main, held_since, first_held, also"
PARKED_SLICE_BYTES = 1_000_000
LOOKED_THROUGH = 5_000
"""Positions of the log that one read of a replay looks through."""


def _list(values: Sequence[str]) -> str:
    return msgspec.json.encode(values).decode()


def log_rows(db: sqlite3.Connection, after: int, limit: int, max_bytes: int) -> list[LogRow]:
    """Events above a position, ascending, up to a count and about this many bytes."""
    rows: list[LogRow] = []
    size = 0
    cursor = db.execute(
        "SELECT pos, received_at, source, type, user_key, message_id, body FROM log WHERE pos > ? ORDER BY pos LIMIT ?",
        (after, limit),
    )
    for values in cursor:
        rows.append(LogRow(*values))
        size += len(values[-1])
        if size >= max_bytes:
            break
    cursor.close()  # an open statement would keep the WAL from being checkpointed
    return rows


def known(db: sqlite3.Connection, user_keys: Sequence[str], group_ids: Sequence[str]) -> Known:
    """Directory entries; users reached by a link, and groups reached by a membership, are loaded with them."""
    db.execute("BEGIN")
    try:
        found = Known({}, {}, {}, {})
        keys = list(dict.fromkeys(user_keys))
        anonymous = [key for key in keys if key.startswith("a:")]
        if anonymous:
            for key, pos, user_key in db.execute(
                "SELECT anonymous_key, pos, user_key FROM link WHERE part = ? AND anonymous_key IN"
                " (SELECT value FROM json_each(?)) ORDER BY anonymous_key, pos",
                (PART, _list(anonymous)),
            ):
                found.links.setdefault(key, []).append((pos, user_key))
                keys.append(user_key)
        for key, traits in db.execute(
            "SELECT user_key, traits FROM person WHERE part = ? AND user_key IN (SELECT value FROM json_each(?))",
            (PART, _list(keys)),
        ):
            found.people[key] = _json(traits)
        groups = set(group_ids)
        for key, pos, group_id, call_pos in db.execute(
            "SELECT user_key, pos, group_id, call_pos FROM membership WHERE part = ? AND user_key IN"
            " (SELECT value FROM json_each(?)) ORDER BY user_key, pos",
            (PART, _list(keys)),
        ):
            found.memberships.setdefault(key, []).append(Membership(pos, group_id, call_pos))
            groups.add(group_id)
        for group_id, traits, since in db.execute(
            "SELECT group_id, traits, since FROM company WHERE part = ? AND group_id IN (SELECT value FROM json_each(?))",
            (PART, _list(sorted(groups))),
        ):
            found.companies[group_id] = Company(_json(traits), _json(since))
        return found
    finally:
        db.execute("COMMIT")


def load(db: sqlite3.Connection, destination: str, user_keys: Sequence[str], state_keys: Sequence[str]) -> Loaded:
    """Lane rows and keyed state of these keys."""
    loaded = Loaded({}, {})
    if user_keys:
        for values in db.execute(
            f"SELECT {LANE_COLUMNS} FROM lane WHERE part = ? AND destination = ? AND user_key IN"
            " (SELECT value FROM json_each(?))",
            (PART, destination, _list(user_keys)),
        ):
            loaded.lanes[values[0]] = LaneRow(*values)
    if state_keys:
        for key, value in db.execute(
            "SELECT key, value FROM state WHERE part = ? AND destination = ? AND key IN (SELECT value FROM json_each(?))",
            (PART, destination, _list(state_keys)),
        ):
            loaded.state[key] = value
    return loaded


def parked(
    db: sqlite3.Connection, destination: str, wants: Sequence[tuple[str, str, int]], limit: int
) -> list[tuple[list[ParkedRow], bool]]:
    """For each (user key, queue, place): rows behind that place, in order, up to a count and about a megabyte, and whether
    there may be more."""
    return [_parked(db, destination, *want, limit) for want in wants]


def _parked(
    db: sqlite3.Connection, destination: str, user_key: str, queue: str, after: int, limit: int
) -> tuple[list[ParkedRow], bool]:
    rows: list[ParkedRow] = []
    size = 0
    cursor = db.execute(
        f"SELECT {PARKED_COLUMNS} FROM parked WHERE part = ? AND destination = ? AND user_key = ? AND queue = ?"
        " AND place > ? ORDER BY place LIMIT ?",
        (PART, destination, user_key, queue, after, limit),
    )
    for values in cursor:
        row = ParkedRow(*values)
        rows.append(row)
        size += len(row.body) + len(row.items or b"")
        if size >= PARKED_SLICE_BYTES:
            break
    cursor.close()
    return rows, size >= PARKED_SLICE_BYTES or len(rows) == limit


def due(db: sqlite3.Connection, destination: str, now_ms: int, limit: int) -> list[str]:
    """User keys of lanes whose time has come, longest due first."""
    rows = db.execute(
        "SELECT user_key FROM lane WHERE part = ? AND destination = ? AND due_at <= ? ORDER BY due_at LIMIT ?",
        (PART, destination, now_ms, limit),
    )
    return [row[0] for row in rows]


def held_since(db: sqlite3.Connection, destination: str, before_ms: int, limit: int) -> list[str]:
    """User keys of lanes that hold something since before an instant, longest first."""
    rows = db.execute(
        "SELECT user_key FROM lane WHERE part = ? AND destination = ? AND held > 0 AND held_since < ?"
        " ORDER BY held_since LIMIT ?",
        (PART, destination, before_ms, limit),
    )
    return [row[0] for row in rows]


def due_timers(db: sqlite3.Connection, destination: str, now_ms: int, limit: int) -> list[tuple[str, int, str]]:
    """Timers whose time has come: (state key, due, user key)."""
    return db.execute(
        "SELECT key, due_at, user_key FROM timer WHERE part = ? AND destination = ? AND due_at <= ? ORDER BY due_at LIMIT ?",
        (PART, destination, now_ms, limit),
    ).fetchall()


def next_due(db: sqlite3.Connection, destination: str, after_ms: int) -> int | None:
    """When the next lane or timer is due, later than this."""
    row = db.execute(
        "SELECT min(at) FROM (SELECT min(due_at) AS at FROM lane WHERE part = ?1 AND destination = ?2 AND due_at > ?3"
        " UNION ALL SELECT min(due_at) FROM timer WHERE part = ?1 AND destination = ?2 AND due_at > ?3)",
        (PART, destination, after_ms),
    ).fetchone()
    return None if row[0] is None else int(row[0])


def has_lanes(db: sqlite3.Connection, destination: str) -> bool:
    """Whether any lane has a row."""
    where = "part = ? AND destination = ?"
    return db.execute(f"SELECT 1 FROM lane WHERE {where} LIMIT 1", (PART, destination)).fetchone() is not None


def without_lane(
    db: sqlite3.Connection, destination: str, after: str, limit: int
) -> tuple[dict[str, tuple[int, int, int]], str | None]:
    """Of the next users with parked rows those who have no lane: held and main rows, and when the first one was held. And the
    last user looked at; None: there are no more."""
    users = db.execute(
        "WITH RECURSIVE user (key) AS (SELECT ?3 UNION ALL SELECT (SELECT min(user_key) FROM parked"
        "  WHERE part = ?1 AND destination = ?2 AND user_key > user.key) FROM user WHERE key IS NOT NULL LIMIT ?4 + 1)"
        " SELECT key, EXISTS (SELECT 1 FROM lane WHERE part = ?1 AND destination = ?2 AND user_key = key) FROM user"
        " WHERE key > ?3",
        (PART, destination, after, limit),
    ).fetchall()
    rows = "SELECT sum(queue = ?3), sum(queue <> ?3), coalesce(min(iif(queue = ?3, parked_at, NULL)), 0)"
    where = "part = ?1 AND destination = ?2 AND user_key = ?4"
    by_user = "FROM parked INDEXED BY parked_in_order"  # else SQLite reads every row of the destination
    lost = [key for key, has_lane in users if not has_lane]
    found = {
        key: db.execute(f"{rows} {by_user} WHERE {where}", (PART, destination, HELD, key)).fetchone() for key in lost
    }
    return found, users[-1][0] if len(users) == limit else None


def supplies(db: sqlite3.Connection, destination: str) -> list[SupplyRow]:
    """The group calls that do not supply at this destination."""
    rows = db.execute(
        "SELECT pos, user_key, group_id, missing, NOT EXISTS (SELECT 1 FROM parked p WHERE p.part = s.part"
        " AND p.destination = s.destination AND p.pos = s.pos) FROM supply s WHERE part = ? AND destination = ?",
        (PART, destination),
    ).fetchall()
    return [SupplyRow(pos, key, group_id, _json(missing), bool(dead)) for pos, key, group_id, missing, dead in rows]


def openings(db: sqlite3.Connection, destination: str) -> list[tuple[str, str]]:
    """Needs whose lanes were being opened, each with the last lane done."""
    return db.execute(
        "SELECT need, last_key FROM opening WHERE part = ? AND destination = ?", (PART, destination)
    ).fetchall()


def last_place(db: sqlite3.Connection, destination: str) -> int:
    """The highest place that stands between two events. What a timer returned has the negative of it as its position, also as a
    dead letter."""
    here = "WHERE part = ? AND destination = ?"
    row = db.execute(
        f"SELECT (SELECT max(place) FROM parked {here} AND place % {PLACES} <> 0), -(SELECT min(pos) FROM parked {here}),"
        f" -(SELECT min(pos) FROM dead {here})",
        (PART, destination) * 3,
    ).fetchone()
    return max(0, *(place or 0 for place in row))


# ---------------------------------------------------------------- dead letters and replays


def letters(db: sqlite3.Connection, destination: str, which: Letters, after: int, limit: int) -> list[DeadRow]:
    """Dead letters behind a position, up to a count and about a megabyte."""
    rows: list[DeadRow] = []
    size = 0
    cursor = db.execute(
        f"SELECT {DEAD_COLUMNS} FROM dead WHERE part = ? AND destination = ? AND pos > ? AND at >= ? AND at < ?"
        " AND (?6 IS NULL OR reason = ?6) ORDER BY pos LIMIT ?7",
        (PART, destination, after, which.since, which.until, which.reason, limit),
    )
    for values in cursor:
        rows.append(DeadRow(*values))
        size += rows[-1].size
        if size >= PARKED_SLICE_BYTES:
            break
    cursor.close()
    return rows


def count_letters(db: sqlite3.Connection, destination: str, which: Letters) -> int:
    """How many dead letters there are of this kind."""
    row = db.execute(
        "SELECT count(*) FROM dead WHERE part = ? AND destination = ? AND at >= ? AND at < ? AND (?5 IS NULL OR reason = ?5)",
        (PART, destination, which.since, which.until, which.reason),
    ).fetchone()
    return int(row[0])


def oldest_letters(db: sqlite3.Connection, destination: str, limit: int) -> list[tuple[int, int, int]]:
    """The dead letters that died first: (position, when, bytes)."""
    return db.execute(
        "SELECT pos, at, length(body) + coalesce(length(items), 0) + length(detail) FROM dead"
        " WHERE part = ? AND destination = ? ORDER BY at LIMIT ?",
        (PART, destination, limit),
    ).fetchall()


def span(db: sqlite3.Connection, since_ms: int, until_ms: int) -> tuple[int, int]:
    """The retained events accepted in this time: (behind this position, up to this one)."""
    return _last_before(db, since_ms), _last_before(db, until_ms)


def _last_before(db: sqlite3.Connection, at_ms: int) -> int:
    """Position of the last event accepted before an instant, by bisection: time goes with position."""
    low, high = db.execute("SELECT coalesce(min(pos), 1) - 1, coalesce(max(pos), 0) FROM log").fetchone()
    while low < high:
        middle = (low + high + 1) // 2
        found = db.execute("SELECT received_at FROM log WHERE pos >= ? ORDER BY pos LIMIT 1", (middle,)).fetchone()
        if found[0] < at_ms:
            low = middle
        else:
            high = middle - 1
    return int(low)


def settled_rows(
    db: sqlite3.Connection, destination: str, after: int, last: int, types: Sequence[str], limit: int
) -> tuple[list[LogRow], dict[int, DeadRow], frozenset[int], int]:
    """Events of a span without a parked row, also of a second sending; the dead letters among them, the positions that were
    sent late before, and how far the log was looked through."""
    upto = min(last, after + LOOKED_THROUGH)
    found = db.execute(
        "SELECT pos, received_at, source, type, user_key, message_id, body FROM log WHERE pos > ?1 AND pos <= ?2"
        " AND type IN (SELECT value FROM json_each(?3)) AND NOT EXISTS"
        " (SELECT 1 FROM parked p WHERE p.part = ?4 AND p.destination = ?5 AND p.pos = log.pos) AND NOT EXISTS"
        " (SELECT 1 FROM parked p WHERE p.part = ?4 AND p.destination = ?5 AND p.origin = log.pos AND p.origin <> 0)"
        " ORDER BY pos LIMIT ?6",
        (after, upto, _list(types), PART, destination, limit),
    ).fetchall()
    rows = [LogRow(*values) for values in found]
    if len(rows) == limit:
        upto = rows[-1].pos
    dead = db.execute(
        f"SELECT {DEAD_COLUMNS} FROM dead WHERE part = ? AND destination = ? AND pos > ? AND pos <= ?",
        (PART, destination, after, upto),
    )
    late = db.execute(
        "SELECT pos FROM outcome WHERE part = ? AND destination = ? AND pos > ? AND pos <= ?",
        (PART, destination, after, upto),
    )
    return rows, {values[0]: DeadRow(*values) for values in dead}, frozenset(pos for (pos,) in late), upto


def replay(db: sqlite3.Connection, destination: str) -> ReplayRow | None:
    """The newest replay of a destination."""
    row = db.execute("SELECT job FROM replay WHERE part = ? AND destination = ?", (PART, destination)).fetchone()
    return None if row is None else msgspec.json.decode(row[0], type=ReplayRow)
