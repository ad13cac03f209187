"""What open_event makes of a stored call."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from router.event import Envelope, coerce_id, open_event, parse_user, read_instant, show_user_key
from router.plugin import Event

RECEIVED_MS = 1_767_323_045_678  # 2026-01-02T03:04:05.678Z
RECEIVED = "2026-01-02T03:04:05.678Z"


def opened(call: dict[str, Any] | str, type: str = "track", envelope: Envelope | None = None, **how: Any) -> Event:
    text = call if isinstance(call, str) else json.dumps(call)
    body = (envelope or Envelope()).line() + text.encode()
    return open_event("website", type, "m1", RECEIVED_MS, body, **how)


class TestIds:
    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            ("u1", "u1"), ("  u1\t", "u1"), ("Ann@Example.com", "Ann@Example.com"), (7, "7"), (7.0, "7"), (7.5, "7.5"),
            (-0.0, "0"), (0, "0"), (1e21, "1000000000000000000000"), (1e-7, "0.0000001"), (2**70, str(2**70)),
            (100.0, "100"), ("", None), ("   ", None), (None, None), (True, None), (False, None), ([], None),
            ({"a": 1}, None), (float("inf"), None), (float("nan"), None),
        ],
    )  # fmt: skip
    def test_an_id_is_a_trimmed_string_whatever_it_was_sent_as(self, value: Any, expected: str | None) -> None:
        assert coerce_id(value) == expected

    @pytest.mark.parametrize(("key", "shown"), [("u:x", "user:x"), ("a:x:y", "anonymous:x:y"), ("g:x", "group:x")])
    def test_a_user_key_is_shown_by_kind_and_can_be_typed_back(self, key: str, shown: str) -> None:
        assert show_user_key(key) == shown
        assert parse_user(shown) == key

    @pytest.mark.parametrize(
        ("text", "key"), [("x", "u:x"), (" x ", "u:x"), ("acct:7", "u:acct:7"), ("user: 7", "u:7")]
    )
    def test_a_bare_id_means_a_user(self, text: str, key: str) -> None:
        assert parse_user(text) == key

    def test_ids_are_strings_in_the_event_and_in_its_payload(self) -> None:
        event = opened({"userId": 42, "anonymousId": " a ", "event": "E", "context": {"groupId": 7.0}})
        assert (event.user_id, event.anonymous_id, event.group_id) == ("42", "a", "7")
        assert (event.payload["userId"], event.payload["anonymousId"]) == ("42", "a")

    def test_unusable_ids_are_absent_from_the_payload(self) -> None:
        event = opened({"userId": None, "anonymousId": "a", "groupId": [1], "event": "E"})
        assert event.user_id is None
        assert not {"userId", "groupId"} & set(event.payload)

    def test_a_groupid_of_its_own_wins_over_the_one_in_context(self) -> None:
        assert opened({"userId": "u", "groupId": "g1", "context": {"groupId": "g2"}}).group_id == "g1"
        assert opened({"userId": "u", "context": {"groupId": "g2"}}).group_id == "g2"
        assert opened({"userId": "u", "context": {"groupId": "g2"}}, "group").group_id is None

    def test_a_linked_user_is_taken_only_where_the_call_has_none(self) -> None:
        linked = opened({"anonymousId": "a", "event": "E"}, user_id="u9")
        assert (linked.user_id, linked.payload["userId"]) == ("u9", "u9")
        assert opened({"userId": "u1", "event": "E"}, user_id="u9").user_id == "u1"

    def test_previous_id_belongs_to_alias_only(self) -> None:
        assert opened({"userId": "u", "previousId": 5}, "alias").previous_id == "5"
        assert opened({"userId": "u", "previousId": 5}, "track").previous_id is None


class TestInstants:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("2026-11-22T03:50:30.640Z", "2026-11-22T03:50:30.640000"),
            ("2026-11-22T03:50:30.640+00:00", "2026-11-22T03:50:30.640000"),
            ("2026-11-22T03:49:27.785259+00:00", "2026-11-22T03:49:27.785259"),
            ("2026-11-22T03:50:30.123456789Z", "2026-11-22T03:50:30.123456"),
            ("2026-11-22T03:50:30+00:00", "2026-11-22T03:50:30.000000"),
            ("2026-11-22T03:50:30Z", "2026-11-22T03:50:30.000000"),
            ("2026-11-22T03:50:30", "2026-11-22T03:50:30.000000"),
            ("2026-11-22T03:50:30.5-05:30", "2026-11-22T09:20:30.500000"),
            ("2026-11-22", "2026-11-22T00:00:00.000000"),
        ],
    )
    def test_every_form_that_libraries_send_is_read_as_utc(self, text: str, expected: str) -> None:
        instant = read_instant(text)
        assert instant is not None
        assert instant.tzinfo is UTC
        assert instant.replace(tzinfo=None).isoformat(timespec="microseconds") == expected

    @pytest.mark.parametrize(
        "value", ["", "soon", "2026-13-01", "0001-01-01T00:00:00+05:00", "x" * 5000, 5, None, {}, True]
    )
    def test_an_unreadable_timestamp_counts_as_absent(self, value: Any) -> None:
        event = opened({"userId": "u", "event": "E", "timestamp": value, "sentAt": value, "originalTimestamp": value})
        assert event.payload["timestamp"] == event.payload["originalTimestamp"] == RECEIVED
        assert "sentAt" not in event.payload

    def test_the_senders_clock_skew_is_taken_out(self) -> None:
        call = {"userId": "u", "timestamp": "2026-01-02T04:00:00.000Z", "sentAt": "2026-01-02T04:00:10.000Z"}
        event = opened(call)
        assert event.payload["originalTimestamp"] == "2026-01-02T04:00:00.000Z"
        assert event.payload["sentAt"] == "2026-01-02T04:00:10.000Z"
        assert event.payload["timestamp"] == "2026-01-02T03:03:55.678Z"
        assert event.timestamp == datetime(2026, 1, 2, 3, 3, 55, 678000, UTC)
        assert event.original_timestamp == datetime(2026, 1, 2, 4, tzinfo=UTC)
        assert event.received_at == datetime(2026, 1, 2, 3, 4, 5, 678000, UTC)

    def test_the_sent_at_of_the_batch_serves_where_the_call_has_none(self) -> None:
        envelope = Envelope(sent_at="2026-01-02T04:00:10+00:00")
        assert opened({"timestamp": "2026-01-02T04:00:00Z"}, envelope=envelope).payload["timestamp"] == (
            "2026-01-02T03:03:55.678Z"
        )
        own = {"timestamp": "2026-01-02T04:00:00Z", "sentAt": "2026-01-02T04:00:00Z"}
        assert opened(own, envelope=envelope).payload["timestamp"] == RECEIVED
        unreadable = {"timestamp": "2026-01-02T04:00:00Z", "sentAt": "now"}
        assert opened(unreadable, envelope=envelope).payload["sentAt"] == "2026-01-02T04:00:10.000Z"

    def test_without_sent_at_the_senders_time_stands(self) -> None:
        assert opened({"timestamp": "2026-01-01T00:00:00Z"}).payload["timestamp"] == "2026-01-01T00:00:00.000Z"

    def test_original_timestamp_alone_is_corrected(self) -> None:
        call = {"originalTimestamp": "2026-01-02T04:00:00Z", "sentAt": "2026-01-02T04:00:00Z"}
        assert opened(call).payload["timestamp"] == RECEIVED

    def test_a_call_with_both_timestamps_was_corrected_before(self) -> None:
        event = opened(
            {
                "timestamp": "2026-01-01T00:00:01Z",
                "originalTimestamp": "2026-01-01T00:00:00Z",
                "sentAt": "2026-01-02T04:00:00Z",
            }
        )
        assert event.payload["timestamp"] == "2026-01-01T00:00:01.000Z"
        assert event.payload["originalTimestamp"] == "2026-01-01T00:00:00.000Z"

    def test_a_call_without_any_time_happened_when_received_whatever_its_sent_at(self) -> None:
        assert opened({"sentAt": "2020-01-01T00:00:00Z"}).payload["timestamp"] == RECEIVED

    def test_a_correction_beyond_the_calendar_is_not_made(self) -> None:
        call = {"timestamp": "9999-12-31T23:59:59Z", "sentAt": "0001-01-01T00:00:00Z"}
        assert opened(call).payload["timestamp"] == "9999-12-31T23:59:59.000Z"


class TestMerging:
    def test_the_batchs_context_and_integrations_fill_in_and_the_calls_own_win(self) -> None:
        envelope = Envelope(context={"a": 1, "library": {"name": "x"}}, integrations={"All": False, "Braze": True})
        call = {"event": "E", "context": {"library": {"name": "y"}}, "integrations": {"All": True}}
        event = opened(call, envelope=envelope)
        assert event.payload["context"] == {"a": 1, "library": {"name": "y"}}
        assert event.payload["integrations"] == {"All": True, "Braze": True}

    @pytest.mark.parametrize("odd", [None, [], "x", 5])
    def test_context_and_integrations_of_another_type_count_as_absent(self, odd: Any) -> None:
        event = opened({"event": "E", "context": odd, "integrations": odd}, names=frozenset({"braze"}))
        assert (event.payload["context"], event.payload["integrations"], event.options) == ({}, {}, {})

    def test_options_are_the_object_under_one_of_the_destinations_names(self) -> None:
        call = {"event": "E", "integrations": {"All": True, "BRAZE": {"k": 1}, "Other": {"k": 2}}}
        assert opened(call, names=frozenset({"appboy", "braze"})).options == {"k": 1}
        assert opened({"event": "E", "integrations": {"Braze": True}}, names=frozenset({"braze"})).options == {}

    def test_line_breaks_in_the_batchs_context_stay_out_of_the_envelopes_line(self) -> None:
        line = Envelope(context=msgspec.Raw(b'{\n "a": "x\\ny"\r\n}')).line()
        assert line.count(b"\n") == 1
        event = open_event("s", "track", "m", RECEIVED_MS, line + b'{"event":"E"}')
        assert event.payload["context"] == {"a": "x\ny"}


class TestIp:
    @pytest.mark.parametrize(
        "context",
        [
            {"library": {"name": "analytics.js"}},
            {"library": {"name": "analytics-ios"}},
            {"library": {"name": "@segment/analytics-react-native"}},
            {"library": {"name": "analytics_flutter"}},
            {"library": {"name": "analytics-kotlin"}, "ip": None},
            {"library": {"name": "RudderLabs JavaScript SDK"}},
            {"direct": True},
        ],
    )
    def test_the_connections_address_is_filled_in_for_calls_from_devices(self, context: dict[str, Any]) -> None:
        event = opened({"event": "E", "context": context}, envelope=Envelope(ip="203.0.113.7"))
        assert event.payload["context"]["ip"] == "203.0.113.7"

    @pytest.mark.parametrize(
        "context",
        [{}, {"library": {"name": "analytics-python"}}, {"library": "analytics.js"}, {"library": {"name": "axios"}}],
    )
    def test_it_is_not_for_calls_from_servers(self, context: dict[str, Any]) -> None:
        event = opened({"event": "E", "context": context}, envelope=Envelope(ip="203.0.113.7"))
        assert "ip" not in event.payload["context"]

    def test_an_address_that_was_sent_is_never_overwritten(self) -> None:
        call = {"event": "E", "context": {"ip": "192.0.2.1", "direct": True}}
        assert opened(call, envelope=Envelope(ip="203.0.113.7")).payload["context"]["ip"] == "192.0.2.1"


class TestTypes:
    def test_a_track_is_named_by_its_event(self) -> None:
        event = opened({"userId": "u", "event": "Order Completed", "properties": {"revenue": 9.5}})
        assert (event.name, event.category, event.properties, event.traits) == (
            "Order Completed", None, {"revenue": 9.5}, {},
        )  # fmt: skip

    def test_a_page_has_name_and_category_unless_they_are_empty_or_no_strings(self) -> None:
        event = opened({"userId": "u", "name": "Intro", "category": "Docs"}, "page")
        assert (event.name, event.category) == ("Intro", "Docs")
        bare = opened({"userId": "u", "name": "", "category": 5}, "screen")
        assert (bare.name, bare.category) == (None, None)
        assert not {"name", "category"} & set(bare.payload)

    def test_traits_and_properties_that_are_null_are_empty(self) -> None:
        assert opened({"userId": "u", "traits": None}, "identify").payload["traits"] == {}
        assert opened({"userId": "u"}, "page").payload["properties"] == {}

    @pytest.mark.parametrize("own", [{}, {"traits": None}, {"traits": {}}])
    def test_an_identify_takes_its_traits_from_context_where_it_has_none(self, own: dict[str, Any]) -> None:
        event = opened({"userId": "u", "context": {"traits": {"email": "a@b.c"}}, **own}, "identify")
        assert event.traits == event.payload["traits"] == {"email": "a@b.c"}

    def test_traits_of_its_own_win_and_a_group_does_not_take_the_users(self) -> None:
        context = {"traits": {"email": "a@b.c"}}
        assert opened({"traits": {"n": 1}, "context": context}, "identify").traits == {"n": 1}
        assert opened({"groupId": "g", "context": context}, "group").traits == {}

    def test_the_payload_says_type_and_message_id_and_keeps_secrets_and_housekeeping_out(self) -> None:
        call = {
            "type": "page",
            "messageId": 5,
            "writeKey": "wk",
            "_metadata": {},
            "version": 2,
            "channel": "web",
            "x": 1,
        }
        payload = opened(call).payload
        assert (payload["type"], payload["messageId"], payload["channel"], payload["x"]) == ("track", "m1", "web", 1)
        assert not {"writeKey", "_metadata", "version"} & set(payload)
        assert payload["receivedAt"] == RECEIVED


class TestHostileNumbers:
    @pytest.mark.parametrize("number", ["1e999", "-1e999", "9" * 5000, "1E400"])
    def test_a_number_nothing_can_hold_becomes_null_and_the_rest_stands(self, number: str) -> None:
        event = opened(f'{{"userId":"u","event":"E","properties":{{"n":{number},"m":1.5,"i":7,"s":"é"}}}}')
        assert event.properties == {"n": None, "m": 1.5, "i": 7, "s": "é"}

    def test_such_a_number_as_an_id_is_no_id(self) -> None:
        assert opened('{"userId":1e999,"anonymousId":"a"}').user_id is None

    def test_such_a_number_in_the_batchs_context_does_no_harm_either(self) -> None:
        envelope = Envelope(sent_at="2026-01-02T03:04:05Z", context=msgspec.Raw(b'{"n":1e999,"a":1}'))
        event = opened({"event": "E"}, envelope=envelope)
        assert event.payload["context"] == {"n": None, "a": 1}
        assert event.payload["sentAt"] == "2026-01-02T03:04:05.000Z"
