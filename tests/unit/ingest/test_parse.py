"""What parsing takes, discards and refuses."""

from __future__ import annotations

import base64
import gzip
import json
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.consent import UPDATED
from router.errors import InvalidCall
from router.event import TYPES, Call, Discard, normalize_event
from router.ingest.json_checks import is_too_deep
from router.ingest.limits import MAX_BATCH_ITEMS, MAX_DEPTH, MAX_ITEM_BYTES, MAX_LIGHT_BYTES
from router.ingest.parse import Batch, Single, parse_batch, parse_single

CAPTURES = sorted((Path(__file__).parents[2] / "fixtures" / "captures").glob("*.json"))
NOW = 1_767_323_045_678
TRACK = {"type": "track", "event": "E", "userId": "u1", "messageId": "m1"}


def judged(posted: Single | Batch) -> tuple[list[Call], list[Discard]]:
    return posted.calls("website", NOW, None, lambda: "assigned")


def single(type: str, call: Any) -> tuple[list[Call], list[Discard]]:
    return judged(parse_single(type, as_bytes(call)))


def batch(*items: Any, **envelope: Any) -> tuple[list[Call], list[Discard]]:
    return judged(parse_batch(as_bytes({"batch": list(items), **envelope})))


def as_bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else json.dumps(value).encode()


def opened(call: Call) -> Any:
    return normalize_event(call.source, call.type, call.message_id, call.received_at, call.body)


def nested(levels: int) -> bytes:
    return b"[" * levels + b"]" * levels


class TestAccepted:
    def test_a_call_is_kept_byte_for_byte_behind_its_envelope(self) -> None:
        body = b'{ "event":"E", "userId":"u1",\n "messageId":"m1", "properties":{"n":1.50} }'
        (call,), discards = single("track", body)
        assert call == Call("website", "track", "m1", "u:u1", NOW, b'{"t":"track"}\n' + body)
        assert discards == []

    def test_an_item_of_a_batch_is_kept_byte_for_byte_and_the_envelope_says_the_rest(self) -> None:
        item = b'{"type":"page","anonymousId":"a1", "messageId":"m1"}'
        body = (
            b'{"batch":[%s],"sentAt":"2026-01-02T03:04:05Z","context":{ "a":\n1 },"integrations":{"All":false}}' % item
        )
        (call,), _ = judged(parse_batch(body))
        line, _, raw = call.body.partition(b"\n")
        assert raw == item
        assert json.loads(line) == {"s": "2026-01-02T03:04:05Z", "c": {"a": 1}, "i": {"All": False}}
        assert call.user_key == "a:a1"

    @pytest.mark.parametrize("type", sorted(TYPES))
    def test_the_type_of_the_path_wins_over_the_body(self, type: str) -> None:
        call = {"type": "page", "userId": "u", "event": "E", "groupId": "g", "previousId": "p"}
        (accepted,), _ = single(type, call)
        assert accepted.type == opened(accepted).type == type

    def test_the_sent_at_of_a_single_call_corrects_its_time(self) -> None:
        call = {**TRACK, "timestamp": "2026-01-02T04:00:00Z", "sentAt": "2026-01-02T04:00:00Z"}
        (accepted,), _ = single("track", call)
        assert opened(accepted).payload["timestamp"] == "2026-01-02T03:04:05.678Z"

    @pytest.mark.parametrize(
        ("ids", "key"),
        [
            ({"userId": "u", "anonymousId": "a"}, "u:u"),
            ({"userId": " u "}, "u:u"),
            ({"userId": 42}, "u:42"),
            ({"userId": 7.0}, "u:7"),
            ({"userId": "", "anonymousId": "a"}, "a:a"),
            ({"userId": None, "anonymousId": 5}, "a:5"),
            ({"userId": [1], "anonymousId": "a"}, "a:a"),
            ({"userId": True, "anonymousId": "a"}, "a:a"),
            ({"userId": "ü\u0001"}, "u:ü\u0001"),
        ],
    )
    def test_the_user_key_is_the_userid_else_the_anonymousid(self, ids: dict[str, Any], key: str) -> None:
        (one,), _ = single("track", {"event": "E", **ids})
        (other,), _ = batch({"type": "track", "event": "E", **ids})
        assert one.user_key == other.user_key == key

    @pytest.mark.parametrize("group_id", ["g1", 7])
    def test_a_group_call_may_have_a_groupid_only(self, group_id: Any) -> None:
        (call,), _ = single("group", {"groupId": group_id, "userId": None})
        assert call.user_key == f"g:{group_id}"

    @pytest.mark.parametrize("message_id", [None, "", "  ", True, [], {}])
    def test_a_missing_message_id_is_assigned_and_kept_in_the_envelope(self, message_id: Any) -> None:
        for calls, _ in (
            single("track", {**TRACK, "messageId": message_id}),
            batch({**TRACK, "messageId": message_id}),
        ):
            assert calls[0].message_id == "assigned"
            assert json.loads(calls[0].body.partition(b"\n")[0])["m"] == "assigned"

    def test_assigned_message_ids_differ(self) -> None:
        posted = parse_batch(as_bytes({"batch": [{"type": "page", "userId": "u"}] * 2}))
        first, second = posted.calls("website", NOW, None)[0]
        assert first.message_id != second.message_id

    def test_a_message_id_that_is_a_number_is_text(self) -> None:
        assert batch({**TRACK, "messageId": 12.0})[0][0].message_id == "12"

    def test_duplicate_keys_mean_the_last_one_to_everybody(self) -> None:
        (call,), _ = single("track", b'{"event":"E","userId":"u1","userId":"u2","messageId":"a","messageId":"b"}')
        assert (call.user_key, call.message_id, opened(call).user_id) == ("u:u2", "b", "u2")

    def test_fields_that_do_not_matter_may_be_anything(self) -> None:
        odd = {**TRACK, "traits": "x", "groupId": [], "context": 5, "integrations": "x", "sentAt": 5, "name": {}}
        (call,), discards = batch(odd)
        assert discards == []
        assert opened(call).user_id == "u1"

    def test_an_empty_batch_is_nothing(self) -> None:
        assert batch() == ([], [])

    @pytest.mark.parametrize("odd", [5, None, "x" * 100, {}, ["2026-01-01T00:00:00Z"]])
    def test_an_odd_sent_at_or_context_of_a_batch_counts_as_absent(self, odd: Any) -> None:
        (call,), _ = batch(TRACK, sentAt=odd, context=5, integrations=[1])
        assert call.body.startswith(b"{}\n")

    def test_the_senders_address_is_kept_in_the_envelope(self) -> None:
        (call,), _ = parse_batch(as_bytes({"batch": [TRACK]})).calls("website", NOW, "203.0.113.7")
        assert call.body.startswith(b'{"p":"203.0.113.7"}\n')


DISCARDED = [
    ({"type": "track", "event": "E"}, "id_required"),
    ({"type": "track", "event": "E", "userId": " ", "anonymousId": None}, "id_required"),
    ({"type": "page", "userId": True}, "id_not_string"),
    ({"type": "page", "anonymousId": ["a"], "userId": ""}, "id_not_string"),
    ({"type": "track", "userId": "u"}, "event_not_defined"),
    ({"type": "track", "userId": "u", "event": None}, "event_not_defined"),
    ({"type": "track", "userId": "u", "event": ""}, "event_not_defined"),
    ({"type": "track", "userId": "u", "event": 5}, "event_not_string"),
    ({"type": "track", "userId": "u", "event": {}}, "event_not_string"),
    ({"type": "track", "userId": "u", "event": "E", "properties": [0]}, "properties_not_object"),
    ({"type": "screen", "userId": "u", "properties": "x"}, "properties_not_object"),
    ({"type": "identify", "userId": "u", "traits": 5}, "traits_not_object"),
    ({"type": "group", "userId": "u", "groupId": "g", "traits": [{}]}, "traits_not_object"),
    ({"type": "group", "userId": "u"}, "group_id_required"),
    ({"type": "group", "userId": "u", "groupId": {}}, "id_not_string"),
    ({"type": "alias", "userId": "u"}, "previous_id_required"),
    ({"type": "alias", "userId": "u", "previousId": False}, "id_not_string"),
    ({"type": "page", "userId": "u", "messageId": "m" * 101}, "message_id_too_long"),
    ({"type": "page", "userId": "a\x00b"}, "invalid_id"),
    ({"type": "group", "userId": "u", "groupId": "\x00"}, "invalid_id"),
    ({"type": "track", "userId": "u", "event": UPDATED}, "consent_invalid"),
    (
        {"type": "track", "userId": "u", "event": UPDATED, "context": {"consent": {"categoryPreferences": {"a": 1}}}},
        "consent_invalid",
    ),
    ({"type": "track", "userId": 7, "event": UPDATED, "context": []}, "consent_invalid"),
]


CHANGED = {"type": "track", "userId": "u", "event": UPDATED}
CONSENT = {"consent": {"categoryPreferences": {"ads": False}}}


class TestChangedPreferences:
    def test_a_good_one_is_a_call_like_any_other(self) -> None:
        call = {**CHANGED, "context": CONSENT}
        for calls, discards in (batch(call), single("track", call)):
            assert ([call.type for call in calls], discards) == (["track"], [])

    def test_the_preferences_may_stand_in_the_context_of_the_batch(self) -> None:
        calls, _ = parse_batch(as_bytes({"context": CONSENT, "batch": [CHANGED]})).calls("website", NOW, None)
        assert len(calls) == 1

    def test_an_own_object_replaces_that_of_the_batch(self) -> None:
        call = {**CHANGED, "context": {"consent": {}}}
        calls, discards = parse_batch(as_bytes({"context": CONSENT, "batch": [call]})).calls("website", NOW, None)
        assert (calls, discards[0].code) == ([], "consent_invalid")

    def test_the_fault_is_told_with_its_field(self) -> None:
        _, (discard,) = single("track", CHANGED)
        assert discard.message.startswith("context.consent.categoryPreferences is missing")

    def test_no_other_event_is_checked(self) -> None:
        for other in ({**CHANGED, "event": "Opened"}, {**CHANGED, "type": "page"}, {**CHANGED, "type": "identify"}):
            assert batch(other)[1] == []


class TestDiscarded:
    @pytest.mark.parametrize(("item", "code"), DISCARDED)
    def test_a_call_that_lacks_what_its_type_needs_says_so(self, item: dict[str, Any], code: str) -> None:
        for calls, discards in (batch(item), single(item["type"], item)):
            assert calls == []
            assert [discard.code for discard in discards] == [code]
            assert discards[0].type == item["type"]

    @pytest.mark.parametrize(
        ("item", "code"),
        [
            ({"userId": "u"}, "type_required"),
            ({"userId": "u", "type": ""}, "type_required"),
            ({"userId": "u", "type": "delete"}, "unknown_type"),
            ({"userId": "u", "type": "Track"}, "unknown_type"),
            ({"userId": "u", "type": 5}, "unknown_type"),
            ({"userId": "u", "type": ["track"]}, "unknown_type"),
            (5, "not_an_object"), (None, "not_an_object"), ([], "not_an_object"), ("track", "not_an_object"),
        ],
    )  # fmt: skip
    def test_an_item_that_is_no_known_call_says_so(self, item: Any, code: str) -> None:
        assert [discard.code for discard in batch(item)[1]] == [code]

    def test_one_bad_item_does_not_touch_its_neighbours(self) -> None:
        calls, discards = batch({**TRACK, "messageId": "a"}, {"type": "track"}, 5, {**TRACK, "messageId": "b"})
        assert [call.message_id for call in calls] == ["a", "b"]
        assert len(discards) == 2

    def test_a_discard_names_the_call_and_shows_its_first_words_without_the_write_key(self) -> None:
        _, (discard,) = batch(
            {"type": "track", "messageId": 7, "userId": "u", "writeKey": "wk_test_123", "x": "y" * 5000}
        )
        assert (discard.source, discard.at, discard.message_id, discard.type) == ("website", NOW, "7", "track")
        assert discard.excerpt.startswith('{"type":"track","messageId":7')
        assert len(discard.excerpt) <= 500
        assert "wk_test" not in repr(discard)

    def test_an_item_over_the_limit_is_discarded_alone(self) -> None:
        big = {**TRACK, "messageId": "big", "properties": {"x": "y" * MAX_ITEM_BYTES}}
        calls, (discard,) = batch(big, TRACK)
        assert [call.message_id for call in calls] == ["m1"]
        assert (discard.code, discard.message_id) == ("item_too_large", "big")

    def test_an_item_just_within_the_limit_is_taken(self) -> None:
        item = {**TRACK, "properties": {"x": ""}}
        item["properties"] = {"x": "y" * (MAX_ITEM_BYTES - len(json.dumps(item)))}
        assert len(batch(item)[0]) == 1

    def test_the_calls_beyond_the_most_a_batch_may_have_leave_one_discard_that_counts_them(self) -> None:
        posted = parse_batch(b'{"batch":[%s]}' % b",".join([as_bytes(TRACK)] * (MAX_BATCH_ITEMS + 3)))
        assert posted.size == MAX_BATCH_ITEMS + 3
        calls, (discard,) = judged(posted)
        assert len(calls) == MAX_BATCH_ITEMS
        assert (discard.code, discard.n) == ("batch_too_long", 3)
        assert f"more than {MAX_BATCH_ITEMS} calls" in discard.message


class TestDepth:
    def test_an_item_nested_too_deep_is_discarded_alone(self) -> None:
        deep = b'{"type":"page","userId":"u","writeKey":"wk_test_123","properties":{"x":%s}}' % nested(MAX_DEPTH)
        calls, (discard,) = judged(parse_batch(b'{"batch":[%s,%s]}' % (deep, as_bytes(TRACK))))
        assert (len(calls), discard.code) == (1, "too_deep")
        assert "wk_test" not in repr(discard)

    @pytest.mark.parametrize("levels", range(900, 1000))
    def test_at_the_edge_of_recursion_there_is_a_refusal_or_a_discard_but_no_crash(self, levels: int) -> None:
        for odd in (b'{"userId":%s}', b'{"type":"page","messageId":%s}', b'{"writeKey":%s}', b"%s"):
            with suppress(InvalidCall):
                posted = parse_batch(b'{"batch":[%s]}' % (odd % nested(levels)))
                assert posted.item_key() == ""
                assert [discard.code for discard in judged(posted)[1]] == ["too_deep"]

    @pytest.mark.parametrize("key", ["writeKey", "sentAt", "context", "integrations"])
    def test_depth_in_the_envelope_of_a_batch_crashes_nothing(self, key: str) -> None:
        for value in (nested(950), b'{"a":%s}' % nested(950)):
            with suppress(InvalidCall):
                assert judged(parse_batch(b'{"batch":[],"%s":%s}' % (key.encode(), value))) == ([], [])

    def test_a_single_call_nested_too_deep_is_refused(self) -> None:
        for levels in (MAX_DEPTH, 100_000):
            with pytest.raises(InvalidCall, match="nested more than"):
                parse_single("page", b'{"userId":"u","x":%s}' % nested(levels))

    def test_many_brackets_side_by_side_or_in_text_are_not_deep(self) -> None:
        call = {**TRACK, "properties": {"list": [[{}]] * 500, 'te"xt\\': '["\\' * 500}}
        assert len(batch(call)[0]) == 1

    @pytest.mark.parametrize("seed", range(50))
    def test_the_deepest_level_counts_and_no_bracket_in_a_text(self, seed: int) -> None:
        rng, found = Random(seed), list[bool]()
        for levels in (1, MAX_DEPTH - 1, MAX_DEPTH, MAX_DEPTH + 1, 2 * MAX_DEPTH):
            made = value_of(rng, levels)
            json.loads(made)
            found.append(is_too_deep(made.encode()))
        assert found == [False, False, False, True, True]

    def test_a_text_that_does_not_end_is_one_text(self) -> None:
        """Each quote in it was taken for the beginning of another one, and what follows looked through again."""
        assert not is_too_deep(b'{"a":"' + b'[\\"' * 2 * MAX_DEPTH)


def value_of(rng: Random, levels: int) -> str:
    """JSON that is nested so deep in one place, with shallower values and texts full of brackets around it."""
    text = json.dumps(rng.choice(["[", "{[", 'a"]}', "\\", "\\[", "ü[", ""]) * rng.randint(0, 40))
    if levels == 0:
        return text
    parts = [text, "[[],{}]" if levels > 2 else "1", value_of(rng, levels - 1)]
    rng.shuffle(parts)
    if rng.random() < 0.5:
        return f"[{','.join(parts)}]"
    return "{" + ",".join(f"{json.dumps('k[' * n)}: {part}" for n, part in enumerate(parts)) + "}"


class TestRefused:
    @pytest.mark.parametrize(
        "body",
        [
            b"", b" ", b"null", b"[]", b"5", b'"x"', b"{", b'{"a":1', b"{} x", b"{'a':1}", b'{"a":nan}', b'{"a":1NaN}',
            b'{"a":"\xff"}', b'{"\xc3":1}', b"\xef\xbb\xbf{}", b'{"a":"\x00"}', b'{"a":"\t"}', b'{"a":01}', b'{"a":"\\q"}',
            b'{NaN:1}', b'{"a":+Infinity}', b'{"a":NaN', b'{"userId":5', b"\x1f\x8b\x08", b"user=5&a=6",
        ],
    )  # fmt: skip
    def test_a_body_that_is_no_json_object_is_invalid_json(self, body: bytes) -> None:
        for parse in (parse_batch, lambda body: parse_single("track", body)):
            with pytest.raises(InvalidCall) as refusal:
                parse(body)
            assert (refusal.value.code, refusal.value.status) == ("invalid_json", 400)

    @pytest.mark.parametrize("body", [b"{}", b'{"batch":null}', b'{"batch":{}}', as_bytes(TRACK)])
    def test_a_batch_needs_its_list(self, body: bytes) -> None:
        with pytest.raises(InvalidCall, match="batch") as refusal:
            parse_batch(body)
        assert refusal.value.code == "invalid_json"

    def test_broken_json_inside_one_item_refuses_the_batch(self) -> None:
        with pytest.raises(InvalidCall):
            parse_batch(b'{"batch":[%s,{"type":tru}]}' % as_bytes(TRACK))

    def test_a_context_that_would_blow_up_the_store_is_too_large(self) -> None:
        with pytest.raises(InvalidCall) as refusal:
            batch(*[TRACK] * 2000, context={"x": "y" * 10_000})
        assert refusal.value.code == "payload_too_large"


class TestMended:
    def test_numbers_that_json_has_not_are_read_as_null_and_noted(self) -> None:
        body = b'{"batch":[{"type":"track","event":"a NaN \\"Infinity","userId":"u1","properties":{"a":NaN,"b":[-Infinity],"c":Infinity}}'
        posted = parse_batch(body + b',{"type":"page","userId":"u2"}]}')
        calls, discards = judged(posted)
        assert discards == []
        assert opened(calls[0]).name == 'a NaN "Infinity'
        assert opened(calls[0]).properties == {"a": None, "b": [None], "c": None}
        assert opened(calls[1]).user_id == "u2"
        assert posted.notes == [("body", "not_a_number")]

    def test_a_single_call_with_an_odd_id_and_nan_is_read(self) -> None:
        posted = parse_single("track", b'{"event":"E","userId":5,"properties":{"a":NaN}}')
        (call,), _ = judged(posted)
        assert (call.user_key, opened(call).properties) == ("u:5", {"a": None})

    @pytest.mark.parametrize("body", [b'NaN"' + b'\\"' * 300_000, b'"' * 300_001 + b"NaN", b"[" + b"NaN," * 50_000])
    def test_a_body_that_cannot_be_mended_is_refused(self, body: bytes) -> None:
        # Where the end of a string is looked for again and again, the first of these takes minutes.
        with pytest.raises(InvalidCall):
            parse_batch(body)

    @pytest.mark.parametrize(
        ("type", "key"), [("track", "properties"), ("page", "properties"), ("identify", "traits"), ("group", "traits")]
    )
    def test_an_empty_list_is_an_empty_object(self, type: str, key: str) -> None:
        posted = parse_batch(as_bytes({"batch": [{**TRACK, "type": type, "groupId": "g", key: []}]}))
        (call,), _ = judged(posted)
        assert opened(call).payload[key] == {}
        assert posted.notes == [(key, "empty_list")]

    def test_context_and_integrations_of_a_batch_may_be_empty_lists(self) -> None:
        posted = parse_batch(b'{"batch":[%s],"context":[ ],"integrations":[]}' % as_bytes(TRACK))
        (call,), _ = judged(posted)
        assert (opened(call).payload["context"], opened(call).payload["integrations"]) == ({}, {})
        assert posted.notes == [("context", "empty_list"), ("integrations", "empty_list")]

    @pytest.mark.parametrize("sent_at", [1_767_323_055, 1_767_323_055_678, "1767323055678"])
    def test_the_sent_at_of_a_batch_may_be_a_number(self, sent_at: Any) -> None:
        posted = parse_batch(as_bytes({"batch": [{**TRACK, "timestamp": 1_767_323_055}], "sentAt": sent_at}))
        (call,), _ = judged(posted)
        assert abs(opened(call).timestamp.timestamp() * 1000 - NOW) < 1000
        assert posted.notes == []

    def test_what_is_left_aside_is_noted_by_field(self) -> None:
        item = {**TRACK, "anonymousId": {}, "messageId": True}
        posted = parse_batch(as_bytes({"batch": [item], "sentAt": True, "context": 5, "integrations": [1]}))
        judged(posted)
        assert posted.notes == [
            ("context", "not_an_object"),
            ("integrations", "not_an_object"),
            ("sentAt", "unreadable"),
            ("messageId", "not_an_id"),
            ("anonymousId", "not_an_id"),
        ]

    def test_clean_calls_are_not_noted(self) -> None:
        posted = parse_batch(as_bytes({"batch": [TRACK, {**TRACK, "userId": 7}], "sentAt": "2026-01-01T00:00:00Z"}))
        judged(posted)
        assert posted.notes == []


class TestText:
    def test_half_an_emoji_becomes_a_replacement_character_and_loses_nothing_else(self) -> None:
        body = b'{"batch":[{"type":"track","event":"a\\ud83d","userId":"\\udc00b\\\\ud800","x":"\\ud83d\\ude00"}]}'
        (call,), _ = judged(parse_batch(body))
        assert (opened(call).name, opened(call).user_id) == ("a\ufffd", "\ufffdb\\ud800")
        assert opened(call).payload["x"] == "😀"

    def test_text_beyond_ascii_is_kept(self) -> None:
        (call,), _ = single("track", '{"event":"Grüße 😀","userId":"ü"}'.encode())
        assert (call.user_key, opened(call).name) == ("u:ü", "Grüße 😀")


class TestWriteKey:
    def test_it_is_found_at_the_top_level_and_in_the_first_item(self) -> None:
        posted = parse_batch(as_bytes({"batch": [{**TRACK, "writeKey": "item"}], "writeKey": "top"}))
        assert (posted.write_key, posted.item_key()) == ("top", "item")
        assert parse_single("track", as_bytes({**TRACK, "writeKey": "top"})).write_key == "top"

    @pytest.mark.parametrize("body", [{"batch": []}, {"batch": [5], "writeKey": 5}, {"batch": [{"writeKey": []}]}])
    def test_where_there_is_none_it_is_empty(self, body: Any) -> None:
        posted = parse_batch(as_bytes(body))
        assert (posted.write_key, posted.item_key()) == ("", "")

    @pytest.mark.parametrize("user_id", ["u1", 5])
    def test_it_is_not_stored(self, user_id: Any) -> None:
        call = {**TRACK, "userId": user_id, "writeKey": "wk_test_123", "properties": {"n": 1}}
        for calls, _ in (single("track", call), batch(call, writeKey="wk_test_123")):
            assert b"wk_test" not in calls[0].body
            assert opened(calls[0]).properties == {"n": 1}

    def test_its_name_may_be_spelt_with_escapes(self) -> None:
        posted = parse_single("track", b'{"write\\u004bey":"wk_test_123","event":"E","userId":"u"}')
        assert posted.write_key == "wk_test_123"
        assert b"wk_test" not in judged(posted)[0][0].body

    def test_taking_it_out_leaves_every_other_value_as_it_was(self) -> None:
        (call,), _ = single("track", b'{"writeKey":"k","event":"E","userId":"u","properties":{"a": 1.50, "b":1e999}}')
        assert call.body.endswith(b'"properties":{"a": 1.50, "b":1e999}}')


class TestNumbers:
    @pytest.mark.parametrize("number", [b"1e999", b"9" * 5000])
    def test_an_id_out_of_range_is_no_id(self, number: bytes) -> None:
        (call,), _ = single("track", b'{"event":"E","userId":%s,"anonymousId":"a"}' % number)
        assert (call.user_key, opened(call).anonymous_id) == ("a:a", "a")

    def test_a_large_integer_id_keeps_every_digit(self) -> None:
        (call,), _ = single("track", b'{"event":"E","userId":%d}' % 2**80)
        assert call.user_key == f"u:{2**80}" == f"u:{opened(call).user_id}"


class TestCaptures:
    @pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
    def test_every_call_of_the_recorded_libraries_is_taken_once(self, path: Path) -> None:
        for request in json.loads(path.read_text())["requests"]:
            body = base64.b64decode(request["body_base64"])
            posted = parse_batch(gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body)
            calls, discards = judged(posted)
            assert posted.write_key == "wk_test_123"
            assert discards == []
            sent = request["body_json"]["batch"]
            assert [(call.message_id, call.type) for call in calls] == [(i["messageId"], i["type"]) for i in sent]
            for call, item in zip(calls, sent, strict=True):
                event = opened(call)
                assert event.payload["sentAt"].startswith(request["body_json"]["sentAt"][:23])
                assert event.traits == (item.get("traits") or {})
                assert event.properties == (item.get("properties") or {})


# ---------------------------------------------------------------- anything at all

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["track", "u1", "2026-01-01"])
)
KEYS = st.text(max_size=5) | st.sampled_from(
    [
        "type", "userId", "anonymousId", "groupId", "previousId", "messageId", "event", "name", "category", "traits",
        "properties", "context", "integrations", "timestamp", "originalTimestamp", "sentAt", "writeKey", "batch",
        "library", "ip", "direct", "version", "_metadata",
    ]
)  # fmt: skip
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=6), max_leaves=15
)
ITEMS = st.dictionaries(KEYS, VALUES, max_size=8).flatmap(
    lambda item: st.sampled_from(sorted(TYPES)).map(lambda type: {"event": "E", "userId": "u", "type": type, **item})
)
BODIES = st.one_of(
    st.binary(max_size=60),
    VALUES.map(lambda value: json.dumps(value).encode()),
    ITEMS.map(lambda item: json.dumps(item).encode()),
    ITEMS.map(lambda item: json.dumps(item, ensure_ascii=False).encode("utf-8", "surrogatepass")),
    st.lists(ITEMS | VALUES, max_size=4).map(lambda items: json.dumps({"batch": items, "sentAt": items}).encode()),
    st.tuples(ITEMS, VALUES).map(lambda two: json.dumps({"batch": [two[0]], "context": two[1]}).encode()),
    ITEMS.map(lambda item: json.dumps(item).replace("0", "1e999").encode()),
)


@pytest.mark.long
@given(body=BODIES, type=st.sampled_from(sorted(TYPES)))
def test_whatever_comes_is_refused_or_taken_and_what_is_taken_can_be_opened(body: bytes, type: str) -> None:
    posted: list[Single | Batch] = []
    for parse in (lambda: parse_single(type, body), lambda: parse_batch(body)):
        try:
            posted.append(parse())
        except InvalidCall:
            continue
    for each in posted:
        each.item_key()
        calls, discards = each.calls("website", NOW, "203.0.113.7")
        assert len(calls) + len(discards) == each.size
        for call in calls:
            event = opened(call)
            kind = {"u": event.user_id, "a": event.anonymous_id, "g": event.group_id}
            assert call.user_key == f"{call.user_key[0]}:{kind[call.user_key[0]]}"
            assert event.timestamp.tzinfo is not None
            assert "writeKey" not in event.payload
            msgspec.json.encode(event.payload)


@pytest.mark.long
@given(items=st.lists(ITEMS | ITEMS.map(lambda item: {"messageId": "m", **item}) | VALUES, max_size=4))
def test_a_call_that_is_taken_as_it_is_is_what_a_closer_look_makes_of_it(items: list[Any]) -> None:
    body = json.dumps({"batch": items, "context": {"x": {"y": []}}}).encode()
    try:
        posted = parse_batch(body)
    except InvalidCall:
        return
    at_once = posted.calls("website", NOW, "203.0.113.7", lambda: "made")
    noted = list(posted.notes)
    with patch.object(Batch, "_usual", lambda *_: None):
        again = parse_batch(body)
        closely = again.calls("website", NOW, "203.0.113.7", lambda: "made")
    assert (at_once, noted) == (closely, again.notes)


def test_usual_calls_are_taken_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("router.ingest.parse.read_item", None)
    usual = [{**TRACK, "messageId": f"m{n}", "properties": {"at": "é"}} for n in range(3)]
    calls, discards = batch(*usual)
    assert ([call.message_id for call in calls], discards) == (["m0", "m1", "m2"], [])


def test_many_small_items_in_a_light_body_are_bounded_too() -> None:
    body = b'{"batch":[%s]}' % b",".join([b"1"] * (MAX_LIGHT_BYTES // 2 - 20))
    assert len(body) <= MAX_LIGHT_BYTES
    calls, discards = judged(parse_batch(body))
    assert calls == []
    assert len(discards) == MAX_BATCH_ITEMS + 1
    assert discards[-1].n == MAX_LIGHT_BYTES // 2 - 20 - MAX_BATCH_ITEMS
