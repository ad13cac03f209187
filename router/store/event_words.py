"""What a search reads of a stored event, and how an event that it found is told. Pure: each store finds its own rows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from router.clock import to_iso
from router.event import coerce_id, decode_json, show_user_key
from router.event.envelope import read_envelope
from router.store.rows import LogRow

NOTHING_LEFT = b"{}\n{}"
"""Stands for a body of which nothing is left to send."""


class _Words(msgspec.Struct):
    """What is read of a call."""

    event: Any = None
    name: Any = None
    groupId: Any = None
    context: Any = None


_words = msgspec.json.Decoder(_Words)


def read_words(body: bytes) -> tuple[str | None, str | None]:
    """The name and the groupId of a stored call."""
    line, _, call = body.partition(b"\n")
    try:
        words = _words.decode(call)
    except msgspec.DecodeError:
        known = decode_json(call)
        words = msgspec.convert(known if isinstance(known, dict) else {}, _Words)
    name = words.event if words.event is not None else words.name
    groups = [words.groupId, _group_in(words.context), _group_in(read_envelope(line).context)]
    return name if isinstance(name, str) else None, next((found for found in map(coerce_id, groups) if found), None)


def _group_in(context: Any) -> Any:
    return context.get("groupId") if isinstance(context, dict) else None


def spelled(text: str) -> Sequence[bytes]:
    """A text as JSON libraries may spell it inside a body: with or without escapes."""
    plain = [json.dumps(text, ensure_ascii=ascii)[1:-1] for ascii in (False, True)]
    return list(dict.fromkeys(word.encode() for one in plain for word in (one, one.replace("/", "\\/"))))


def event_told(
    row: LogRow, name: str | None, group_id: str | None, fates: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """An event as searches show it. `fates`: what became of it, by destination."""
    return {
        "position": row.pos,
        "message_id": row.message_id,
        "source": row.source,
        "type": row.type,
        "name": name,
        "user": show_user_key(row.user_key) if row.user_key else None,
        "group_id": group_id,
        "received_at": to_iso(row.received_at) if row.received_at else None,
        "destinations": dict(fates),
    }
