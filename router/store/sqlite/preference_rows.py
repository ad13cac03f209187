"""The latest consent of users, where it is followed: one row per user, with what each category says and since when."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

import msgspec

from router.store.rows import PART

MAX_CATEGORIES = 100
"""Categories that are kept of a user: those that were told of last, of one event those that it tells first."""
FORGOTTEN = 5_000
"""Rows that go in one transaction where consent is followed no more."""

Row = dict[str, tuple[bool, int]]
"""By category: whether it is given, and the position of the event since which that is so."""

_decoder = msgspec.json.Decoder(Row)
_encode = msgspec.json.encode

READ = "SELECT categories FROM consent WHERE part = ? AND user_key = ?"
NEWEST = "SELECT max(denied_at) FROM consent WHERE part = ? AND denied_at > 0"
LINKED = "SELECT user_key FROM link WHERE part = ? AND anonymous_key = ? ORDER BY pos DESC LIMIT 1"


def read(db: sqlite3.Connection, user_key: str) -> Row:
    """What is known of a user."""
    found = db.execute(READ, (PART, user_key)).fetchone()
    return _decoder.decode(found[0]) if found else {}


def tell(db: sqlite3.Connection, user_key: str, pos: int, told: Mapping[str, bool]) -> None:
    """A user says this as of a position. Nothing is written where they say what they said before."""
    known = read(db, user_key)
    changed = {id: given for id, given in told.items() if id not in known or known[id][0] is not given}
    if not changed:
        return
    now = {id: (given, pos) if id in changed else known[id] for id, given in told.items()}
    _write(db, user_key, now | {id: one for id, one in known.items() if id not in told})


def take_over(db: sqlite3.Connection, from_key: str, user_key: str, pos: int) -> None:
    """A user takes over what the key said that has become theirs at this position, of each category the newest. What it denied the
    user denies from here on."""
    theirs, own = read(db, from_key), read(db, user_key)
    newer = {
        id: (given, at if given else pos) for id, (given, at) in theirs.items() if id not in own or at > own[id][1]
    }
    if newer:
        _write(db, user_key, newer | {id: one for id, one in own.items() if id not in newer})


def _write(db: sqlite3.Connection, user_key: str, row: Row) -> None:
    """The newest of the row first."""
    row = dict(list(row.items())[:MAX_CATEGORIES])
    denied_at = max((pos for given, pos in row.values() if not given), default=0)
    db.execute("INSERT OR REPLACE INTO consent VALUES (?, ?, ?, ?)", (PART, user_key, _encode(row), denied_at))


def forget_slice(db: sqlite3.Connection) -> bool:
    """Drop some rows. False: there are none left."""
    keys = "SELECT user_key FROM consent WHERE part = ? LIMIT ?"
    gone = db.execute(f"DELETE FROM consent WHERE part = ? AND user_key IN ({keys})", (PART, PART, FORGOTTEN))
    return gone.rowcount == FORGOTTEN


# ---------------------------------------------------------------- asked by destinations


def denied(db: sqlite3.Connection, asks: Sequence[tuple[str, int]]) -> dict[tuple[str, int], frozenset[str]]:
    """For each (user key, position) the categories that the user denies by now, if any, where the newest of these denials stands
    behind the position. An anonymousId also denies what its user has denied later."""
    db.execute("BEGIN")
    try:
        newest = db.execute(NEWEST, (PART,)).fetchone()[0] or 0
        rows = {key: _denials(db, key) for key in {key for key, pos in asks if pos < newest}}
        return {
            (key, pos): frozenset(rows[key])
            for key, pos in asks
            if pos < newest and max(rows[key].values(), default=0) > pos
        }
    finally:
        db.execute("COMMIT")


def _denials(db: sqlite3.Connection, key: str) -> dict[str, int]:
    """What a user denies, with the position since which that is so."""
    row = read(db, key)
    if key.startswith("a:") and (linked := db.execute(LINKED, (PART, key)).fetchone()):
        for id, (given, pos) in read(db, linked[0]).items():
            if id not in row or row[id][1] < pos:
                row[id] = (given, pos)
    return {id: pos for id, (given, pos) in row.items() if not given}


def withdrawals(db: sqlite3.Connection, after: int, upto: int, limit: int) -> list[tuple[int, str]]:
    """(position, user key) of those whose newest denial stands in a span of the log, in order."""
    return db.execute(
        "SELECT denied_at, user_key FROM consent WHERE part = ? AND denied_at > 0 AND denied_at > ? AND denied_at <= ?"
        " ORDER BY denied_at, user_key LIMIT ?",
        (PART, after, upto, limit),
    ).fetchall()
