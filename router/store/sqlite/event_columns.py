"""How a row that refers to an event is read together with it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec


def _of_event(name: str, nothing: str) -> str:
    return f"coalesce(l.{name}, k.{name}, w.{name}, {nothing}) AS {name}"


EVENT = ", ".join(
    (_of_event("received_at", "0"), *(_of_event(name, "''") for name in ("source", "type", "message_id")))
)
BODY = _of_event("body", "x''")
"""Of the event that a row refers to: in the log, kept from there, or returned by a timer. An event that is gone has no type."""
PARKED = (
    f"SELECT p.pos AS pos, p.user_key AS user_key, queue, place, state, reason, parked_at, {EVENT}, linked, given, {BODY}, items, made_by,"
    " attempts, first_at, origin FROM parked p LEFT JOIN log l ON l.pos = iif(p.origin = 0, p.pos, p.origin)"
    " LEFT JOIN kept k ON k.pos = iif(p.origin = 0, p.pos, p.origin)"
    " LEFT JOIN woken w ON w.part = p.part AND w.destination = p.destination AND w.pos = p.pos"
)
DEAD = (
    f"SELECT d.pos AS pos, at, d.user_key AS user_key, reason, detail, {EVENT}, linked, {BODY}, items, made_by, attempts, again FROM dead d"
    " LEFT JOIN log l ON l.pos = d.pos LEFT JOIN kept k ON k.pos = d.pos"
    " LEFT JOIN woken w ON w.part = d.part AND w.destination = d.destination AND w.pos = d.pos"
)


def key_list(values: Sequence[str] | Sequence[int]) -> str:
    """For `IN (SELECT value FROM json_each(?))`."""
    return msgspec.json.encode(values).decode()
