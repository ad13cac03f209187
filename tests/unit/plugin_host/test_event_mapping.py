"""What a mapping table makes of events, users and groups: the four operations, their order, and what they leave alone."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.config import MappingConfig
from router.config.mapping_rules import mapping_problems
from router.errors import ConfigError
from router.event import normalize_event
from router.plugin import Event, Group
from router.plugin_host.event_mapping import MappingTable, compile_mapping
from router.traits import is_known
from tests.contract.plugin_case import ANY_JSON

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NEEDS_NAME = {"track": (Group("id", "name"),)}


def table(requires: Any = None, **tables: Any) -> MappingTable:
    """A compiled table; keyword arguments are its keys."""
    config = MappingConfig.model_validate(tables)
    assert mapping_problems(config) == []
    made = compile_mapping(config, requires or {})
    assert made is not None
    return made


def of(properties: dict[str, Any], **tables: Any) -> Any:
    """Properties as the plugin sees them; paths are without their root."""
    rooted: dict[str, Any] = {}
    for key, entries in tables.items():
        if isinstance(entries, list):
            rooted[key] = [f"properties.{path}" for path in entries]
        else:
            target = (lambda value: f"properties.{value}") if key == "rename" else (lambda value: value)
            rooted[key] = {f"properties.{path}": target(value) for path, value in entries.items()}
    rewrite = table(**rooted).properties
    assert rewrite is not None
    before = copy.deepcopy(properties)
    made = rewrite(properties)
    assert properties == before
    return made


def event(type: str, **call: Any) -> Event:
    body = b"{}\n" + msgspec.json.encode({"userId": "u1", **call})
    return normalize_event("website", type, "m1", 1_767_000_000_000, body)


# ---------------------------------------------------------------- the operations


def test_an_empty_table_is_no_table() -> None:
    assert compile_mapping(MappingConfig(), NEEDS_NAME) is None


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ({"area": 1, "b": 2}, {"module": 1, "b": 2}),
        ({"b": 2}, {"b": 2}),
        ({"area": 1, "module": 2}, {"module": 1}),
        ({"area": None}, {"module": None}),
        ({"area": None, "module": 2}, {"module": 2}),
        ({"area": " ", "module": 2}, {"module": 2}),
        ({"area": 0, "module": 2}, {"module": 0}),
        ({"area": {"x": [1]}}, {"module": {"x": [1]}}),
    ],
    ids=[
        "there",
        "not there: nothing happens",
        "what stands there gives way",
        "null moves too",
        "but not over a value",
        "nor does blank text",
        "zero is a value",
        "an object moves whole",
    ],
)  # fmt: skip
def test_rename(given: dict[str, Any], made: dict[str, Any]) -> None:
    assert of(given, rename={"area": "module"}) == made


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ({"geo": {"area": 1, "x": 2}}, {"geo": {"x": 2}, "place": {"name": 1}}),
        ({"geo": {"area": 1}, "place": {"y": 3}}, {"geo": {}, "place": {"y": 3, "name": 1}}),
        ({"geo": "text"}, {"geo": "text"}),
        ({"geo": [{"area": 1}]}, {"geo": [{"area": 1}]}),
        ({"geo": {"area": 1}, "place": "text"}, {"geo": {"area": 1}, "place": "text"}),
        ({"geo.area": 1}, {"geo.area": 1}),
    ],
    ids=[
        "objects are made on the way",
        "or added to",
        "no object on the way there: nothing happens",
        "a list is none",
        "no object on the way to the new path: nothing happens",
        "a dot in a key is not a path",
    ],
)  # fmt: skip
def test_rename_with_paths_into_objects(given: dict[str, Any], made: dict[str, Any]) -> None:
    assert of(given, rename={"geo.area": "place.name"}) == made


def test_two_keys_can_swap_their_names_whatever_the_order() -> None:
    assert of({"a": 1, "b": 2}, rename={"a": "b", "b": "a"}) == {"a": 2, "b": 1}
    assert of({"a": 1, "b": 2}, rename={"a": "b", "b": "c"}) == {"b": 1, "c": 2}
    assert of({"a": 1, "b": 2}, rename={"b": "c", "a": "b"}) == {"b": 1, "c": 2}


def test_a_value_can_be_lifted_out_of_its_object_and_the_rest_dropped() -> None:
    assert of({"geo": {"area": 1, "x": 2}}, rename={"geo.area": "area"}, drop=["geo"]) == {"area": 1}
    assert of({"geo": {"area": 1, "x": 2}}, rename={"geo.area": "geo"}) == {"geo": 1}
    assert of({"geo": 1}, rename={"geo": "geo.area"}) == {"geo": {"area": 1}}


def test_drop() -> None:
    given = {"a": 1, "b": {"c": 2, "d": {"e": 3}}, "f": "text"}
    assert of(given, drop=["a", "b.d.e", "f.g", "h", "h.i"]) == {"b": {"c": 2, "d": {}}, "f": "text"}


def test_set_adds_and_overwrites_and_makes_objects_on_the_way() -> None:
    given = {"a": 1, "t": "text"}
    made = of(given, set={"a": 2, "b.c.d": True, "t.x": "lost", "list": [1, {"x": 2}]})
    assert made == {"a": 2, "t": "text", "b": {"c": {"d": True}}, "list": [1, {"x": 2}]}


def test_a_list_that_is_set_is_each_events_own() -> None:
    rewrite = table(set={"properties.tags": ["a"]}).properties
    assert rewrite is not None
    first: Any = rewrite({})
    first["tags"].append("b")
    assert rewrite({}) == {"tags": ["a"]}


def test_only_leaves_what_it_names_and_no_empty_objects() -> None:
    given = {"z": 1, "a": {"b": {"c": 1, "x": 2}, "y": 3}, "d": {"x": 1}, "t": "text"}
    assert of(given, only=["a.b.c", "a.y", "d.e", "t.x", "z", "none"]) == {"z": 1, "a": {"b": {"c": 1}, "y": 3}}


def test_what_is_renamed_is_dropped_set_and_kept_by_its_new_name() -> None:
    made = of(
        {"a": {"p": 1, "q": 2}, "d": 3, "e": 4},
        rename={"a": "b"}, drop=["b.p"], set={"b.r": 5, "d": 6}, only=["b", "d"],
    )  # fmt: skip
    assert made == {"b": {"q": 2, "r": 5}, "d": 6}


def test_set_stands_after_drop() -> None:
    assert of({"a": {"x": 1}}, drop=["a"], set={"a.y": 2}) == {"a": {"y": 2}}


def test_objects_that_are_not_on_the_way_are_not_copied() -> None:
    given = {"a": {"b": 1, "c": {}}, "d": {}}
    made = of(given, rename={"a.b": "e"})
    assert made["a"]["c"] is given["a"]["c"]
    assert made["d"] is given["d"]


# ---------------------------------------------------------------- where


def test_each_root_speaks_of_its_own_place() -> None:
    made = table(
        rename={"group.title": "group.name", "user.role": "user.job", "properties.area": "properties.module"},
        drop=["traits.secret"],
    )
    traits = {"title": "T", "role": "R", "area": "A", "secret": 1}
    assert made.group is not None
    assert made.user is not None
    assert made.properties is not None
    assert made.group(traits) == {"name": "T", "role": "R", "area": "A"}
    assert made.user(traits) == {"title": "T", "job": "R", "area": "A"}
    assert made.properties(traits) == {"title": "T", "role": "R", "module": "A", "secret": 1}


def test_only_concerns_no_other_place() -> None:
    made = table(only=["properties.plan"])
    assert (made.user, made.group) == (None, None)


@pytest.mark.parametrize("type", ["track", "page", "screen"])
def test_the_properties_of_track_page_and_screen_calls_are_mapped_in_the_payload_too(type: str) -> None:
    sent = event(type, event="E", properties={"area": 1}, traits={"area": 2})
    made = table(rename={"properties.area": "properties.module"}).event(sent)
    assert made.properties == made.payload["properties"] == {"module": 1}
    assert made.payload["traits"] == {"area": 2}
    assert sent.properties == sent.payload["properties"] == {"area": 1}


def test_the_traits_of_identify_are_a_users_and_those_of_group_a_groups() -> None:
    made = table(rename={"group.title": "group.name"}, drop=["user.title"])
    group = made.event(event("group", groupId="g", traits={"title": "T"}))
    assert group.traits == group.payload["traits"] == {"name": "T"}
    identify = made.event(event("identify", traits={"title": "T", "x": 1}))
    assert identify.traits == identify.payload["traits"] == {"x": 1}


def test_the_users_traits_in_the_context_of_a_call_are_mapped_as_such() -> None:
    made = table(drop=["user.password"], set={"user.x": 1})
    sent = event("track", event="E", context={"traits": {"password": "p"}, "ip": "1.1.1.1"})
    assert made.event(sent).payload["context"] == {"traits": {"x": 1}, "ip": "1.1.1.1"}
    assert sent.payload["context"]["traits"] == {"password": "p"}
    identify = made.event(event("identify", context={"traits": {"password": "p", "a": 1}}))
    assert identify.traits == identify.payload["context"]["traits"] == {"a": 1, "x": 1}


def test_an_event_that_a_table_does_not_speak_of_is_not_touched() -> None:
    made = table(drop=["properties.x"])
    for sent in (event("identify", traits={"x": 1}), event("group", groupId="g"), event("alias", previousId="a")):
        assert made.event(sent) is sent
    sent = event("track", event="E", context={"traits": [1]})
    assert table(drop=["user.x", "group.x"]).event(sent) is sent


# ---------------------------------------------------------------- what the gate looks for


@pytest.mark.parametrize(
    ("tables", "names"),
    [
        ({"rename": {"group.title": "group.name"}}, ("title", "name")),
        ({"rename": {"traits.title": "traits.name"}}, ("title", "name")),
        ({"rename": {"group.title": "group.name", "group.name": "group.brand"}}, ("title",)),
        ({"set": {"group.name": "All"}}, ()),
        ({"drop": ["group.other"]}, None),
        ({"rename": {"user.title": "user.name"}}, None),
        ({"rename": {"group.plan": "group.tier"}}, None),
    ],
    ids=["renamed to", "by both", "its own name taken away", "set", "untouched", "the user's", "another trait"],
)
def test_a_needed_trait_is_looked_up_under_the_names_that_calls_give_it(
    tables: dict[str, Any], names: tuple[str, ...] | None
) -> None:
    assert table(NEEDS_NAME, **tables).told_as == ({} if names is None else {"name": names})


# ---------------------------------------------------------------- whatever comes

KEYS = st.sampled_from(["a", "b", "c", "x.y", ""])
PATHS = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=3).map(".".join)


@st.composite
def tables(draw: st.DrawFn) -> MappingConfig:
    """A table without faults; the entries of each operation that would be one are left out."""
    rooted = st.builds("{}.{}".format, st.sampled_from(["properties", "traits", "user", "group"]), PATHS)
    config = MappingConfig()
    for key, path, value in draw(
        st.lists(st.tuples(st.sampled_from(["rename", "drop", "set", "only"]), rooted, PATHS | ANY_JSON), max_size=8)
    ):
        entries = getattr(config, key)
        if key == "rename":
            entries = {**entries, path: f"{path.partition('.')[0]}.{value}"}
        else:
            entries = {**entries, path: value} if key == "set" else (*entries, path)
        more = config.model_copy(update={key: entries})
        config = config if mapping_problems(more) else more
    return config


OBJECTS = st.recursive(
    ANY_JSON, lambda inner: st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
).flatmap(lambda inner: st.dictionaries(KEYS, st.just(inner) | ANY_JSON, max_size=4))  # fmt: skip


@pytest.mark.long
@given(tables(), OBJECTS, st.sampled_from(["track", "identify", "group", "page"]))
def test_no_table_without_faults_raises_changes_what_is_given_or_makes_anything_but_json(
    config: MappingConfig, given: dict[str, Any], type: str
) -> None:
    made = compile_mapping(config, {}) or MappingTable()
    sent = Event(
        type=type, message_id="m", source="website", timestamp=NOW, original_timestamp=NOW, received_at=NOW,
        traits=given, properties=given, payload={"traits": given, "properties": given, "context": {"traits": given}},
    )  # fmt: skip
    before = copy.deepcopy(given)
    mapped = made.event(sent)
    assert repr(given) == repr(before)
    whole = (mapped.traits, mapped.properties, mapped.payload)
    assert is_json(whole[0])
    assert is_json(whole[1])
    assert is_json(whole[2])
    msgspec.json.encode(whole)


@pytest.mark.long
@given(tables(), OBJECTS)
def test_where_the_gate_may_open_the_plugin_really_finds_the_trait(
    config: MappingConfig, traits: dict[str, Any]
) -> None:
    try:
        made = compile_mapping(config, {"track": (Group("id", "a"),)}) or MappingTable()
    except ConfigError:
        return
    names = made.told_as.get("a", ("a",))
    if not names or any(is_known(traits.get(name)) for name in names):
        seen = made.group(traits) if made.group is not None else traits
        assert "a" in seen
        assert not names or is_known(seen["a"])


def is_json(value: Any) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str) and is_json(inner) for key, inner in value.items())
    if isinstance(value, list):
        return all(is_json(inner) for inner in value)
    return value is None or isinstance(value, bool | int | float | str)
