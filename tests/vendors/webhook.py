"""A receiver of Segment's webhooks, read strictly: the headers it was promised, a signature that holds, and whole calls."""

from __future__ import annotations

import hashlib
import hmac
import json

from router.event import TYPES
from router.testing.vendor import Reply
from tests.vendors.strict import Judged, Refused, Seen, Settings, StrictVendor, is_instant, is_text

IDS = ("userId", "anonymousId", "groupId")
DELETE = "delete"
"""The type of a call that asks to delete a person or a group. It has an id and nothing else."""


class WebhookReceiver(StrictVendor):
    """Takes one call, or an array of them where the settings say so."""

    places = ("url",)

    def judge(self, seen: Seen, settings: Settings) -> Judged:
        """Headers, form and signature, then call by call."""
        if (seen.method, seen.url) != ("POST", ""):
            raise refused(404, "nothing at this path")
        for name, value in {"Content-Type": "application/json", **settings.get("headers", {})}.items():
            if seen.headers.get(name.lower()) != value:
                raise refused(400, f"the header {name} is wrong")
        try:
            body = json.loads(seen.body)
        except ValueError:
            raise refused(400, "the body is not JSON") from None
        batch = settings.get("batch", 1)
        calls = body if batch > 1 else [body]
        if not isinstance(calls, list) or not 0 < len(calls) <= batch:
            raise refused(400, f"1 to {batch} calls are taken, an array where it may be more than one")
        if seen.headers.get("x-signature") != signature(calls[0], settings.get("shared_secret", "")):
            raise refused(400, "the signature is wrong")
        if words := tuple(f"call {at}: {word}" for at, call in enumerate(calls) if (word := fault(call))):
            return Judged(Reply(400, body="; ".join(words).encode()), words)
        return Judged(Reply(200))


def refused(status: int, words: str) -> Refused:
    """A refusal of the whole request."""
    return Refused(words, Reply(status, body=words.encode()))


def signature(call: object, secret: str) -> str | None:
    """Segment's: of the (first) call as JavaScript writes it; none without a secret."""
    written = json.dumps(call, ensure_ascii=False, separators=(",", ":")).encode()
    return hmac.new(secret.encode(), written, hashlib.sha1).hexdigest() if secret else None


def fault(call: object) -> str:
    """What is wrong with a call; "" if nothing is."""
    if isinstance(call, dict) and call.get("type") == DELETE:
        ids = [name for name in IDS if is_text(call.get(name))]
        return "" if len(ids) == 1 and call.keys() == {"type", *ids} else "no deletion of one id, and nothing else"
    if not isinstance(call, dict) or call.get("type") not in TYPES:
        return "no call of a known type"
    if not is_text(call.get("messageId")):
        return "no messageId"
    if not any(is_text(call.get(name)) for name in IDS):
        return "of nobody"
    late = [name for name in ("timestamp", "originalTimestamp", "receivedAt") if not is_instant(call.get(name))]
    return f"no {late[0]}" if late else "a write key" if "writeKey" in call else ""
