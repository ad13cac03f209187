"""Which groups a stored call names as its own: in its groupId, or in that of its context or of its batch's context."""

from __future__ import annotations

from router.event.envelope import decode_json, read_envelope
from router.event.keys import coerce_id


def named_groups(body: bytes) -> frozenset[str]:
    """The ids. `body`: as in `Call.body`, or what is left of a group call whose person was forgotten. Most calls name none and are
    not decoded."""
    if b"groupId" not in body and b"\\u" not in body:
        return frozenset()
    line, _, raw = body.partition(b"\n")
    call = decode_json(raw)
    contexts = (read_envelope(line).context, call.get("context"))
    given = [call.get("groupId"), *(one.get("groupId") for one in contexts if isinstance(one, dict))]
    return frozenset(id for id in map(coerce_id, given) if id is not None)
