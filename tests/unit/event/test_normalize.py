"""What normalize_event makes of a stored call."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from router.event import Envelope, normalize_event
from tests.unit.event.rig import RECEIVED, RECEIVED_MS, opened


class TestIds:
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
        event = normalize_event("s", "track", "m", RECEIVED_MS, line + b'{"event":"E"}')
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
