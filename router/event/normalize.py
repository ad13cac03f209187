"""From a stored call to the event that destinations see: every rule about what a call means stands in this package.

Nothing is decoded in full before somebody asks for the event.

Source: https://segment.com/docs/connections/spec/common/
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from router.event.envelope import HAS_PROPERTIES, HAS_TRAITS, decode_json, read_envelope
from router.event.keys import coerce_id
from router.event.notes import Notes
from router.event.timestamps import correct_timestamps
from router.plugin import JSON, Event
from router.remembering import remembered

_FORBIDDEN = frozenset({"writeKey", "_metadata", "version"})
"""Keys of a call that no destination sees."""


def normalize_event(
    source: str,
    type: str,
    message_id: str,
    received_at_ms: int,
    body: bytes,
    *,
    names: frozenset[str] = frozenset(),
    user_id: str | None = None,
    notes: Notes | None = None,
) -> Event:
    """Decode and normalise a stored call.

    Args:
        body: as in `Call.body`.
        names: lower-cased names of the destination, to find its own object in `integrations`.
        user_id: the linked user, taken when the call itself has no userId.
        notes: gets what was mended, dropped or guessed.

    Never raises for a body that ingestion accepted.
    """
    notes = [] if notes is None else notes
    line, _, raw = body.partition(b"\n")
    envelope = read_envelope(line)
    call: dict[str, Any] = decode_json(raw)
    if not _FORBIDDEN.isdisjoint(call):
        for forbidden in _FORBIDDEN:
            call.pop(forbidden, None)
    call["type"] = type
    call["messageId"] = message_id
    own_user_id = _settle_id(call, "userId") if "userId" in call else None
    if own_user_id is None and user_id is not None:
        call["userId"] = own_user_id = user_id
    context = call["context"] = _merged(envelope.context, call, "context", notes)
    if envelope.ip and not context.get("ip") and _from_device(context):
        context["ip"] = envelope.ip
    integrations = call["integrations"] = _merged(envelope.integrations, call, "integrations", notes)
    original, timestamp, received = correct_timestamps(call, envelope.sent_at, received_at_ms, notes)
    group_id = _settle_id(call, "groupId") if "groupId" in call else None
    previous_id = _settle_id(call, "previousId") if "previousId" in call else None
    name, category = _settle_names(call, type)
    traits = _settle_traits(call, type, context) if type in HAS_TRAITS else {}
    properties = _settle_object(call, "properties") if type in HAS_PROPERTIES else {}
    if envelope.verdict is not None:
        envelope.verdict.apply(call, "traits" if type in HAS_TRAITS else "properties")
    event = Event(  # of 16 fields by keyword Python would make a dict first, which takes four times as long
        type=type,
        message_id=message_id,
        source=source,
        user_id=own_user_id,
        anonymous_id=_settle_id(call, "anonymousId") if "anonymousId" in call else None,
        group_id=coerce_id(context.get("groupId")) if group_id is None and type != "group" else group_id,
        previous_id=previous_id if type == "alias" else None,
        name=name,
        category=category,
        traits=traits,
        properties=properties,
        timestamp=timestamp,
        original_timestamp=original,
        received_at=received,
        payload=call,
    )
    options = options_for(integrations, names) if names else None
    return msgspec.structs.replace(event, options=options) if options else event


def _merged(shared: JSON, call: Mapping[str, JSON], key: str, notes: Notes) -> dict[str, Any]:
    """The batch's object and the call's, key by key, the call's own winning. Anything but an object counts as absent."""
    own = call.get(key)
    if not isinstance(own, dict):
        if own is not None:
            notes.append((key, "empty_list" if own == [] else "not_an_object"))
        own = {}
    return {**shared, **own} if isinstance(shared, dict) else own


def _settle_id(call: dict[str, Any], key: str) -> str | None:
    """Bring one id that is there into its form in the payload too; an unusable one leaves it."""
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


@remembered(256)
def _is_device_library(name: str) -> bool:
    return _DEVICE_LIBRARY.search(name.lower().replace("_", "-")) is not None


def options_for(integrations: Mapping[str, JSON], names: frozenset[str]) -> Mapping[str, JSON]:
    """A destination's own object in `integrations`, by its lower-case names."""
    for name, value in integrations.items():
        if isinstance(value, dict) and name.lower() in names:
            return value
    return {}
