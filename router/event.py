"""What is accepted, and how it is read again.

Ingestion stores a call as one self-contained blob: a line of JSON (the envelope: what the call itself does not say), then
the call exactly as it was received. Nothing is decoded in full before a destination opens the event: `open_event` then
normalises it, so every rule about ids, instants and merging stands here and nowhere else.

Source: https://segment.com/docs/connections/spec/common/
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec

from router.clock import to_datetime, to_iso
from router.plugin import JSON, Event

TYPES = frozenset({"identify", "group", "track", "page", "screen", "alias"})
"""The call types there are."""

LONGEST_INSTANT = 64
"""In characters: a longer text is not read as an instant."""

HAS_TRAITS = frozenset({"identify", "group"})
HAS_PROPERTIES = frozenset({"track", "page", "screen"})


class Call(msgspec.Struct, gc=False):
    """One accepted call on its way into the store."""

    source: str
    type: str
    message_id: str
    user_key: str  #: kind and id: `u:7`, `a:7`, or `g:7` for a group call without any other id
    received_at: int  #: milliseconds since 1970
    body: bytes  #: the envelope's line, then the call as received


class Discard(msgspec.Struct, gc=False):
    """A call that was answered 200 and is nowhere: which one, and why."""

    source: str
    at: int  #: milliseconds since 1970
    code: str
    message: str
    message_id: str = ""
    type: str = ""
    excerpt: str = ""  #: the first words of the call, without its write key


# ---------------------------------------------------------------- ids


def coerce_id(value: JSON) -> str | None:
    """An id as a string: `7`, `7.0` and `" 7 "` are one user. None for what is absent or cannot be an id."""
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float) and math.isfinite(value):
        # repr is the shortest text that reads back as this float; Decimal spells it without an exponent.
        text = format(Decimal(repr(value)), "f")
        text = text.rstrip("0").rstrip(".") if "." in text else text
        return "0" if text == "-0" else text
    return None


_KINDS = {"user": "u:", "anonymous": "a:", "group": "g:"}
_NAMES = {key: name for name, key in _KINDS.items()}


def show_user_key(key: str) -> str:
    """A user key as people see it: `u:7` is `user:7`."""
    return f"{_NAMES[key[:2]]}:{key[2:]}"


def parse_user(text: str) -> str:
    """The user key of what an operator typed: `user:7`, `anonymous:7`, `group:7`, or just `7` for a user."""
    kind, colon, rest = text.partition(":")
    if colon and kind in _KINDS:
        return _KINDS[kind] + rest.strip()
    return "u:" + text.strip()


# ---------------------------------------------------------------- the stored blob


class Envelope(msgspec.Struct, omit_defaults=True):
    """What a stored call does not say itself. `context` and `integrations` are those of its batch, raw when written."""

    sent_at: str | None = msgspec.field(default=None, name="s")
    context: Any = msgspec.field(default=None, name="c")
    integrations: Any = msgspec.field(default=None, name="i")
    type: str | None = msgspec.field(default=None, name="t")  #: from the path of a single call
    message_id: str | None = msgspec.field(default=None, name="m")  #: assigned, where the sender gave none
    ip: str | None = msgspec.field(default=None, name="p")  #: the sender's, for context.ip of calls from devices

    def line(self) -> bytes:
        """The envelope as the first line of a stored body."""
        # A line break in valid JSON is white space between tokens, never part of a string, so this changes nothing else.
        return msgspec.json.encode(self).replace(b"\n", b" ") + b"\n"


_EMPTY = Envelope()
_envelope = msgspec.json.Decoder(Envelope)
_anything = msgspec.json.Decoder()


def decode_json(raw: bytes | msgspec.Raw) -> JSON:
    """Decode JSON that is known to be well-formed. A number that no float or int can hold becomes null."""
    try:
        return _anything.decode(raw)
    except msgspec.ValidationError:
        return _decode_leniently(bytes(raw))


def _decode_leniently(raw: bytes) -> JSON:
    return json.loads(raw, parse_float=_float_or_none, parse_int=_int_or_none)


def _float_or_none(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


def _int_or_none(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:  # more digits than Python is willing to convert
        return None


def _read_envelope(line: bytes) -> Envelope:
    if line == b"{}":
        return _EMPTY
    try:
        return _envelope.decode(line)
    except msgspec.ValidationError:  # a number out of range in the batch's context
        return msgspec.convert(_decode_leniently(line), Envelope)


# ---------------------------------------------------------------- opening


def open_event(
    source: str,
    type: str,
    message_id: str,
    received_at_ms: int,
    body: bytes,
    *,
    names: frozenset[str] = frozenset(),
    user_id: str | None = None,
) -> Event:
    """Decode and normalise a stored call.

    Args:
        body: as in `Call.body`.
        names: lower-cased names of the destination, to find its own object in `integrations`.
        user_id: the linked user, taken when the call itself has no userId.

    Never raises for a body that ingestion accepted.
    """
    line, _, raw = body.partition(b"\n")
    envelope = _read_envelope(line)
    call: dict[str, Any] = decode_json(raw)
    for forbidden in ("writeKey", "_metadata", "version"):
        call.pop(forbidden, None)
    call["type"] = type
    call["messageId"] = message_id
    own_user_id = _settle_id(call, "userId")
    if own_user_id is None and user_id is not None:
        call["userId"] = own_user_id = user_id
    context = call["context"] = _merged(envelope.context, call.get("context"))
    if envelope.ip and not context.get("ip") and _from_device(context):
        context["ip"] = envelope.ip
    integrations = call["integrations"] = _merged(envelope.integrations, call.get("integrations"))
    original, timestamp, received = _settle_instants(call, envelope.sent_at, received_at_ms)
    group_id = _settle_id(call, "groupId")
    previous_id = _settle_id(call, "previousId")
    name, category = _settle_names(call, type)
    return Event(
        type=type,
        message_id=message_id,
        source=source,
        user_id=own_user_id,
        anonymous_id=_settle_id(call, "anonymousId"),
        group_id=coerce_id(context.get("groupId")) if group_id is None and type != "group" else group_id,
        previous_id=previous_id if type == "alias" else None,
        name=name,
        category=category,
        traits=_settle_traits(call, type, context) if type in HAS_TRAITS else {},
        properties=_settle_object(call, "properties") if type in HAS_PROPERTIES else {},
        timestamp=timestamp,
        original_timestamp=original,
        received_at=received,
        options=_options(integrations, names) if names else {},
        payload=call,
    )


def _merged(shared: JSON, own: JSON) -> dict[str, Any]:
    """The batch's object and the call's, key by key, the call's own winning. Anything but an object counts as absent."""
    if not isinstance(own, dict):
        own = {}
    return {**shared, **own} if isinstance(shared, dict) else own


def _settle_id(call: dict[str, Any], key: str) -> str | None:
    """Bring one id into its form in the payload too; an absent or unusable one leaves it."""
    if key not in call:
        return None
    value = coerce_id(call[key])
    if value is None:
        del call[key]
    else:
        call[key] = value
    return value


def _settle_object(call: dict[str, Any], key: str) -> dict[str, Any]:
    value = call.get(key)
    if not isinstance(value, dict):
        value = call[key] = {}
    return value


def _settle_traits(call: dict[str, Any], type: str, context: Mapping[str, JSON]) -> dict[str, Any]:
    traits = _settle_object(call, "traits")
    if not traits and type == "identify" and isinstance(context.get("traits"), dict):
        # Some libraries put an identify's traits nowhere but under context.
        traits = call["traits"] = context["traits"]
    return traits


def _settle_names(call: dict[str, Any], type: str) -> tuple[str | None, str | None]:
    """Name and category; on pages and screens empty or non-string ones count as absent."""
    if type == "track":
        return call.get("event"), None
    if type not in ("page", "screen"):
        return None, None
    for key in ("name", "category"):
        if key in call and not (isinstance(call[key], str) and call[key]):
            del call[key]
    return call.get("name"), call.get("category")


_DEVICE_LIBRARY = re.compile(
    r"analytics\.js|javascript|jitsu/js|react-native|\b(ios|android|swift|kotlin|flutter|csharp|unity)\b", re.ASCII
)


def _from_device(context: Mapping[str, JSON]) -> bool:
    """Whether a browser or mobile library sent the call: only then is the connection's address the user's own."""
    library = context.get("library")
    name = library.get("name") if isinstance(library, dict) else None
    return context.get("direct") is True or (isinstance(name, str) and _is_device_library(name))


@lru_cache(maxsize=256)
def _is_device_library(name: str) -> bool:
    return _DEVICE_LIBRARY.search(name.lower().replace("_", "-")) is not None


def _options(integrations: Mapping[str, JSON], names: frozenset[str]) -> Mapping[str, JSON]:
    for name, value in integrations.items():
        if isinstance(value, dict) and name.lower() in names:
            return value
    return {}


# ---------------------------------------------------------------- instants


def _settle_instants(
    call: dict[str, Any], batch_sent_at: str | None, received_at_ms: int
) -> tuple[datetime, datetime, datetime]:
    """Original, corrected and received instant; the same, and sentAt, as text in the payload.

    The sender's clock is wrong by (receivedAt - sentAt), transport included; a call that carries both `timestamp` and
    `originalTimestamp` has been corrected already. One without any instant of its own happened when it was received.
    """
    received, call["receivedAt"] = at = _received(received_at_ms)
    stamp = _read(call.get("timestamp"))
    original = _read(call.get("originalTimestamp"))
    sent = _read(call.pop("sentAt", None)) or _read(batch_sent_at)
    if sent is not None:
        call["sentAt"] = sent[1]
    if original is None:
        original, corrected = (at, at) if stamp is None else (stamp, _corrected(stamp, sent, received))
    else:
        corrected = stamp or _corrected(original, sent, received)
    call["originalTimestamp"] = original[1]
    call["timestamp"] = corrected[1]
    return original[0], corrected[0], received


_Instant = tuple[datetime, str]
"""An instant and its text, which costs more to make than the rest of it: hence the two caches. The calls of a batch share
received and sent instants, and each destination opens the same calls."""


def _corrected(original: _Instant, sent: _Instant | None, received: datetime) -> _Instant:
    if sent is None:
        return original
    try:
        instant = received - (sent[0] - original[0])
    except OverflowError:
        return original
    return instant, show_instant(instant)


@lru_cache(maxsize=256)
def _received(ms: int) -> _Instant:
    return to_datetime(ms), to_iso(ms)


def _read(value: JSON) -> _Instant | None:
    return _read_text(value) if isinstance(value, str) and len(value) <= LONGEST_INSTANT else None


@lru_cache(maxsize=4096)
def _read_text(text: str) -> _Instant | None:
    instant = read_instant(text)
    return None if instant is None else (instant, show_instant(instant))


def read_instant(text: str) -> datetime | None:
    """An ISO 8601 instant in any precision and zone as aware UTC; without a zone it is UTC. None if unreadable."""
    try:
        instant = datetime.fromisoformat(text)
        if instant.tzinfo is UTC:
            return instant
        return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def show_instant(instant: datetime) -> str:
    """A UTC instant as `2026-01-02T03:04:05.678Z`."""
    return instant.isoformat(timespec="milliseconds")[:-6] + "Z"
