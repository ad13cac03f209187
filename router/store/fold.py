"""Apply what a call tells the directory, inside the accepting transaction. Runs in the writing thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

import msgspec

from router.store import PART, Facts

MAX_TRAITS_BYTES = 32 * 1024
"""Merged traits of a user or group are cut to this, oldest traits first."""

_decode = msgspec.json.decode
_encode = msgspec.json.encode


def is_known(value: Any) -> bool:
    """Whether a trait's value tells anything: neither null nor blank text."""
    return value is not None and not (isinstance(value, str) and not value.strip())


def fold(db: sqlite3.Connection, pos: int, facts: Facts) -> None:
    """Merge traits, record a change of membership and a link, as of `pos`."""
    if facts.user_traits:
        _merge_person(db, facts.user_key, facts.user_traits)
    if facts.group_id is not None:
        _merge_company(db, pos, facts.group_id, facts.group_traits)
        if facts.joins:
            _join(db, facts.user_key, pos, facts.group_id, pos)
            if facts.user_key.startswith("a:"):
                _join_linked_user(db, facts.user_key, pos, facts.group_id)
    if facts.link is not None:
        _link(db, pos, *facts.link)
    if facts.former is not None:
        _inherit(db, pos, facts.former, facts.user_key)


def _merge_person(db: sqlite3.Connection, key: str, traits: Mapping[str, Any]) -> None:
    row = db.execute("SELECT traits FROM person WHERE part = ? AND user_key = ?", (PART, key)).fetchone()
    merged = _capped({**(_decode(row[0]) if row else {}), **traits})
    db.execute("INSERT OR REPLACE INTO person VALUES (?, ?, ?)", (PART, key, merged))


def _merge_company(db: sqlite3.Connection, pos: int, group_id: str, told: Mapping[str, Any]) -> None:
    row = db.execute("SELECT traits, since FROM company WHERE part = ? AND group_id = ?", (PART, group_id)).fetchone()
    traits, since = (_decode(row[0]), _decode(row[1])) if row else ({}, {})
    for name, value in told.items():
        if is_known(value) or name not in traits:
            traits[name] = value
        if is_known(value):
            since.setdefault(name, pos)
    capped = _capped(traits)  # drops traits that are too many
    values = (PART, group_id, capped, _encode({name: at for name, at in since.items() if name in traits}))
    db.execute("INSERT OR REPLACE INTO company VALUES (?, ?, ?, ?)", values)


def _join(db: sqlite3.Connection, key: str, pos: int, group_id: str, call_pos: int) -> None:
    current = _membership(db, key)
    if current is None or current[0] != group_id:
        db.execute("INSERT OR REPLACE INTO membership VALUES (?, ?, ?, ?, ?)", (PART, key, pos, group_id, call_pos))


def _join_linked_user(db: sqlite3.Connection, anonymous_key: str, pos: int, group_id: str) -> None:
    """A group call with only an anonymousId also speaks for the user it is linked to, if they have no group."""
    row = db.execute(
        "SELECT user_key FROM link WHERE part = ? AND anonymous_key = ? ORDER BY pos DESC LIMIT 1",
        (PART, anonymous_key),
    ).fetchone()
    if row is not None and _membership(db, row[0]) is None:
        _join(db, row[0], pos, group_id, pos)


def _link(db: sqlite3.Connection, pos: int, anonymous_key: str, user_key: str) -> None:
    row = db.execute(
        "SELECT user_key FROM link WHERE part = ? AND anonymous_key = ? ORDER BY pos DESC LIMIT 1",
        (PART, anonymous_key),
    ).fetchone()
    if row is not None and row[0] == user_key:
        return
    db.execute("INSERT OR REPLACE INTO link VALUES (?, ?, ?, ?)", (PART, anonymous_key, pos, user_key))
    _inherit(db, pos, anonymous_key, user_key)


def _inherit(db: sqlite3.Connection, pos: int, from_key: str, user_key: str) -> None:
    """Who has no group takes over that of the key that has become theirs."""
    earlier = _membership(db, from_key)
    if earlier is not None and _membership(db, user_key) is None:
        _join(db, user_key, pos, earlier[0], earlier[1])


def _membership(db: sqlite3.Connection, key: str) -> tuple[str, int] | None:
    row: tuple[str, int] | None = db.execute(
        "SELECT group_id, call_pos FROM membership WHERE part = ? AND user_key = ? ORDER BY pos DESC LIMIT 1",
        (PART, key),
    ).fetchone()
    return row


def _capped(values: dict[str, Any]) -> bytes:
    encoded = _encode(values)
    excess = len(encoded) - MAX_TRAITS_BYTES
    while excess > 0:
        for name in list(values):
            excess -= len(_encode({name: values.pop(name)})) - 1  # a comma in place of the two brackets
            if excess <= 0:
                break
        encoded = _encode(values)
        excess = len(encoded) - MAX_TRAITS_BYTES
    return encoded
