"""Braze: fixtures, batches of at most 75 objects, verdicts object by object, the wire, and any JSON at all."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from plugins.braze import Braze, BrazeSettings
from router.plugin import Answer, Context, Delivered, Item, Outcome, Pause, Reject, Request, RetryLater, Skip, Split
from router.testing import CheckFixture, Rehearsal, fixture_files, open_sender
from router.testing.vendor import FakeVendor, Reply
from tests.contract.plugin_case import ANY_JSON, FIXTURES, event_of, mapped


def plugin(**settings: Any) -> Braze:
    return Braze(BrazeSettings(**{"api_key": "KEY", **settings}))


def requests(items: list[Item], **settings: Any) -> list[Request]:
    """The requests that carry these items."""
    return Rehearsal(Braze, {"api_key": "KEY", **settings}).requests(items)


def event(name: str = "Run", user: str = "u1") -> Item:
    return Item({"events": [{"external_id": user, "name": name}]})


def bought(*prices: int) -> Item:
    return Item({"purchases": [{"external_id": "u1", "price": price} for price in prices]})


def answer(status: int, body: Any = None, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, named, b"" if body is None else json.dumps(body).encode())


def verdict(items: list[Item], given: Answer) -> list[Outcome]:
    found = plugin().verdict(items, given)
    return list(found) if isinstance(found, Sequence) else [found] * len(items)


@pytest.mark.parametrize("path", fixture_files(FIXTURES / "braze"), ids=lambda path: path.stem)
def test_fixture_gives_its_requests(path: Path, check_fixture: CheckFixture) -> None:
    check_fixture(Braze, path)


# ---------------------------------------------------------------- batches


def test_two_hundred_tracks_travel_as_75_75_50_in_order() -> None:
    sending = plugin()
    calls = [{"type": "track", "userId": f"u{n % 7}", "event": f"E{n}"} for n in range(200)]
    items = [item for call in calls for item in mapped(sending, event_of(call), Context())]
    sent = [json.loads(request.body)["events"] for request in requests(items)]
    assert [len(events) for events in sent] == [75, 75, 50]
    assert [found["name"] for events in sent for found in events] == [f"E{n}" for n in range(200)]


def test_no_request_holds_more_objects_than_allowed_whatever_the_orders() -> None:
    sending = plugin(max_objects=10)
    orders = [
        {"type": "track", "userId": "u1", "event": "Order Completed", "properties": {"products": products}}
        for products in ([{"id": f"k{n}", "price": n} for n in range(size)] for size in (1, 3, 25, 1, 1, 10))
    ]
    items = [item for call in orders for item in mapped(sending, event_of(call), Context())]
    sizes = [len(json.loads(request.body)["purchases"]) for request in requests(items, max_objects=10)]
    assert sizes == [10, 10, 10, 10, 1]


def test_a_request_never_holds_more_than_75_objects_whatever_is_configured() -> None:
    with pytest.raises(ValidationError, match="max_objects"):
        plugin(max_objects=76)


def test_one_request_carries_all_three_arrays() -> None:
    body = json.loads(plugin().request([event("A"), Item({"attributes": [{"x": 1}]}), bought(1), event("B")]).body)
    assert {array: len(objects) for array, objects in body.items()} == {"events": 2, "attributes": 1, "purchases": 1}
    assert [found["name"] for found in body["events"]] == ["A", "B"]


# ---------------------------------------------------------------- verdicts


@pytest.mark.parametrize(
    ("given", "outcome"),
    [
        (answer(201, {"message": "success", "events_processed": 1}), Delivered()),
        (answer(200, {"message": "success"}), Delivered()),
        (answer(202, {"message": "queued"}), Delivered()),
        (answer(201), Delivered()),
        (answer(201, {"message": "refused"}), Reject("rejected", "refused")),
        (answer(201, {"message": "success", "errors": ["bad"]}), Reject("rejected", "success: ['bad']")),
        (answer(400, {"message": "bad"}), Reject("rejected", 'status_400: {"message": "bad"}')),
        (answer(401), Pause("credentials", "status 401: ")),
        (answer(403), Pause("credentials", "status 403: ", sure=False)),
        (answer(404), Pause("set_up", "status 404: ", sure=False)),
        (answer(413), Reject("too_large", "status 413: ")),
        (answer(500), RetryLater("status_500")),
        (Answer(503, retry_after_s=7.0), RetryLater("status_503", after_s=7.0)),
        (answer(408), RetryLater("status_408")),
        (answer(301), Pause("set_up", "status 301: a redirect; is base_url right?")),
    ],
    ids=lambda value: str(value.status) if isinstance(value, Answer) else "",
)
def test_verdict_of_a_single_item(given: Answer, outcome: Outcome) -> None:
    assert verdict([event()], given) == [outcome]


def test_an_error_inside_a_success_refuses_the_item_that_owns_the_object() -> None:
    errors = [{"type": "'quantity' is not valid", "input_array": "purchases", "index": 1}]
    given = answer(201, {"message": "success", "errors": errors})
    refused = Reject("rejected", "purchases: 'quantity' is not valid")
    assert verdict([bought(1), bought(2), bought(3)], given) == [Delivered(), refused, Delivered()]


def test_an_index_counts_within_its_own_array() -> None:
    errors = [
        {"type": "bad", "input_array": "events", "index": 1},
        {"type": "worse", "input_array": "events", "index": 9},
    ]
    given = answer(201, {"message": "success", "errors": errors})
    items = [event(), Item({"attributes": [{}]}), bought(1), event()]
    assert verdict(items, given) == [Delivered(), Delivered(), Delivered(), Reject("rejected", "events: bad")]


def test_two_errors_of_one_object_are_told_together() -> None:
    errors = [{"type": kind, "input_array": "purchases", "index": 0} for kind in ("price", "currency")]
    given = answer(201, {"message": "success", "errors": errors})
    assert verdict([bought(1)], given) == [Reject("rejected", "purchases: price; purchases: currency")]


def test_a_success_with_another_message_refuses_everything() -> None:
    errors = [{"type": "bad", "input_array": "events", "index": 0}]
    found = verdict([event(), event()], answer(201, {"message": "stop", "errors": errors}))
    assert found[0] == Reject("rejected", "events: bad")
    assert isinstance(found[1], Reject)


def test_a_400_refuses_what_it_names_and_sends_the_others_again_in_parts() -> None:
    errors = [{"type": "bad", "input_array": "events", "index": 0}]
    found = verdict([event(), event(), event()], answer(400, {"message": "fatal", "errors": errors}))
    assert found[0] == Reject("rejected", "events: bad")
    assert [type(outcome) for outcome in found[1:]] == [Split, Split]


@pytest.mark.parametrize("status", [400, 413])
def test_a_refusal_without_words_splits_the_batch(status: int) -> None:
    assert [type(outcome) for outcome in verdict([event(), event()], answer(status))] == [Split, Split]


@pytest.mark.parametrize("errors", [None, "x", {}, [None, "x", {"index": "0"}, {"input_array": 1, "index": 0}], [[]]])
def test_unreadable_errors_refuse_nobody_in_a_batch(errors: Any) -> None:
    assert verdict([event(), event()], answer(201, {"message": "success", "errors": errors})) == [Delivered()] * 2


@pytest.mark.parametrize(
    ("given", "after_s"),
    [
        (Answer(429, {"x-ratelimit-retry-after": "9"}, retry_after_s=3.0), 3.0),
        (answer(429, x_ratelimit_retry_after="4"), 4.0),
        (answer(429, x_ratelimit_retry_after="soon"), None),
        (answer(429), None),
    ],
)
def test_a_429_waits_as_long_as_its_headers_say(given: Answer, after_s: float | None) -> None:
    """Retry-After and X-RateLimit-Reset are read by the router, for every vendor."""
    assert plugin().verdict([event()], given) == RetryLater("status_429", after_s=after_s)


@pytest.mark.parametrize("body", [b"<html>Welcome</html>", b"OK", b"[]", b'"success"'])
def test_a_success_without_braze_s_json_pauses_and_loses_nothing(body: bytes) -> None:
    """A page of a proxy, or of the dashboard in place of the REST endpoint, has taken no event."""
    words = "status 200, but the answer is none of Braze's; is base_url the REST endpoint?"
    assert verdict([event(), event()], Answer(200, {}, body)) == [Pause("set_up", words)] * 2


def test_an_alias_that_braze_does_not_know_is_nothing_to_merge() -> None:
    """The traits of that identify must still go out."""
    items = [Item({"aliases_to_identify": [{"external_id": "u1"}]}, "identify")]
    errors = [{"type": "unknown alias", "input_array": "aliases_to_identify", "index": 0}]
    assert verdict(items, answer(201, {"message": "success", "errors": errors})) == [Delivered()]


def test_a_merge_that_is_refused_is_not_taken_for_one_of_an_unknown_alias() -> None:
    items = [Item({"aliases_to_identify": [{"external_id": "u1"}]}, "identify")]
    assert verdict(items, answer(201, {"message": "no such app"})) == [Reject("rejected", "no such app")]
    assert verdict(items, answer(201)) == [Delivered()]


def test_a_key_that_is_no_text_is_refused() -> None:
    with pytest.raises(ValidationError, match="api_key"):
        plugin(api_key="")


# ---------------------------------------------------------------- the wire, and any JSON


async def test_the_wire_carries_the_key_in_a_header_and_nowhere_else() -> None:
    settings = {"api_key": "KEY", "base_url": "https://braze.test/"}
    async with (
        FakeVendor(Reply(201, json={"message": "success"})) as vendor,
        open_sender(Braze, settings, vendor) as sender,
    ):
        call = {"type": "track", "userId": "u1", "event": "Run", "timestamp": "2024-03-01T10:00:00Z"}
        assert await sender.deliver(mapped(sender.plugin, event_of(call), Context())) == [Delivered()]
    [seen] = vendor.requests
    assert (seen.method, seen.url, seen.headers["authorization"]) == (
        "POST",
        "https://braze.test/users/track",
        "Bearer KEY",
    )
    assert seen.json() == {"events": [{"external_id": "u1", "name": "Run", "time": "2024-03-01T10:00:00.000Z"}]}


NOTHING = {"message": "Valid data must be provided in the 'attributes', 'events', or 'purchases' fields."}


async def checked(reply: Reply) -> str:
    """What `check` says, or why it raises."""
    async with FakeVendor(reply) as vendor, open_sender(Braze, {"api_key": "KEY"}, vendor) as sender:
        try:
            return await sender.check()
        except (Reject, Pause, RetryLater) as outcome:
            return outcome.reason
        finally:
            assert [seen.json() for seen in vendor.requests] == [{}]


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (Reply(400, json=NOTHING), "Braze takes our key; nothing was stored, since the request had nothing in it"),
        (Reply(401, json={"message": "Invalid API Key"}), "credentials"),
        (Reply(403), "credentials"),
        (Reply(404), "set_up"),
        (Reply(400, body=b"<html>"), "rejected"),
        (Reply(200, body=b"<html>"), "set_up"),
        (Reply(503), "status_503"),
    ],
)
async def test_the_check_tries_the_key_with_a_request_that_holds_nothing(reply: Reply, said: str) -> None:
    assert await checked(reply) == said


@pytest.mark.parametrize(
    ("setting", "path", "call"),
    [
        ({"anonymous_alias_label": "browser"}, "/users/identify", {"type": "identify", "anonymousId": "a1"}),
        ({"merge_on_alias": True}, "/users/merge", {"type": "alias", "previousId": "u0"}),
    ],
)
def test_no_more_than_fifty_merges_share_a_request(setting: dict[str, Any], path: str, call: dict[str, Any]) -> None:
    sending = plugin(**setting)
    calls = [{**call, "userId": f"u{n}x"} for n in range(60)]
    items = [item for one in calls for item in mapped(sending, event_of(one), Context())]
    sent = requests(items, **setting)
    assert [request.url.partition(".com")[2] for request in sent] == [path, path]
    sizes = [len(objects) for request in sent for objects in json.loads(request.body).values()]
    assert sizes == [50, 10]


SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "app_id": st.just("A1"),
        "update_existing_only": st.booleans(),
        "track_all_pages": st.booleans(),
        "track_named_pages": st.booleans(),
        "purchase_properties": st.booleans(),
        "anonymous_alias_label": st.just("browser"),
        "merge_on_alias": st.booleans(),
        "drop_repeats": st.booleans(),
    },
)
IDS = st.fixed_dictionaries(
    {},
    optional={
        name: st.text(min_size=1, max_size=4) | st.integers()
        for name in ("userId", "anonymousId", "groupId", "previousId")
    },
)
PRODUCTS = ANY_JSON | st.lists(
    ANY_JSON | st.dictionaries(st.sampled_from(["id", "sku", "price", "quantity", "currency"]), ANY_JSON), max_size=4
)
OBJECT = st.dictionaries(
    st.sampled_from(["birthday", "gender", "address", "name", "time", "external_id", "user_alias"]) | st.text(),
    ANY_JSON,
)


@given(
    settings=SETTINGS,
    kind=st.sampled_from(["identify", "group", "track", "page", "screen", "alias"]),
    ids=IDS,
    name=st.none() | st.text() | st.just("Order Completed"),
    traits=OBJECT,
    products=PRODUCTS,
    options=st.dictionaries(st.just("braze_id") | st.text(), ANY_JSON, max_size=2),
)
@pytest.mark.long
def test_any_json_is_sent_as_valid_json_of_its_own_user_or_refused(
    settings: dict[str, Any],
    kind: str,
    ids: dict[str, Any],
    name: str | None,
    traits: dict[str, Any],
    products: Any,
    options: dict[str, Any],
) -> None:
    """No event breaks the mapping, speaks of somebody else, or carries the key along."""
    sending = plugin(api_key="the-secret", **settings)
    call = {"type": kind, **ids, "event": name, "name": name, "traits": traits}
    event = event_of({**call, "properties": {**traits, "products": products}}, options)
    key = sending.state_key(event)
    assert key is None or (kind == "identify" and settings["drop_repeats"])
    try:
        items = mapped(sending, event, Context())
    except (Skip, Reject):
        return
    assert "the-secret" not in repr(items)
    for request in requests(items, api_key="the-secret", **settings):
        assert request.headers["Authorization"] == "Bearer the-secret"
        for array, objects in json.loads(request.body).items():
            for found in objects if array in ("attributes", "events", "purchases") else ():
                assert {"external_id", "braze_id", "user_alias"} & found.keys()
                if event.user_id:
                    assert found["external_id"] == event.user_id
                    assert found.keys().isdisjoint({"braze_id", "user_alias"})
