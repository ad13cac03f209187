"""What real traffic holds beside well-made calls. Ingestion takes all of `ODDITIES`, so a plugin meets them; it refuses all of `REFUSED`.

@pytest.mark.parametrize("name", every_event())
def test_any_call_makes_items_or_an_outcome(name: str) -> None:
    came = Rehearsal(Greeter, {"token": "T"}).take(every_call()[name])
    assert came.detail == ""
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from router.event import normalize_event
from router.plugin import JSON, Event
from router.testing.intake import accepted
from router.testing.samples import CALLS, RECEIVED_AT

__all__ = ["ODDITIES", "REFUSED", "event_of", "every_call", "every_event"]


def _call(type: str, **fields: JSON) -> bytes:
    """A call as a library that says little sends it. `...` leaves a field out."""
    whole = {"type": type, "userId": "u-1042", "messageId": "odd", "timestamp": "2026-03-02T09:30:00.000Z", **fields}
    return msgspec.json.encode({key: value for key, value in whole.items() if value is not ...})


def _track(properties: JSON = ..., **fields: Any) -> bytes:
    return _call("track", **{"event": "Report Exported", "properties": properties, **fields})


def _nested(levels: int) -> JSON:
    value: JSON = "bottom"
    for level in range(levels):
        value = {"in": value} if level % 2 else [value]
    return value


WORDS = "naïve café, Zoë Ångström, Łódź, 東京, القاهرة, हिन्दी"
EMOJI = "👩‍👩‍👧‍👦 🇩🇪 👍🏽 e\u0301"
BROKEN = b'"\\ud83d"'
"""Half of an emoji, as a library sends it that cuts texts."""

_ODD: Mapping[str, bytes] = {
    # who
    "no userId": _track({"n": 1}, userId=..., anonymousId="3f0c8a52"),
    "null userId": _track({"n": 1}, userId=None, anonymousId="3f0c8a52"),
    "blank userId": _track({"n": 1}, userId="  ", anonymousId="3f0c8a52"),
    "numeric userId": _track({"n": 1}, userId=1042),
    "userId that is a fraction of nothing": b'{"type":"track","userId":1042.0,"event":"Hello","messageId":"odd"}',
    "userId of zero": _track({"n": 1}, userId=0),
    "userId with spaces and signs": _track({"n": 1}, userId="a b/c?d=e&f#g%h+i"),
    "userId of 512 characters": _track({"n": 1}, userId="u" * 512),
    "userId in Unicode": _track({"n": 1}, userId="zoë@例え.jp"),
    "identify with an anonymousId only": _call("identify", userId=..., anonymousId="3f0c8a52", traits={"plan": "pro"}),
    "group without a user": _call("group", userId=..., anonymousId=..., groupId="acme", traits={"name": "Acme Inc"}),
    "numeric groupId": _call("group", groupId=77, traits={"name": "Acme Inc"}),
    "groupId in the context": _track({"n": 1}, context={"groupId": "acme"}),
    "alias of an anonymousId": _call("alias", previousId="3f0c8a52"),
    "alias of themselves": _call("alias", previousId="u-1042"),
    # traits and properties
    "no traits": _call("identify", traits=...),
    "null traits": _call("identify", traits=None),
    "empty traits": _call("identify", traits={}),
    "traits of null": _call("identify", traits={"email": None, "firstName": None, "address": None, "plan": None}),
    "blank traits": _call("identify", traits={"email": "", "firstName": "  ", "phone": ""}),
    "traits of other types": _call("identify", traits={"email": 7, "firstName": ["Mira"], "phone": 4930901820, "address": "Berlin"}),
    "traits in the context": _call("identify", traits=..., context={"traits": {"email": "mira.lindt@acme.example"}}),
    "group without traits": _call("group", groupId="acme", traits=...),
    "group of null traits": _call("group", groupId="acme", traits=None),
    "group with a numeric name": _call("group", groupId="acme", traits={"name": 7, "employees": "240"}),
    "no properties": _track(),
    "null properties": _track(None),
    "empty properties": _track({}),
    "empty lists and objects": _track({"products": [], "tags": [], "cart": {}, "nested": {"list": [[]]}}),
    "lists of mixed types": _track({"mixed": [1, "two", None, True, {"three": 3}, [4]]}),
    "names that are no names": _track({"": 1, " ": 2, "a.b": 3, "$set": 4, "__proto__": 5, "0": 6, "ключ": 7, "x" * 300: 8}),
    "not a number": b'{"type":"track","userId":"u-1042","event":"Hello","messageId":"odd","properties":{"value":NaN}}',
    "null where a number was not one": _track({"value": None, "revenue": None}),
    "numbers as text": _track({"value": "12.90", "revenue": "1,299.00", "quantity": " 3 "}),
    "large and small numbers": _track({"big": 2**63, "small": -(2**63), "huge": 1e300, "tiny": 5e-324, "minus zero": -0.0}),
    "an integer of thirty digits": b'{"type":"track","userId":"u-1042","event":"Hello","messageId":"odd","properties":{"n":123456789012345678901234567890}}',
    "booleans": _track({"yes": True, "no": False, "as text": "true"}),
    "an order": _track(
        {"order_id": 5, "revenue": 19.9, "currency": "EUR", "products": [{"product_id": "p1", "price": "9.95", "quantity": 2}]},
        event="Order Completed",
    ),
    # texts
    "Unicode": _track({"words": WORDS}, event=WORDS),
    "emoji": _track({"words": EMOJI}, event=EMOJI),
    "half of an emoji": b'{"type":"track","userId":"u-1042","messageId":"odd","event":' + BROKEN + b',"properties":{"x":' + BROKEN + b"}}",
    "control characters": _track({"words": "a\x00b\tc\nd\x1be\x7f\u2028f"}, event="Hello\nWorld"),
    "markup": _track({"words": "<script>alert('x')</script> \" ' \\ {{x}} %s ${x}"}, event="</a>"),
    "right to left": _track({"words": "\u202eabc\u202c \u200f\ufeff"}),
    # size
    "32 kB": _track({f"field {n}": "x" * 1_000 for n in range(31)}),
    "one long text": _track({"text": "ä" * 15_000}),
    "a thousand properties": _track({f"p{n}": n for n in range(1_000)}),
    "deep nesting": _track({"nested": _nested(100)}),
    # times
    "no timestamp": _track({"n": 1}, timestamp=...),
    "timestamp in seconds": _track({"n": 1}, timestamp=1_772_443_800),
    "timestamp in milliseconds": _track({"n": 1}, timestamp=1_772_443_800_123),
    "timestamp in another zone": _track({"n": 1}, timestamp="2026-03-02T18:30:00+09:00"),
    "timestamp that is none": _track({"n": 1}, timestamp="yesterday"),
    "timestamp of long ago": _track({"n": 1}, timestamp="1999-12-31T23:59:59Z"),
    "timestamp of the future": _track({"n": 1}, timestamp="2038-01-19T03:14:07Z"),
    "times among the traits": _call("identify", traits={"createdAt": 1_772_443_800, "birthday": "1990-02-30", "seen": "2026-03-02"}),
    # pages and screens
    "page without a name": _call("page", properties={"url": "https://app.example.com/"}),
    "page of nothing": _call("page"),
    "page with a category only": _call("page", category="Docs"),
    "screen of an app": _call(
        "screen", name="Dashboard", userId=..., anonymousId="9B7F", properties={"tab": "overview"},
        context={"app": {"name": "Acme", "version": "4.2", "build": "71"}, "device": {"id": "9B7F", "type": "ios", "model": "iPhone17,1"},
                 "os": {"name": "iOS", "version": "19.3"}, "screen": {"width": 390, "height": 844}, "network": {"wifi": True}},
    ),
    "screen without a name": _call("screen", properties={"tab": "overview"}),
    # the rest of the call
    "no context": _track({"n": 1}, context=...),
    "null context and integrations": _track({"n": 1}, context=None, integrations=None),
    "all integrations": _track({"n": 1}, integrations={"All": True}),
    "own fields": _track({"n": 1}, writeKey="ignored", version=2, _metadata={"bundled": ["x"]}),
}  # fmt: skip

ODDITIES: Mapping[str, bytes] = {
    name: body.replace(b'"messageId":"odd"', b'"messageId":"odd-%d"' % n) for n, (name, body) in enumerate(_ODD.items())
}
"""Name -> a call as it comes in, as JSON."""

REFUSED: Mapping[str, bytes] = {
    "lone surrogates as bytes": b'{"type":"track","userId":"u-1042","event":"a\xed\xa0\xbdb"}',
    "no JSON": b"hello",
    "129 levels": b'{"type":"track","userId":"u-1042","event":"x","properties":{"x":' + b"[" * 129 + b"]" * 129 + b"}}",
    "nobody": b'{"type":"track","event":"Hello"}',
    "track without a name": b'{"type":"track","userId":"u-1042"}',
    "a name that is no text": b'{"type":"track","userId":"u-1042","event":7}',
    "properties that are a list": b'{"type":"track","userId":"u-1042","event":"Hello","properties":[1]}',
    "group without an id": b'{"type":"group","userId":"u-1042"}',
    "alias of nobody": b'{"type":"alias","userId":"u-1042"}',
    "a userId of 513 characters": b'{"type":"track","event":"x","userId":"' + b"u" * 513 + b'"}',
    "a userId that is true": b'{"type":"track","event":"x","userId":true}',
}
"""Name -> a call that is refused at the door: no plugin ever sees one. Do not test your plugin with them."""


def every_call() -> dict[str, bytes]:
    """Every sample (`track`) and every oddity by name, as JSON: for `Rehearsal.take` and `Bench.post`."""
    return {**{type: msgspec.json.encode(call) for type, call in CALLS.items()}, **ODDITIES}


def every_event(names: frozenset[str] = frozenset()) -> dict[str, Event]:
    """The same as a plugin gets them. `names`: see `sample_event`."""
    return {name: event_of(body, names) for name, body in every_call().items()}


def event_of(body: Mapping[str, JSON] | bytes, names: frozenset[str]) -> Event:
    """What ingestion makes of a call, as a plugin gets it."""
    call = accepted(body, int(RECEIVED_AT.timestamp() * 1000))
    return normalize_event(call.source, call.type, call.message_id, call.received_at, call.body, names=names)
