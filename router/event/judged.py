"""The verdict of a tracking plan in the envelope of a stored call. The call itself stays as it was received.

The two marks stand first in the envelope, so that the beginning of a body says whether it is blocked.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from router.event.envelope import Call, Envelope, read_envelope
from router.plans import Verdict

_BLOCKED, _FORWARDED = b'{"b":true', b'{"f":true'
_MARKED = (_BLOCKED, _FORWARDED, b'{"v":')


def is_marked(body: bytes) -> bool:
    """Whether a plan, or the router itself, has said something of this call."""
    return body.startswith(_MARKED)


def is_blocked(body: bytes) -> bool:
    """Whether the plan of its source keeps this call from every destination."""
    return body.startswith(_BLOCKED)


VIOLATIONS_USER = "schema-violations"
"""The userId of forwarded violations, as Segment has it."""
TOLD_ID = "eventMessageID"
"""The property of a forwarded violation that names the call which it tells of."""


def is_forwarded(body: bytes) -> bool:
    """Whether the router made this call of another one: it is held against no plan."""
    return body.startswith(_FORWARDED)


def tells_nothing(body: bytes) -> bool:
    """Whether the directory learns nothing from this call."""
    return body.startswith((_BLOCKED, _FORWARDED))


def verdict_of(body: bytes) -> Verdict | None:
    """What the plan said of a call when it was accepted; None where it said nothing."""
    return read_envelope(body.partition(b"\n")[0]).verdict if is_marked(body) else None


def with_verdict(body: bytes, verdict: Verdict | None, *, is_forwarded: bool = False) -> bytes:
    """The stored call with this verdict in place of any other one; the bytes of the call and of its context stay the same."""
    if is_marked(body):
        body = _without_verdict(body)
    marks: dict[str, Any] = {}
    if is_forwarded:
        marks["f"] = True
    elif verdict is not None and verdict.is_blocked:
        marks["b"] = True
    if verdict is not None and not verdict.says_nothing:
        marks["v"] = verdict
    if not marks:
        return body
    rest = body[1:] if body.startswith(b"{}") else b"," + body[1:]
    return msgspec.json.encode(marks).replace(b"\n", b" ")[:-1] + rest


def _without_verdict(body: bytes) -> bytes:
    line, _, raw = body.partition(b"\n")
    envelope = read_envelope(line)
    return msgspec.structs.replace(envelope, is_blocked=False, is_forwarded=False, verdict=None).line() + raw


def made_call(source: str, message_id: str, received_at: int, user_id: str, call: Mapping[str, Any]) -> Call:
    """A track call that the router makes itself."""
    raw = msgspec.json.encode({"type": "track", "userId": user_id, "messageId": message_id, **call})
    body = with_verdict(Envelope().line() + raw, None, is_forwarded=True)
    return Call(source, "track", message_id, f"u:{user_id}", received_at, body)


def without_told_id(body: bytes, ids: Collection[str]) -> bytes | None:
    """A forwarded violation without the message id of the call that it tells of, where that is one of these; else None."""
    envelope, _, raw = body.partition(b"\n")
    if not is_forwarded(body) or not any(id.encode() in raw for id in ids):
        return None
    call = msgspec.json.decode(raw)
    properties = call.get("properties")
    if not isinstance(properties, dict) or properties.get(TOLD_ID) not in ids:
        return None
    del properties[TOLD_ID]
    return envelope + b"\n" + msgspec.json.encode(call)
