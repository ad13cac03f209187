"""`type`, `default`, `max_length`, `hash` and `event_names` of a mapping table, as a plugin sees their work."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime
from typing import Any

import pytest

from router.config import DestinationConfig, MappingConfig, PrivacyConfig
from router.plugin import Event, Group
from router.plugin_host import compile_filter
from router.plugin_host.event_mapping import MappingTable, Requires, compile_mapping
from router.privacy import Hasher, hasher_of

KEY = "0123456789abcdef"
AT = datetime(2026, 1, 2, tzinfo=UTC)


def compiled(requires: Requires | None = None, **table: Any) -> MappingTable:
    found = compile_mapping(MappingConfig.model_validate(table), requires or {}, hasher_of(PrivacyConfig(key=KEY)))
    assert found is not None
    return found


def mapped(given: dict[str, Any], **table: Any) -> Any:
    made = compiled(**table).properties
    assert made is not None
    return made(given)


def hashed(text: str, normalize: bool = True) -> Any:
    return Hasher(KEY.encode(), normalize)(text)


def event(type: str = "track", **call: Any) -> Event:
    traits, properties = call.get("traits", {}), call.get("properties", {})
    fields: dict[str, Any] = {
        "user_id": "u",
        "anonymous_id": None,
        "group_id": None,
        "previous_id": None,
        "category": None,
    }
    return Event(
        type=type, message_id="m", source="website", name=call.get("event"), traits=traits, properties=properties,
        timestamp=AT, original_timestamp=AT, received_at=AT, options={}, payload={"type": type, **call}, **fields,
    )  # fmt: skip


def test_a_value_that_cannot_be_brought_to_its_type_is_left_out_and_null_stays() -> None:
    given = {"a": "12", "b": "twelve", "c": None, "d": {"e": "x"}}
    types = {f"properties.{key}": "number" for key in ("a", "b", "c", "d.e", "z")}
    assert mapped(given, type=types) == {"a": 12, "c": None, "d": {}}
    assert given == {"a": "12", "b": "twelve", "c": None, "d": {"e": "x"}}


@pytest.mark.parametrize("given", [{}, {"plan": None}, {"plan": " "}])
def test_a_default_fills_what_is_missing_null_or_blank(given: dict[str, Any]) -> None:
    assert mapped(given, default={"properties.plan": "free"}) == {"plan": "free"}


def test_a_default_leaves_a_value_alone_and_stands_in_for_one_of_the_wrong_type() -> None:
    table: dict[str, Any] = {"default": {"properties.n": "7"}, "type": {"properties.n": "number"}}
    assert mapped({"n": 0}, **table) == {"n": 0}
    assert mapped({"n": "x"}, **table) == {"n": 7}


def test_a_default_trait_fills_what_is_known_and_not_the_calls_which_tell_only_what_changed() -> None:
    table = compiled(default={"user.plan": "free"})
    assert table.user is not None
    assert table.user({"email": "e"}) == {"email": "e", "plan": "free"}
    assert table.event(event("identify", traits={"email": "e"})).traits == {"email": "e"}


def test_a_default_group_trait_is_known_as_soon_as_the_group_is() -> None:
    requires: Requires = {"track": (Group("id", "name"),)}
    assert compiled(requires, default={"group.name": "Unnamed"}).told_as == {"name": ()}


def test_a_long_text_is_cut_and_nothing_else() -> None:
    given = {"a": "ünïcode", "b": "ok", "n": 123456, "l": ["abcdef"]}
    lengths = {f"properties.{key}": 3 for key in "abnl"}
    assert mapped(given, max_length=lengths) == {"a": "ünï", "b": "ok", "n": 123456, "l": ["abcdef"]}


def test_a_hash_is_keyed_and_in_hex() -> None:
    want = hmac.new(KEY.encode(), b"Ann", hashlib.sha256).hexdigest()
    assert mapped({"name": "Ann"}, hash=["properties.name"]) == {"name": want}


def test_numbers_are_hashed_as_their_json_lists_item_by_item_and_objects_go() -> None:
    given = {"n": 150.0, "b": True, "l": ["x", None, {"y": 1}], "o": {"y": 1}, "z": None}
    made = mapped(given, hash=[f"properties.{key}" for key in "nbloz"])
    assert made == {"n": hashed("150"), "b": hashed("true"), "l": [hashed("x"), None], "z": None}


def test_an_address_and_a_number_have_one_hash_however_they_are_written() -> None:
    assert hashed(" Ann@Example.com ") == hashed("ann@example.com")
    assert hashed("+49 (30) 123-456") == hashed("+4930123456")
    assert hashed("Ann") != hashed("ann")
    assert hashed("Ann@Example.com", normalize=False) != hashed("ann@example.com", normalize=False)


def test_an_event_gets_its_new_name_in_the_payload_too() -> None:
    made = compiled(event_names={"Signed Up": "Signup", "A": "B", "B": "A"}).event(event(event="Signed Up"))
    assert (made.name, made.payload["event"]) == ("Signup", "Signup")
    other = event(event="Other")
    assert compiled(event_names={"Signed Up": "Signup"}).event(other) is other


def test_names_that_are_dropped_are_filtered_after_the_filters() -> None:
    config = {"name": "d", "plugin": "p", "filter": "properties.x != 1", "mapping": {"event_names": {"Beat": False}}}
    filters = compile_filter(DestinationConfig.model_validate(config))
    assert filters is not None
    found = [filters.stopped({"type": "track", "event": "Beat", "properties": {"x": x}}) for x in (1, 2)]
    assert [stopped and stopped.reason for stopped in found] == ["filter", "event_name"]
    assert filters.stopped({"type": "page", "event": "Beat"}) is None
