"""The template language of the http plugin: what each template makes of an event, and what is refused when it is loaded."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import pytest
from pydantic import ValidationError

from plugins.http import Http, HttpSettings
from plugins.http.scope import MAX_ENTRIES
from router.plugin import Context, Item, Profile, Reject, Skip
from router.privacy import Hasher
from tests.contract.plugin_case import event_of, mapped

CALL: dict[str, Any] = {
    "type": "track", "messageId": "m1", "userId": "U1", "event": "Order Paid", "timestamp": "2026-01-02T03:04:05Z",
    "context": {"ip": "10.0.0.1"},
    "properties": {
        "amount": "12.50", "count": 3.0, "on": False, "none": None, "blank": " ", "empty": {}, "list": [1, {"sku": "A"}],
        "table": {"a": 1, "b": None, "c": [2]}, "when": 1767322800, "orders": [{"n": 1, "lines": [{"sku": "A"}, {"sku": "B"}]}, {"n": 2, "lines": []}], "yes": "TRUE", "odd key": "x", "big": 1e300, "exact": "2026-01-02T03:04:05.678Z",
    },
}  # fmt: skip
KNOWN = Context(user=Profile("U1", {"email": "Ada@x.co", "zero": 0}), group=Profile("acme", {"name": "Acme"}))
KEY = "a key of 16 signs"
GONE = object()


def plugin(**settings: Any) -> Http:
    return Http(HttpSettings.model_validate({"url": "https://api.test/v1", **settings}))


def made(template: Any, values: dict[str, Any] | None = None, call: dict[str, Any] = CALL) -> Any:
    """What a template makes, as a key of a body."""
    body = {"made": template, "always": 1}
    sending = plugin(hash_key=KEY, values=values or {}, **{call["type"]: {"body": body}})
    [item] = mapped(sending, event_of(call), KNOWN)
    return item.body["body"].get("made", GONE)


@pytest.mark.parametrize(
    ("template", "result"),
    [
        # what a path leads to
        ("${properties.count}", 3.0),
        ("${properties.on}", False),
        ("${properties.table}", {"a": 1, "b": None, "c": [2]}),
        ("${properties.list.1.sku}", "A"),
        ("${properties.odd key}", "x"),
        ("${ userId }", "U1"),
        ("${user.email}", "Ada@x.co"),
        ("${user.zero}", 0),
        ("${group.id}", "acme"),
        ("${group.name}", "Acme"),
        ("${context.ip}", "10.0.0.1"),
        ("${call.event}", "Order Paid"),
        ("${timestamp}", "2026-01-02T03:04:05.000Z"),
        ("${source}", "website"),
        # what is missing
        ("${properties.none}", GONE),
        ("${properties.blank}", GONE),
        ("${properties.empty}", GONE),
        ("${properties.table.a.deeper}", GONE),
        ("${properties.list.7}", GONE),
        ("${properties.list.sku}", GONE),
        (f"${{properties.list.{'9' * 5000}}}", GONE),
        ("${previousId}", GONE),
        ("${name}", GONE),
        # texts
        ("did ${event} ${properties.count} times", "did Order Paid 3 times"),
        ("${properties.on}-${properties.amount}", "false-12.50"),
        ("by ${properties.none}", GONE),
        ("by ${properties.table}", GONE),
        ("$${event} is ${event}", "${event} is Order Paid"),
        ("100 $ {x}", "100 $ {x}"),
        ("", ""),
        # tables, lists and constants
        ({"a": "${event}", "b": "${properties.none}", "c": {"d": "${properties.blank}"}}, {"a": "Order Paid"}),
        (["x", "${properties.none}", 2], ["x", 2]),
        ({"a": "${properties.none}"}, GONE),
        (["${properties.none}"], GONE),
        ({"a": {}, "b": []}, {"a": {}, "b": []}),
        (True, True),
        (1.5, 1.5),
        ({"@first": ["${properties.none}", "${user.email}", "${userId}"]}, "Ada@x.co"),
        ({"@first": ["${properties.none}", "none"]}, "none"),
        ({"@first": ["${properties.none}"]}, GONE),
        ({"@merge": ["${properties.table}", {"a": 2, "d": "${event}"}]}, {"a": 2, "b": None, "c": [2], "d": "Order Paid"}),
        ({"@merge": ["${properties.amount}", "${properties.none}"]}, GONE),
        # functions
        ("${properties.amount | number}", 12.5),
        ("${event | number}", GONE),
        ("${properties.count | text}", "3"),
        ("${properties.table | text}", '{"a":1,"b":null,"c":[2]}'),
        ("${properties.yes | bool}", True),
        ("${properties.count | bool}", True),
        ("${event | bool}", GONE),
        ("${properties.when | date}", "2026-01-02T03:00:00.000Z"),
        ("${event | date}", GONE),
        ("${timestamp | seconds}", 1767323045),
        ("${properties.exact | milliseconds}", 1767323045678),
        ("${properties.exact | seconds}", 1767323045),
        ("${properties.big | text}", "1e+300"),
        ("${timestamp | milliseconds}", 1767323045000),
        ("${event | max_length(5)}", "Order"),
        ("${event | upper | max_length(3) | lower}", "ord"),
        ("${properties.count | upper}", 3.0),
        ("${properties.none | default('x | } y')}", "x | } y"),
        ("${event | number | default(0)}", 0),
        ("${properties.none | default(-1.5)}", -1.5),
        ("${properties.none | default(true)}", True),
        ("${event | default('x')}", "Order Paid"),
        ("${properties.none | upper | default('x') | upper}", "X"),
        ("${user.email | containing('@')}", "Ada@x.co"),
        ("${event | containing('@')}", GONE),
        ("${properties.table | only('a', 'z')}", {"a": 1}),
        ("${properties.table | only('z')}", GONE),
        ("${properties.table | without('a', 'b')}", {"c": [2]}),
        ("${event | without('a')}", GONE),
        ("${user.email | trim | lower | sha256}", hashlib.sha256(b"ada@x.co").hexdigest()),
        ("${properties.amount | number | sha256}", hashlib.sha256(b"12.5").hexdigest()),
        ("${properties.list | sha256}", [hashlib.sha256(b"1").hexdigest()]),
        ("${properties.table | sha256}", GONE),
        ("${properties.none | sha256}", GONE),
        ("${userId | hash}", hmac.digest(KEY.encode(), b"U1", "sha256").hex()),
        # lists
        ({"@each": "${properties.list}", "@make": "${item}"}, [1, {"sku": "A"}]),
        ({"@each": "${properties.list}", "@make": {"id": "${item.sku | lower}", "of": "${userId}"}}, [{"of": "U1"}, {"id": "a", "of": "U1"}]),
        ({"@each": "${properties.list}", "@make": {"id": "${item.sku}"}}, [{"id": "A"}]),
        ({"@each": "${properties.list}", "@make": "no ${item}"}, ["no 1"]),
        ({"@each": "${properties.list}", "@make": {"@first": ["${item.sku}", "none"]}}, ["none", "A"]),
        ({"@each": "${properties.orders}", "@make": {"n": "${item.n}", "skus": {"@each": "${item.lines}", "@make": "${item.sku}"}}},
         [{"n": 1, "skus": ["A", "B"]}, {"n": 2}]),
        ({"@each": "${properties.none}", "@make": 1}, GONE),
        ({"@each": "${properties.amount}", "@make": 1}, GONE),
        ({"@each": "${properties.table}", "@make": 1}, GONE),
        ({"@each": "${properties.list}", "@make": "${item.none}"}, GONE),
    ],
)  # fmt: skip
def test_a_template_makes_this_of_an_event(template: Any, result: Any) -> None:
    found = made(template)
    assert (found, type(found)) == (result, type(result))


def test_a_value_is_used_by_those_below_it_and_by_calls() -> None:
    values = {
        "first": "${user.first}",
        "who": {"@first": ["${values.first}", "${userId | lower}"]},
        "all": {"x": "${values.who}"},
    }
    assert made("${values.all.x}!", values) == "u1!"


def test_a_value_can_be_a_list_and_is_the_same_in_every_entry_of_another() -> None:
    values = {
        "skus": {"@each": "${properties.list}", "@make": "${item.sku}"},
        "first": "${values.skus.0}",
    }
    assert made({"@each": "${properties.orders}", "@make": "${values.first}${item.n}"}, values) == ["A1", "A2"]
    assert made({"@each": "${values.skus}", "@make": "${item | lower}"}, values) == ["a"]


def test_the_hash_of_an_address_is_the_one_that_mappings_and_sources_have() -> None:
    call = {**CALL, "properties": {"email": " Ada@X.co"}}
    assert made("${properties.email | trim | lower | hash}", call=call) == Hasher(KEY.encode(), True)(" Ada@X.co")
    assert made("${properties.email | hash}", call=call) == Hasher(KEY.encode(), False)(" Ada@X.co")


@pytest.mark.parametrize("n", [MAX_ENTRIES, MAX_ENTRIES + 1])
def test_an_event_whose_lists_are_too_long_is_a_dead_letter(n: int) -> None:
    template = {"@each": "${properties.list}", "@make": "${item}"}
    call = {**CALL, "properties": {"list": [1] * n}}
    if n <= MAX_ENTRIES:
        assert made(template, call=call) == [1] * n
    else:
        with pytest.raises(Reject, match="too_many_entries"):
            made(template, call=call)


@pytest.mark.parametrize("template", ["${properties.text | lower}", "${properties.text}", "${properties | text}"])
def test_a_long_text_that_each_entry_has_once_more_is_a_dead_letter(template: str) -> None:
    call = {**CALL, "properties": {"list": [1] * MAX_ENTRIES, "text": "Ä" * 400_000}}
    with pytest.raises(Reject, match="too_much_text"):
        made({"@each": "${properties.list}", "@make": {"note": template}}, call=call)


def test_a_text_may_stand_in_each_entry_and_a_long_one_outside_of_them() -> None:
    call = {**CALL, "properties": {"list": [1] * MAX_ENTRIES, "text": "Ä" * 1_000, "long": "Ä" * 400_000}}
    template = {
        "lines": {"@each": "${properties.list}", "@make": "${properties.text}"},
        "long": "${properties.long | lower}",
    }
    assert made(template, call=call) == {"lines": ["Ä" * 1_000] * MAX_ENTRIES, "long": "ä" * 400_000}


def test_lists_in_lists_are_counted_together() -> None:
    call = {**CALL, "properties": {"list": [1] * 40}}
    inner = {"@each": "${properties.list}", "@make": "${item}"}
    with pytest.raises(Reject, match="too_many_entries"):
        made({"@each": "${properties.list}", "@make": inner}, call=call)


def test_the_name_of_a_page_and_of_a_track_call_are_two_fields() -> None:
    assert made("${name}", call={**CALL, "type": "page", "name": "Docs"}) == "Docs"
    assert made("${event}", call={**CALL, "type": "page", "name": "Docs"}) is GONE


def test_what_a_template_makes_is_no_part_of_the_event() -> None:
    sending = plugin(track={"body": {"@merge": ["${properties}", {"amount": 1}]}})
    event = event_of(CALL)
    mapped(sending, event, KNOWN)
    assert event.properties["amount"] == "12.50"


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"track": {"body": {"a": {"b": ["${userid}"]}}}}, 'track.body.a.b[0]: unknown field "userid"; did you mean "userId"?'),
        ({"track": {"body": {"a": "${eventt | text}"}}}, 'did you mean "event"?'),
        ({"track": {"body": {"a": "${zzzzzz}"}}}, "there is type, messageId"),
        ({"track": {"body": {"a": "${event.x}"}}}, '"event.x": event has no keys; write ${event}'),
        ({"track": {"body": {"a": "${properties..x}"}}}, "a key between two dots is empty"),
        ({"track": {"body": {"a": "${user.id}"}}}, "the id of a user is ${userId}"),
        ({"track": {"body": {"a": "${event"}}}, 'track.body.a: "${event" has no end'),
        ({"track": {"body": {"a": "${}"}}}, "is not complete"),
        ({"track": {"body": {"a": "${event |}"}}}, "is not complete"),
        ({"track": {"body": {"a": "${event || text}"}}}, "is not complete"),
        ({"track": {"body": {"a": "${event | txt}"}}}, 'unknown function "txt"; did you mean "text"?'),
        ({"track": {"body": {"a": "${event | max_length}"}}}, "max_length is written as max_length(255)"),
        ({"track": {"body": {"a": "${event | max_length('5')}"}}}, "max_length is written as max_length(255)"),
        ({"track": {"body": {"a": "${event | text(1)}"}}}, "text is written as text"),
        ({"track": {"body": {"a": "${event | default(x)}"}}}, "an argument is text between single quotes"),
        ({"track": {"body": {"a": "${event | only()}"}}}, "an argument is text between single quotes"),
        ({"track": {"body": {"a": "${event | only('a', 1)}"}}}, "only is written as only('plan', 'seats')"),
        ({"track": {"body": {"a": "${event | __import__('os')}"}}}, 'unknown function "__import__"'),
        ({"track": {"body": {"a": "${event | 1+1}"}}}, '"1+1" is no function'),
        ({"track": {"body": {"@each": "${properties.list}"}}}, "track.body.@each: @first and @merge are alone in a table, and @each stands with @make only"),
        ({"track": {"body": {"@each": "${properties.list}", "@make": 1, "b": 1}}}, "track.body.@make: @first and @merge are alone"),
        ({"track": {"body": {"a": {"@each": ["x"], "@make": 1}}}}, 'track.body.a.@each: that is no path; write the path of a list'),
        ({"track": {"body": {"a": {"@each": "x ${event}", "@make": 1}}}}, "track.body.a.@each: that is no path"),
        ({"track": {"body": {"a": {"@each": "${userId}", "@make": 1}}}}, "track.body.a.@each: userId is no list"),
        ({"track": {"body": {"a": {"@each": "${properties}", "@make": 1}}}}, "track.body.a.@each: properties is no list"),
        ({"track": {"body": {"a": {"@each": "${propertis.x}", "@make": 1}}}}, 'track.body.a.@each: unknown field "propertis"'),
        ({"track": {"body": {"a": {"@each": "${properties.x}", "@make": {"b": "${item.c | nmber}"}}}}}, 'track.body.a.@make.b: unknown function "nmber"'),
        ({"track": {"body": {"a": "${item.sku}"}}}, 'track.body.a: "item.sku": item is an entry of a list; use it in the "@make"'),
        ({"values": {"v": "${item}"}, "track": {}}, 'values.v: "item": item is an entry of a list'),
        ({"track": {"path": "/${item.a}"}}, 'track.path: "item.a": item is an entry of a list'),
        ({"track": {"body": {"@each": "${properties.x}", "@make": 1}}, "fields": {"k": "K"}}, "track.body: it is a list, and a form and `fields` need a table"),
        ({"track": {"body": {"@each": "${properties.x}", "@make": 1}}, "format": "form"}, "track.body: it is a list, and a form and `fields` need a table"),
        ({"track": {"body": {"a": "${userId | hash}"}}}, 'track.body.a: hash needs a key; write hash_key = { env = "NAME" } in the settings, or use sha256'),
        ({"hash_key": "k" * 15, "track": {"body": {"a": "${userId | hash}"}}}, "at least 16"),
        ({"hash_key": "k" * 16, "track": {"body": {"a": "${userId | hash('x')}"}}}, "hash is written as hash"),
        ({"track": {"body": {"@first": ["x"], "b": 1}}}, "@first and @merge are alone in a table"),
        ({"track": {"body": {"@first": "x"}}}, "track.body.@first: write a list"),
        ({"track": {"body": {"${event}": 1}}}, "a key is taken as it is"),
        ({"track": {"body": {"a": float("inf")}}}, "JSON has no inf and nan"),
        ({"track": {"body": {"a": 2**63}}}, "too large a number"),
        ({"track": {"body": "text"}}, "track.body: write a table of templates"),
        ({"track": {"body": 7}}, "track.body: write a table of templates"),
        ({"values": {"a": "${values.b}", "b": 1}, "track": {}}, 'values.a: "values.b": unknown value "b"'),
        ({"values": {"a-b": 1}, "track": {}}, "values.a-b: write a name of letters"),
        ({"track": {"required": ["evnt"]}}, 'track.required[0]: unknown field "evnt"; did you mean "event"?'),
        ({"track": {"required": ["${event}"]}}, "track.required[0]"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_key_path_and_what_to_write(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as refused:
        plugin(**settings)
    assert words in str(refused.value)


def test_all_mistakes_are_named_together() -> None:
    with pytest.raises(ValidationError) as refused:
        plugin(track={"path": "x", "body": {"a": "${evnt}"}}, page={"requires": ["group"]})
    assert all(where in str(refused.value) for where in ("track.path: ", "track.body.a: ", "page.requires[0]: "))


# ---------------------------------------------------------------- what is skipped


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ({"path": "/u/${properties.none}"}, "missing_none"),
        ({"path": "/u/${properties.table}"}, "missing_table"),
        ({"path": "/u/${properties.odd key | number}"}, "missing_odd_key"),
        ({"body": {"a": 1}, "required": ["event", "properties.none"]}, "missing_none"),
        ({"body": {"a": 1}, "required": ["event | number"]}, "missing_event"),
    ],
)
def test_an_event_that_lacks_something_is_skipped_with_the_name_of_it(table: dict[str, Any], reason: str) -> None:
    with pytest.raises(Skip) as skipped:
        mapped(plugin(track=table), event_of(CALL), KNOWN)
    assert skipped.value.reason == reason


def test_an_event_of_which_nothing_is_left_makes_no_item() -> None:
    assert mapped(plugin(track={"body": {"a": "${properties.none}"}}), event_of(CALL), KNOWN) == []


def test_calls_without_a_table_are_skipped_and_traits_are_remembered() -> None:
    sending = plugin(track={"body": {"a": 1}})
    for type, reason in {"identify": "remembered", "group": "remembered", "page": "unsupported"}.items():
        with pytest.raises(Skip, match=reason):
            mapped(sending, event_of({**CALL, "type": type}), KNOWN)


def test_a_request_without_a_body_is_one_without_a_content_type() -> None:
    sending = plugin(track={"method": "DELETE", "path": "/u/${userId}"})
    request = sending.request(mapped(sending, event_of(CALL), KNOWN))
    assert (request.method, request.url, dict(request.headers), request.body) == (
        "DELETE",
        "https://api.test/v1/u/U1",
        {},
        b"",
    )


def test_the_items_of_an_event_hold_nothing_that_the_settings_add() -> None:
    sending = plugin(
        headers={"X-Key": "s3cret"}, query={"k": "s3cret"}, fields={"f": "s3cret"}, track={"body": {"a": "${event}"}}
    )
    [item] = mapped(sending, event_of(CALL), KNOWN)
    assert item == Item({"method": "POST", "path": "", "body": {"a": "Order Paid"}}, "POST")
