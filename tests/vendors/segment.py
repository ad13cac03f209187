"""An API that speaks Segment's, read strictly: the key, the limits of a batch, whole calls, and times that nobody corrects again."""

from __future__ import annotations

import base64
import json
from typing import Any

from router.event import TYPES
from router.testing.vendor import Reply
from tests.vendors.strict import Judged, Refused, Seen, Settings, StrictVendor, is_instant, is_text

MAX_BATCH_BYTES, MAX_EVENT_BYTES, MAX_EVENTS = 500_000, 32 * 1024, 2_500
OBJECTS = ("context", "integrations", "properties", "traits")


class SegmentVendor(StrictVendor):
    """Takes batches at /v1/batch."""

    def judge(self, seen: Seen, settings: Settings) -> Judged:
        """Path, key and size, then call by call."""
        if (seen.method, seen.url.removeprefix("/")) != ("POST", "v1/batch"):
            raise refused(404, "nothing at this path")
        key = base64.b64encode(f"{settings['write_key']}:".encode()).decode()
        if seen.headers.get("authorization") != f"Basic {key}":
            raise refused(401, "invalid write key")
        if seen.headers.get("content-type") != "application/json":
            raise refused(400, "the content is not JSON")
        if len(seen.body) > MAX_BATCH_BYTES:
            raise refused(400, "the batch is too large")
        body = decoded(seen.body)
        if set(body) != {"batch"} or not isinstance(body["batch"], list):
            raise refused(400, "a batch, and nothing beside it, is wanted")
        if not 0 < len(body["batch"]) <= MAX_EVENTS:
            raise refused(400, "a batch has 1 to 2,500 events")
        if words := tuple(f"event {at}: {word}" for at, call in enumerate(body["batch"]) if (word := fault(call))):
            return Judged(Reply(400, json={"success": False, "message": "; ".join(words)}), words)
        return Judged(Reply(200, json={"success": True}))


def refused(status: int, words: str) -> Refused:
    """A refusal of the whole request."""
    return Refused(words, Reply(status, json={"success": False, "message": words}))


def decoded(raw: bytes) -> dict[str, Any]:
    """The body as an object."""
    try:
        body = json.loads(raw)
    except ValueError:
        raise refused(400, "the body is not JSON") from None
    if not isinstance(body, dict):
        raise refused(400, "the body is not an object")
    return body


def fault(call: object) -> str:
    """What is wrong with a call; "" if nothing is."""
    if not isinstance(call, dict) or call.get("type") not in TYPES:
        return "no call of a known type"
    if len(json.dumps(call, ensure_ascii=False, separators=(",", ":")).encode()) > MAX_EVENT_BYTES:
        return "too large"
    if not is_text(call.get("messageId"), 100):
        return "no messageId"
    if not any(is_text(call.get(name)) for name in ("userId", "anonymousId", "groupId")):
        return "of nobody"
    if call["type"] == "track" and not is_text(call.get("event")):
        return "no name"
    if odd := [name for name in OBJECTS if name in call and not isinstance(call[name], dict)]:
        return f"{odd[0]} is not an object"
    if not all(is_instant(call.get(name)) for name in ("timestamp", "originalTimestamp")):
        return "not both instants"
    return next((f"{name} would move its time" for name in ("sentAt", "receivedAt", "writeKey") if name in call), "")
