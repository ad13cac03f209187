"""Segment: fixtures, the limits of a batch, times that no receiver corrects again, loops, answers, refused settings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from plugins.segment import MAX_HOPS, MAX_ITEM_BYTES, Segment, SegmentSettings
from router.event import normalize_event
from router.ingest.parse import parse_batch
from router.plugin import (
    Answer,
    Context,
    Delivered,
    Event,
    Item,
    Outcome,
    Pause,
    Reject,
    Request,
    RetryLater,
    Skip,
    Split,
    by_status,
)
from router.testing import CheckFixture, fixture_files, open_sender
from router.testing.samples import CALLS, sample_event
from router.testing.vendor import FakeVendor, Reply
from tests.contract.plugin_case import ANY_JSON, FIXTURES, event_of, mapped
from tests.vendors.segment import SegmentVendor
from tests.vendors.strict import Seen

KEY = "wk_s3cret"
TYPES = list(CALLS)


def plugin(**settings: Any) -> Segment:
    return Segment(SegmentSettings.model_validate({"write_key": KEY, **settings}))


def item_of(sending: Segment, event: Event) -> Item:
    (item,) = mapped(sending, event, Context())
    return item


@pytest.mark.parametrize("path", fixture_files(FIXTURES / "segment_destination"), ids=lambda path: path.stem)
def test_fixture_gives_its_requests(path: Path, check_fixture: CheckFixture) -> None:
    check_fixture(Segment, path)


# ---------------------------------------------------------------- what arrives


def received(request_body: bytes, received_at: int) -> list[Event]:
    """What another router makes of a batch."""
    calls, discards = parse_batch(request_body).calls("there", received_at, None)
    assert discards == []
    return [normalize_event("there", c.type, c.message_id, c.received_at, c.body) for c in calls]


@pytest.mark.parametrize("type", TYPES)
def test_a_call_is_the_same_call_at_the_other_end_an_hour_later(type: str) -> None:
    event, sending = sample_event(type), plugin()
    at_ms = int(event.received_at.timestamp() * 1000) + 3_600_000
    (there,) = received(sending.request([item_of(sending, event)]).body, at_ms)
    for field in ("message_id", "timestamp", "original_timestamp", "user_id", "traits", "properties", "name"):
        assert getattr(there, field) == getattr(event, field), field
    assert {**there.payload["context"], "forwardedTo": 0} == {**event.payload["context"], "forwardedTo": 0}
    assert there.payload["integrations"] == event.payload["integrations"]


def test_a_clock_that_was_corrected_once_is_not_corrected_again() -> None:
    sent = {"type": "track", "userId": "u1", "event": "E", "timestamp": "2026-01-02T03:00:00Z"}
    body = json.dumps({"batch": [sent], "sentAt": "2026-01-02T03:00:05Z"}).encode()
    (event,) = received(body, 1767323105000)  # five minutes after sentAt by the router's clock: the sender's is wrong
    sending = plugin()
    (there,) = received(sending.request([item_of(sending, event)]).body, 1767330000000)
    assert (there.timestamp, there.original_timestamp) == (event.timestamp, event.original_timestamp)
    assert event.timestamp != event.original_timestamp


# ---------------------------------------------------------------- limits


@pytest.mark.parametrize("text", ["", "x" * 20_000], ids=["short events", "long events"])
def test_the_fullest_batch_is_within_the_limits_of_the_api(text: str) -> None:
    sending = plugin(batch=2_500)
    item, limits = item_of(sending, sample_event("track", properties={"text": text})), sending.kinds[""]
    n = min(limits.max_items, limits.max_bytes // len(item.json))
    assert refusals(sending.request([item] * n)) == ()


def refusals(request: Request) -> tuple[str, ...]:
    """What a strict API finds wrong with a request."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    seen = Seen("POST", "base_url", request.url.removeprefix(plugin().settings.base_url), headers, request.body, 0)
    return SegmentVendor().read(seen, {"write_key": KEY}).words


@pytest.mark.parametrize("over", [0, 1])
def test_an_event_may_be_as_long_as_the_api_takes_and_not_a_byte_longer(over: int) -> None:
    sending = plugin()
    call = {"type": "track", "messageId": "m", "userId": "u", "event": "E", "context": {}, "properties": {"text": ""}}
    room = MAX_ITEM_BYTES - len(item_of(sending, event_of(call)).json)
    longer = event_of({**call, "properties": {"text": "x" * (room + over)}})
    if over:
        with pytest.raises(Reject, match="too_large"):
            sending.track(longer)
    else:
        assert len(sending.track(longer).json) == MAX_ITEM_BYTES


# ---------------------------------------------------------------- loops


def back(item: Item) -> Event:
    """The event that a call becomes where it comes back."""
    return event_of(item.body)


def test_a_call_that_comes_back_is_sent_nowhere_it_has_been() -> None:
    to_b, to_a = plugin(base_url="http://b.test"), plugin(base_url="http://a.test")
    call = {"type": "track", "messageId": "m", "userId": "u", "event": "E"}
    home = back(item_of(to_a, back(item_of(to_b, event_of(call)))))
    with pytest.raises(Skip, match="loop"):
        to_b.track(home)


def test_two_sources_of_one_address_are_two_places() -> None:
    one, two = plugin(write_key="k1"), plugin(write_key="k2")
    item = item_of(two, back(item_of(one, event_of({"type": "track", "userId": "u", "event": "E"}))))
    assert len(item.body["context"]["forwardedTo"]) == 2


def test_a_call_that_has_been_to_too_many_places_goes_no_further() -> None:
    event = event_of({"type": "track", "userId": "u", "event": "E"})
    for n in range(MAX_HOPS):
        event = back(item_of(plugin(write_key=f"k{n}"), event))
    with pytest.raises(Skip, match="loop"):
        plugin(write_key="one more").track(event)


def test_the_mark_tells_nobody_the_write_key() -> None:
    item = item_of(plugin(), event_of({"type": "track", "userId": "u", "event": "E"}))
    assert KEY not in item.json.decode()


# ---------------------------------------------------------------- answers


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("status", [200, 204, 302, 400, 401, 403, 404, 408, 413, 422, 429, 500, 503])
def test_a_status_means_what_it_means_everywhere(status: int, n: int) -> None:
    answer = Answer(status, body=b'{"message": "words"}')
    assert plugin().verdict([Item({})] * n, answer) == by_status(answer, n)


@pytest.mark.parametrize(
    ("answer", "n", "outcome"),
    [
        (Answer(200, body=b"OK"), 1, Delivered),
        (Answer(200, body=b'{"success": true}'), 2, Delivered),
        (Answer(200, body=b'{"success": false, "message": "no"}'), 1, Reject),
        (Answer(200, body=b'{"success": false, "message": "no"}'), 2, Split),
        (Answer(200, body=b"\n<!doctype html><html>"), 1, Pause),
        (Answer(400, body=b"invalid writeKey"), 2, Pause),
        (Answer(400, body=b"malformed JSON"), 2, Split),
        (Answer(400, body=b"malformed JSON"), 1, Reject),
        (Answer(429), 1, RetryLater),
    ],
)
def test_what_only_this_api_says(answer: Answer, n: int, outcome: type[Outcome]) -> None:
    assert isinstance(plugin().verdict([Item({})] * n, answer), outcome)


@pytest.mark.parametrize(
    ("reply", "raised"),
    [
        (Reply(200, json={"success": True}), None),
        (Reply(400, json={"success": False, "message": "empty batch"}), None),
        (Reply(400, body=b"Bad Request"), Reject),
        (Reply(401), Pause),
        (Reply(400, json={"message": "no write key"}), Pause),
        (Reply(503), RetryLater),
    ],
)
async def test_the_check_stores_nothing_and_says_what_the_api_thinks_of_the_key(
    reply: Reply, raised: type[Exception] | None
) -> None:
    async with FakeVendor(reply) as vendor, open_sender(Segment, {"write_key": "wk"}, vendor) as sender:
        if raised is None:
            assert "key" in await sender.check()
        else:
            with pytest.raises(raised):
                await sender.check()
    assert [seen.json() for seen in vendor.requests] == [{"batch": []}]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"write_key": ""}, "at least 1"),
        ({"base_url": "api.segment.io"}, "write an address"),
        ({"base_url": "https://[::1"}, "write an address"),
        ({"base_url": "https://me:pw@example.com"}, "leave out user"),
        ({"base_url": "https://example.com/?a=b"}, "leave out the query"),
        ({"base_url": "https://api.segment.io/v1/"}, "leave out /v1"),
        ({"batch": 2501}, "less than or equal to 2500"),
    ],
)
def test_settings_that_could_never_work_are_refused(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        plugin(**wrong)


# ---------------------------------------------------------------- any JSON


@given(
    kind=st.sampled_from(TYPES),
    contents=st.lists(st.dictionaries(st.text(), ANY_JSON, max_size=5), min_size=1, max_size=3),
    context=st.dictionaries(st.text() | st.just("forwardedTo"), ANY_JSON, max_size=3),
)
@pytest.mark.long
def test_a_strict_api_takes_whatever_is_called(
    kind: str, contents: list[dict[str, Any]], context: dict[str, Any]
) -> None:
    sending, items = plugin(), []
    for n, content in enumerate(contents):
        event = sample_event(kind, messageId=f"m{n}")
        payload = {**event.payload, "properties": content, "traits": content, "context": context}
        items.append(item_of(sending, msgspec.structs.replace(event, payload=payload)))
    assert refusals(sending.request(items)) == ()
