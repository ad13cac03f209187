"""Calls by image: whatever is asked, the answer is the picture."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import pytest
from yarl import URL

from router.config import Rate
from router.errors import InvalidCall, StoreFull
from router.event import TYPES, normalize_event
from router.ingest.pixel import GIF, MAX_DOTS, read_pixel
from router.ingest.write_key import Sources
from tests.unit.ingest.rig import KEY, Client, FakeSource, RecordingAcceptor

#: its base64 has both signs in which the two alphabets differ, and padding
CALL = {
    "writeKey": KEY,
    "userId": "u1",
    "event": "Email Opened",
    "messageId": "m1",
    "properties": {"a": "¿¿¿>>>???ÿÿþ"},
}
TEXT = base64.b64encode(json.dumps(CALL, ensure_ascii=False).encode()).decode()


def opened(acceptor: RecordingAcceptor) -> Mapping[str, Any]:
    """The one stored call."""
    (call,) = acceptor.calls
    return normalize_event(call.source, call.type, call.message_id, call.received_at, call.body).payload


async def is_picture(client: Client, path: str, method: str = "GET") -> None:
    answer = await client.request(method, path)
    body = b"" if method == "HEAD" else GIF
    assert (answer.status, answer.content_type, await answer.read()) == (200, "image/gif", body)
    assert answer.headers["Cache-Control"] == "no-store"


def test_the_data_of_these_tests_needs_both_alphabets_and_padding() -> None:
    assert "+" in TEXT
    assert "/" in TEXT
    assert TEXT.endswith("=")


@pytest.mark.parametrize(
    "data",
    [
        quote(TEXT, safe=""),
        TEXT,  # every + arrives as a space
        quote(TEXT.rstrip("="), safe=""),
        TEXT.replace("+", "-").replace("/", "_"),
        TEXT.replace("+", "-").replace("/", "_").rstrip("="),
    ],
    ids=["percent", "plus", "no-padding", "url-safe", "url-safe-no-padding"],
)
async def test_every_spelling_of_base64_is_read(client: Client, acceptor: RecordingAcceptor, data: str) -> None:
    # encoded by hand: the client must not touch it
    url = URL(f"{client.make_url('/')}v1/pixel/track?data={data}", encoded=True)
    answer = await client.session.get(url)
    assert (answer.status, await answer.read()) == (200, GIF)
    payload = opened(acceptor)
    assert (payload["event"], payload["properties"]) == ("Email Opened", CALL["properties"])
    assert "writeKey" not in payload


@pytest.mark.parametrize("type", sorted(TYPES))
async def test_each_type_has_its_pixel(client: Client, acceptor: RecordingAcceptor, type: str) -> None:
    query = f"writeKey={KEY}&userId=u1&event=E&groupId=g&previousId=p"
    await is_picture(client, f"/v1/pixel/{type}?{query}")
    assert [call.type for call in acceptor.calls] == [type]


async def test_plain_parameters_with_dots_become_objects_and_stay_text(
    client: Client, acceptor: RecordingAcceptor
) -> None:
    query = f"writeKey={KEY}&anonymousId=a1&event=Opened&properties.n=7&properties.mail.subject=Hello+you&context.ip=1.2.3.4"
    await is_picture(client, f"/v1/pixel/track?{query}")
    payload = opened(acceptor)
    assert payload["properties"] == {"n": "7", "mail": {"subject": "Hello you"}}
    assert (payload["context"]["ip"], payload["anonymousId"]) == ("1.2.3.4", "a1")


async def test_what_a_query_switches_off_in_integrations_is_off(client: Client, acceptor: RecordingAcceptor) -> None:
    wishes = "integrations.All=false&integrations.Braze=FALSE&integrations.Webhooks=0&integrations.crm=true"
    others = "integrations.Natero.braze_id=0&properties.paid=false"
    await is_picture(client, f"/v1/pixel/track?writeKey={KEY}&anonymousId=a1&event=E&{wishes}&{others}")
    payload = opened(acceptor)
    assert payload["integrations"] == {
        "All": False, "Braze": False, "Webhooks": False, "crm": True, "Natero": {"braze_id": "0"}
    }  # fmt: skip
    assert payload["properties"] == {"paid": "false"}


@pytest.mark.parametrize("type", ["track", "page"])
async def test_rudderstack_s_pixel_is_understood(client: Client, acceptor: RecordingAcceptor, type: str) -> None:
    await is_picture(client, f"/pixel/v1/{type}?writeKey={KEY}&anonymousId=a1&event=E&channel=web")
    assert opened(acceptor)["anonymousId"] == "a1"


@pytest.mark.parametrize(
    "path",
    [
        "/v1/pixel/track",
        "/v1/pixel/nothing?writeKey=" + KEY,
        "/v1/pixel/track?data=%25%25%25",
        "/v1/pixel/track?data=" + base64.b64encode(b"[1]").decode(),
        "/v1/pixel/track?data=A",
        "/v1/pixel/track?userId=u1&event=E",
        "/v1/pixel/track?writeKey=wrong&userId=u1&event=E",
        "/v1/pixel/track?a.b=1&a=2&a.b.c=3",
        "/v1/pixel/track?x=%ED%A0%80",
    ],
)
async def test_what_cannot_be_used_is_a_picture_too(client: Client, acceptor: RecordingAcceptor, path: str) -> None:
    await is_picture(client, path)
    assert acceptor.calls == []


async def test_a_bad_call_of_a_known_source_is_a_discard(client: Client, acceptor: RecordingAcceptor) -> None:
    await is_picture(client, f"/v1/pixel/track?writeKey={KEY}&userId=u1")
    assert [discard.code for discard in acceptor.discards] == ["event_not_defined"]


async def test_a_call_beyond_the_rate_is_a_discard_since_nobody_sends_it_again(
    client: Client, acceptor: RecordingAcceptor, sources: Sources
) -> None:
    sources.replace([FakeSource(rate=Rate(1, 60))])
    for _ in range(2):
        await is_picture(client, f"/v1/pixel/track?writeKey={KEY}&userId=u1&event=E")
    assert len(acceptor.calls) == 1
    assert [(discard.source, discard.code) for discard in acceptor.discards] == [("website", "rate_exceeded")]


async def test_a_store_that_is_full_is_a_picture_too(client: Client, acceptor: RecordingAcceptor) -> None:
    acceptor.error = StoreFull()
    await is_picture(client, f"/v1/pixel/track?writeKey={KEY}&userId=u1&event=E")


async def test_head_takes_nothing(client: Client, acceptor: RecordingAcceptor) -> None:
    await is_picture(client, f"/v1/pixel/track?writeKey={KEY}&userId=u1&event=E", "HEAD")
    assert not acceptor.asked.is_set()


async def test_a_webhook_s_key_opens_no_pixel(client: Client, acceptor: RecordingAcceptor, sources: Sources) -> None:
    sources.replace([FakeSource(kind="segment-webhook")])
    await is_picture(client, f"/v1/pixel/track?writeKey={KEY}&userId=u1&event=E")
    assert acceptor.calls == []


def test_dots_nest_only_so_deep() -> None:
    posted = read_pixel("track", {"x" + ".x" * 5000: "1", "userId": "u", "event": "E"})
    assert posted.size == 1
    assert MAX_DOTS < 128


def test_a_query_that_is_too_large_is_refused() -> None:
    with pytest.raises(InvalidCall, match="too large"):
        read_pixel("track", {"properties.x": "y" * 40_000})
    with pytest.raises(InvalidCall, match="UTF-8"):
        read_pixel("track", {"x": "\ud800"})
