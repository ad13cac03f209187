"""What a source drops and hashes is nowhere in what ingestion hands on; all else is as it was sent."""

from __future__ import annotations

import base64
import hmac
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.config import SourcePrivacyConfig
from router.directory import facts
from router.errors import TooLarge
from router.event import Call, Discard, normalize_event
from router.ingest.limits import MAX_ITEM_BYTES
from router.ingest.parse import Batch, Single, parse_batch, parse_single
from router.ingest.pixel import read_pixel
from router.ingest.webhook import parse_webhook
from router.plugin import Event
from router.privacy import Hasher, SourcePrivacy

KEY = b"0123456789abcdef"
NOW = 1_767_323_045_678
IP = "203.0.113.7"
TRACK = {"type": "track", "event": "E", "userId": "u1", "messageId": "m1"}
IDS = ("userId", "anonymousId", "groupId", "messageId")


def hashed(text: str) -> str:
    return hmac.digest(KEY, text.encode(), "sha256").hex()


def privacy(drop: tuple[str, ...] = (), hash: tuple[str, ...] = ()) -> SourcePrivacy:
    return SourcePrivacy(SourcePrivacyConfig(drop=drop, hash=hash), Hasher(KEY, True))


def judged(posted: Single | Batch, rules: SourcePrivacy) -> tuple[list[Call], list[Discard]]:
    return posted.calls("website", NOW, IP, lambda: "assigned", privacy=rules)


def opened(call: Call) -> Event:
    return normalize_event(call.source, call.type, call.message_id, call.received_at, call.body)


def taken(call: dict[str, Any], *, drop: tuple[str, ...] = (), hash: tuple[str, ...] = (), **shared: Any) -> Event:
    """The event that a batch of one call becomes."""
    body = json.dumps({"batch": [{**TRACK, **call}], **shared}).encode()
    (accepted,), discards = judged(parse_batch(body), privacy(drop, hash))
    assert discards == []
    return opened(accepted)


# ---------------------------------------------------------------- drop


def test_what_is_dropped_is_gone_and_its_neighbours_stay() -> None:
    properties = {"password": "p", "card": {"number": "1", "brand": "b"}, "n": 1.50}
    event = taken({"properties": properties}, drop=("properties.password", "properties.card.number"))
    assert event.properties == {"card": {"brand": "b"}, "n": 1.50}


def test_a_path_that_is_not_there_changes_nothing() -> None:
    event = taken({"properties": {"card": "text"}, "context": None}, drop=("properties.card.number", "context.a.b"))
    assert event.properties == {"card": "text"}


def test_a_path_goes_into_each_object_of_a_list() -> None:
    guests = [{"email": "a", "seat": 1}, 7, [{"email": "b"}], {"seat": 2}]
    event = taken({"properties": {"guests": guests}}, drop=("properties.guests.email",))
    assert event.properties == {"guests": [{"seat": 1}, 7, [{}], {"seat": 2}]}


def test_all_else_stays_byte_for_byte() -> None:
    body = b'{"event":"E","userId":"u1","messageId":"m1","properties":{"n":1.50,"big":123456789012345678901234567890,"x":1}}'
    (call,), _ = judged(parse_single("track", body), privacy(("properties.x",)))
    assert call.body == b'{"t":"track","p":"203.0.113.7"}\n' + body.replace(b',"x":1', b"")


def test_a_key_that_is_written_twice_leaves_nothing_behind() -> None:
    body = b'{"batch":[{"type":"track","event":"E","userId":"u","properties":{"p":"s3cret"},"properties":{"\\u0070":"s3cret","q":1}}]}'
    (call,), _ = judged(parse_batch(body), privacy(("properties.p",)))
    assert b"s3cret" not in call.body
    assert opened(call).properties == {"q": 1}


def test_the_context_that_a_batch_shares_is_taken_from_too() -> None:
    event = taken({}, drop=("context.ip", "traits.email"), context={"ip": IP, "traits": {"email": "e", "plan": "p"}})
    assert event.payload["context"] == {"traits": {"plan": "p"}}


@pytest.mark.parametrize("rules", [{"drop": ("context.ip",)}, {"hash": ("context.ip",)}])
def test_the_address_of_a_device_s_connection_is_taken_like_one_in_the_call(rules: Any) -> None:
    browser = {"library": {"name": "analytics.js"}}
    given = taken({"context": browser}, **rules).payload["context"].get("ip")
    assert given == taken({"context": {**browser, "ip": IP}}, **rules).payload["context"].get("ip")
    assert given == (hashed(IP) if "hash" in rules else None)


def test_traits_are_taken_from_the_call_and_from_its_context() -> None:
    body = json.dumps({"userId": "u", "traits": {"a": 1, "b": 2}, "context": {"traits": {"a": 3, "b": 4}}}).encode()
    (call,), _ = judged(parse_single("identify", body), privacy(("traits.a",)))
    assert (opened(call).traits, opened(call).payload["context"]["traits"]) == ({"b": 2}, {"b": 4})


@pytest.mark.parametrize("value", ['{"email":"s3cret"}', ["s3cret"], [{"x": "s3cret"}], 5318008])
@pytest.mark.parametrize("key", ["properties", "traits", "context"])
def test_nothing_stays_of_what_stands_where_an_object_has_to_be(key: str, value: Any) -> None:
    rules = privacy(("properties.email", "traits.email", "context.email"))
    body = json.dumps({"batch": [{**TRACK, key: value}, {**TRACK, "type": "identify", key: value}]}).encode()
    posted = parse_batch(body)
    calls, discards = judged(posted, rules)
    assert [text for text in ("s3cret", "5318008") if text in repr(calls) + repr(discards)] == []
    plain_calls, plain_discards = parse_batch(body).calls("website", NOW, IP)
    assert [d.code for d in discards] == [d.code for d in plain_discards]
    assert [c.type for c in calls] == [c.type for c in plain_calls]


@pytest.mark.parametrize("value", ["[]", "[ ]", "null", "false", "{}"])
def test_what_is_empty_stays_as_it_is(value: str) -> None:
    body = f'{{"userId":"u","traits":{{}},"properties":{value}}}'.encode()
    (call,), _ = judged(parse_single("identify", body), privacy(("properties.email",)))
    assert call.body.endswith(b"\n" + body)


# ---------------------------------------------------------------- hash


@pytest.mark.parametrize(
    ("value", "made"),
    [
        ("Eva", hashed("Eva")),
        (" Eva@Example.com ", hashed("eva@example.com")),
        ("+49 (151) 123-456", hashed("+49151123456")),
        ("203.0.113.7", hashed("203.0.113.7")),
        ("1234.5678", hashed("1234.5678")),
        (7, hashed("7")),
        (7.0, hashed("7")),
        (True, hashed("true")),
        (["a", None, ["b"]], [hashed("a"), None, [hashed("b")]]),
        (None, None),
        ([], []),
    ],
)
def test_a_value_is_hashed_by_its_json_and_a_list_item_by_item(value: Any, made: Any) -> None:
    assert taken({"properties": {"x": value}}, hash=("properties.x",)).properties == {"x": made}


def test_an_object_has_no_hash_so_it_is_dropped_and_noted() -> None:
    body = json.dumps({"batch": [{**TRACK, "properties": {"x": {"a": 1}, "y": ["b", {"a": 1}]}}]}).encode()
    posted = parse_batch(body)
    (call,), _ = judged(posted, privacy(hash=("properties.x", "properties.y")))
    assert opened(call).properties == {"y": [hashed("b")]}
    assert posted.notes == [("properties.x", "object_dropped"), ("properties.y", "object_dropped")]


def test_what_is_dropped_around_a_hash_stays_dropped() -> None:
    event = taken({"context": {"traits": {"a": 1}}}, drop=("context.traits",), hash=("traits.a",))
    assert event.payload["context"] == {}


# ---------------------------------------------------------------- ids


def test_ids_are_hashed_wherever_the_router_reads_them() -> None:
    call = {"userId": " u1 ", "anonymousId": "a1", "groupId": 7, "messageId": "m1", "type": "group"}
    body = json.dumps({"batch": [call]}).encode()
    (accepted,), _ = judged(parse_batch(body), privacy(hash=IDS))
    event = opened(accepted)
    assert (event.user_id, event.anonymous_id, event.group_id) == (hashed("u1"), hashed("a1"), hashed("7"))
    assert (accepted.user_key, accepted.message_id) == (f"u:{hashed('u1')}", hashed("m1"))
    told = facts(accepted)
    assert told is not None
    assert (told.user_key, told.group_id) == (accepted.user_key, hashed("7"))


def test_a_group_named_in_the_context_is_the_group_of_a_group_call() -> None:
    event = taken({"context": {"groupId": "acme"}}, hash=("groupId",))
    assert event.group_id == hashed("acme")
    assert taken({}, hash=("groupId",), context={"groupId": "acme"}).group_id == hashed("acme")


@pytest.mark.parametrize("hash", ["userId", "anonymousId"])
def test_the_previous_id_of_an_alias_is_hashed_with_either_id(hash: str) -> None:
    body = b'{"previousId":"a1","userId":"u1"}'
    (call,), _ = judged(parse_single("alias", body), privacy(hash=(hash,)))
    assert opened(call).previous_id == hashed("a1")


@pytest.mark.parametrize("id", ["userId", "anonymousId"])
def test_an_id_that_a_library_repeats_among_the_traits_is_hashed_there_too(id: str) -> None:
    event = taken({"type": "identify", "traits": {id: "x"}, "context": {"traits": {id: "x"}}}, hash=(id,))
    assert event.traits == event.payload["context"]["traits"] == {id: hashed("x")}


def test_two_ids_that_look_like_one_phone_number_stay_two() -> None:
    users = [taken({"userId": id}, hash=("userId",)).user_id for id in ("2026-1100", "20261-100", 20261100)]
    assert users == [hashed("2026-1100"), hashed("20261-100"), hashed("20261100")]


def test_a_message_id_that_the_router_assigns_is_not_hashed() -> None:
    body = json.dumps({"batch": [{**TRACK, "messageId": None}]}).encode()
    (call,), _ = judged(parse_batch(body), privacy(hash=("messageId",)))
    assert call.message_id == "assigned"


@pytest.mark.parametrize(
    ("id", "code"), [(["s3cret"], "id_not_string"), ({"s3cret": 1}, "id_not_string"), (" ", "id_required")]
)
def test_what_is_no_id_is_judged_as_ever_and_kept_nowhere(id: Any, code: str) -> None:
    (discard,) = judged(parse_single("track", json.dumps({"event": "E", "userId": id}).encode()), privacy(hash=IDS))[1]
    assert (discard.code, "s3cret" in discard.excerpt) == (code, False)


# ---------------------------------------------------------------- discards


def test_the_excerpt_of_a_discard_has_nothing_of_what_is_taken_and_its_message_id_is_the_hash() -> None:
    call = {"type": "track", "userId": "u1", "messageId": "m1", "properties": {"p": "s3cret", "q": 1}}
    rules = privacy(("properties.p",), ("messageId",))
    posted: list[Single | Batch] = [
        parse_single("track", json.dumps(call).encode()),
        parse_batch(json.dumps({"batch": [call]}).encode()),
    ]
    for each in posted:
        (discard,) = judged(each, rules)[1]
        assert (discard.code, discard.message_id) == ("event_not_defined", hashed("m1"))
        assert '"properties":{"q":1}' in discard.excerpt


@pytest.mark.parametrize("item", [b'"s3cret"', b'["s3cret"]', b'{"a":' * 900 + b'"s3cret"' + b"}" * 900])
def test_there_is_no_excerpt_of_what_cannot_be_read(item: bytes) -> None:
    (discard,) = judged(parse_batch(b'{"batch":[' + item + b"]}"), privacy(("properties.p",)))[1]
    assert "s3cret" not in discard.excerpt


def test_the_excerpt_of_a_call_that_is_too_large_has_nothing_of_what_is_taken() -> None:
    call = {**TRACK, "properties": {"p": "s3cret"}, "context": {"x": "x" * MAX_ITEM_BYTES}}
    (discard,) = judged(parse_batch(json.dumps({"batch": [call]}).encode()), privacy(("properties.p",)))[1]
    assert (discard.code, "s3cret" in discard.excerpt) == ("item_too_large", False)


def test_hashes_do_not_make_a_batch_larger_than_can_be_kept() -> None:
    calls = [{**TRACK, "properties": {"x": [1] * 10_000}}] * 13
    with pytest.raises(TooLarge):
        judged(
            parse_batch(json.dumps({"batch": calls}, separators=(",", ":")).encode()), privacy(hash=("properties.x",))
        )


# ---------------------------------------------------------------- every way in, whatever comes

MARK = "s3cret"
DROP = ("properties.p", "traits.a.b", "context.ip", "context.page.url")
HASH = ("traits.h", "properties.list.h", *IDS)
NAMES = st.sampled_from(["p", "a", "b", "h", "list", "ip", "page", "url", "traits", "groupId", "x"])
SECRETS = st.text(max_size=5).map(lambda text: MARK + text)
TAKEN_VALUES = SECRETS | st.lists(SECRETS, max_size=2) | st.dictionaries(NAMES, SECRETS, max_size=2) | st.none()
OTHERS = st.none() | st.booleans() | st.integers() | st.text(alphabet='xyzü"\\\x00', max_size=5)
LIST_ITEMS = st.fixed_dictionaries({}, optional={"h": TAKEN_VALUES, "x": OTHERS}) | OTHERS
PROPERTIES = st.fixed_dictionaries(
    {}, optional={"p": TAKEN_VALUES, "list": st.lists(LIST_ITEMS, max_size=3), "x": OTHERS}
)
INSIDE = st.fixed_dictionaries({}, optional={"b": TAKEN_VALUES, "x": OTHERS})
TRAITS = st.fixed_dictionaries(
    {}, optional={"h": TAKEN_VALUES, "a": INSIDE | st.lists(INSIDE, max_size=2), "x": OTHERS}
)
CONTEXT = st.fixed_dictionaries(
    {},
    optional={
        "ip": TAKEN_VALUES,
        "page": st.fixed_dictionaries({}, optional={"url": TAKEN_VALUES, "x": OTHERS}),
        "traits": TRAITS,
        "groupId": TAKEN_VALUES,
        "library": st.just({"name": "analytics.js"}),
    },
)
CALLS = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["track", "identify", "group", "alias", "page", "odd", "delete"]) | OTHERS,
        "event": st.just("E") | OTHERS,
        "properties": PROPERTIES | OTHERS | SECRETS | st.lists(SECRETS, min_size=1, max_size=2),
        "traits": TRAITS | st.just([]) | SECRETS,
        "context": CONTEXT | OTHERS | SECRETS,
        "writeKey": st.just("k"),
        **dict.fromkeys((*IDS, "previousId"), TAKEN_VALUES),
    },
)


def twice(first: dict[str, Any], second: dict[str, Any]) -> bytes:
    """Both as one JSON object, whose keys may stand in it twice."""
    parts = [msgspec.json.encode(each)[1:-1] for each in (first, second) if each]
    return b"{" + b",".join(parts) + b"}"


BODIES = st.builds(twice, CALLS, CALLS) | CALLS.map(lambda call: json.dumps(call).encode())


@given(
    bodies=st.lists(BODIES, min_size=1, max_size=3), shared=CONTEXT, type=st.sampled_from(["track", "group", "alias"])
)
def test_whatever_comes_nothing_of_what_is_taken_is_handed_on(bodies: list[bytes], shared: Any, type: str) -> None:
    rules = privacy(DROP, HASH)
    batch = b'{"batch":[%b],"context":%b}' % (b",".join(bodies), msgspec.json.encode(shared))
    posted: list[Single | Batch] = [
        parse_batch(batch),
        parse_webhook(b"[%b]" % b",".join(bodies)),
        parse_single(type, bodies[0]),
    ]
    posted.append(read_pixel(type, {"data": base64.b64encode(bodies[0]).decode()}))
    for each in posted:
        calls, discards = each.calls("website", NOW, f"{MARK}-address", privacy=rules)
        assert MARK not in repr(calls) + repr(discards) + repr(each.notes)
        for call in calls:
            assert MARK not in repr(opened(call))
