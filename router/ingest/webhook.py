"""Segment's Webhooks destination as a source: its bodies, and the signature over them.

Its events have been through Segment already: they are complete, and their clocks are corrected. A body is one event or an
array of them. The signature of an array covers its first element only; the others are as good as the write key.

Source: https://segment.com/docs/connections/destinations/catalog/actions-webhook/
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Iterable

import msgspec

from router.errors import InvalidCall, TooLarge
from router.event import TYPES, Envelope, Notes
from router.ingest.json_checks import read_json
from router.ingest.json_items import count_items, decode_items
from router.ingest.limits import MAX_SIGNED_BYTES, MAX_STORED_BATCH_BYTES
from router.ingest.parse import Batch

WEBHOOK_TYPES = TYPES | {"delete"}
"""`delete` asks to forget a user. It is stored; no destination knows it, so each of them skips it."""

SIGNATURE = "X-Signature"

_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])


def parse_webhook(body: bytes) -> Batch:
    """Read an event, or an array of events. Raises InvalidCall."""
    is_array = body.lstrip(b" \t\r\n").startswith(b"[")
    # Also for an object: whatever it holds, its own JSON is skipped over here and judged with the others later.
    notes: Notes = []
    whole, items = read_json(body if is_array else b"[" + body + b"]", decode_items, notes)
    if not is_array and (len(items) != 1 or not bytes(items[0]).startswith(b"{")):
        raise InvalidCall("invalid_json", "the body is neither an object nor an array of objects")
    size = count_items(msgspec.Raw(whole), items)
    items = [msgspec.Raw(_settled(bytes(item))) for item in items]
    if sum(len(bytes(item)) for item in items) > MAX_STORED_BATCH_BYTES:
        raise TooLarge("the events are too large to be kept")
    return Batch(items, size, Envelope(), "", notes, WEBHOOK_TYPES)


def _settled(item: bytes) -> bytes:
    """The event with both instants, where it has the corrected one: who reads it then knows not to correct it again."""
    try:
        fields = _fields.decode(item)
    except (msgspec.DecodeError, RecursionError):  # judged later
        return item
    if "timestamp" not in fields or fields.get("originalTimestamp", msgspec.Raw(b"null")) != msgspec.Raw(b"null"):
        return item
    return msgspec.json.encode({**fields, "originalTimestamp": fields["timestamp"]})


def check_signature(body: bytes, signature: str, secrets: Iterable[str]) -> None:
    """Whether one of these secrets signed the body: more than one while they rotate.

    Raises: InvalidCall with status 401, which is final for the sender.
    """
    signed = first_element(body)
    given = signature.strip().lower().encode(errors="replace")
    # Every secret is tried, so that the time says nothing of which one it was.
    matches = [hmac.compare_digest(given, _sign(secret, signed)) for secret in secrets]
    if not any(matches):
        code = "invalid_signature" if signature else "missing_signature"
        raise InvalidCall(code, f"{SIGNATURE} must be the HMAC-SHA1 of the body, with a secret of this source", 401)


def _sign(secret: str, signed: bytes) -> bytes:
    return hmac.new(secret.encode(), signed, hashlib.sha1).hexdigest().encode()


_json = json.JSONDecoder(strict=False)
_ARRAY_START = re.compile(rb"[ \t\r\n]*\[[ \t\r\n]*")


def first_element(body: bytes) -> bytes:
    """The bytes that a signature covers: of an array the first element, exactly as it was sent; else the whole body."""
    start = _ARRAY_START.match(body)
    if start is None:
        return body
    if body.startswith(b"]", start.end()):
        return body
    window = body[start.end() : start.end() + MAX_SIGNED_BYTES]
    try:
        _, size = _json.raw_decode(window.decode("latin-1"))  # a character a byte, so that places are the same
    except (ValueError, RecursionError):
        raise InvalidCall(
            "invalid_json", f"the first element is not JSON, or larger than {MAX_SIGNED_BYTES} bytes"
        ) from None
    return window[:size]
