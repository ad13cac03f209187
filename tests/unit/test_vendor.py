"""The fake vendor is a real server: what it records and how it fails must be what a client meets on the wire."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from yarl import URL

from router.testing.vendor import (
    FakeVendor,
    Garbage,
    Hang,
    Received,
    Redirect,
    Reply,
    Reset,
    ShortBody,
    Slow,
    once_only,
    per_item,
)  # fmt: skip
from tests.patience import HANG_S


@pytest.fixture
async def vendor() -> AsyncIterator[FakeVendor]:
    async with FakeVendor() as vendor:
        yield vendor


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as client:
        yield client


async def status(client: aiohttp.ClientSession, url: str) -> int:
    async with client.post(url) as answer:
        return answer.status


async def test_a_request_is_recorded_as_it_was_on_the_wire(vendor: FakeVendor, client: aiohttp.ClientSession) -> None:
    url = URL(f"{vendor.url}/a%2Fb%20c/../%C3%89?key=x%2Fy&z=", encoded=True)
    async with client.put(url, data=b'{"n": 1}', headers={"X-Thing": "T"}) as answer:
        assert (answer.status, await answer.json()) == (200, {})
    [seen] = vendor.requests
    assert (seen.method, seen.url) == ("PUT", "/a%2Fb%20c/../%C3%89?key=x%2Fy&z=")
    assert seen.headers["x-thing"] == "T"
    assert (seen.body, seen.json()) == (b'{"n": 1}', {"n": 1})


async def test_scripted_replies_come_first_then_the_callable_then_the_default(
    vendor: FakeVendor, client: aiohttp.ClientSession
) -> None:
    vendor.default = Reply(202)
    vendor.script(Reply(500), Reply(429, headers={"Retry-After": "2"}))
    vendor.answer = lambda seen: Reply(404 if seen.url == "/missing" else 201)
    assert [await status(client, f"{vendor.url}/{path}") for path in ("", "", "missing", "x")] == [500, 429, 404, 201]
    vendor.answer = None
    assert await status(client, vendor.url) == 202


async def test_a_reply_carries_its_headers_and_body(vendor: FakeVendor, client: aiohttp.ClientSession) -> None:
    vendor.script(Reply(429, json={"wait": True}, headers={"Retry-After": "2"}))
    async with client.post(vendor.url) as answer:
        assert answer.headers["Retry-After"] == "2"
        assert await answer.json() == {"wait": True}


async def test_requests_in_flight_are_counted_until_their_answer(
    vendor: FakeVendor, client: aiohttp.ClientSession
) -> None:
    vendor.script(Hang(), Hang(201))
    first, second = (asyncio.create_task(status(client, vendor.url)) for _ in range(2))
    await vendor.received(2)
    assert (vendor.in_flight, vendor.max_in_flight) == (2, 2)
    vendor.release()
    assert sorted([await first, await second]) == [200, 201]
    await status(client, vendor.url)
    assert vendor.max_in_flight == 2


async def test_a_hanging_request_ends_when_its_client_leaves(vendor: FakeVendor, client: aiohttp.ClientSession) -> None:
    vendor.default = Hang()
    with pytest.raises(TimeoutError):
        async with client.post(vendor.url, timeout=aiohttp.ClientTimeout(total=0.05)):
            pass
    async with asyncio.timeout(HANG_S):
        while vendor.in_flight:  # noqa: ASYNC110 - the client has left, nobody is told
            await asyncio.sleep(0.001)


async def test_leaving_the_context_answers_what_hangs() -> None:
    async with aiohttp.ClientSession() as client:
        async with FakeVendor(Hang(204)) as vendor:
            waiting = asyncio.create_task(status(client, vendor.url))
            await vendor.received(1)
        assert await waiting == 204


async def test_a_reset_gives_no_answer_and_the_next_request_is_served(
    vendor: FakeVendor, client: aiohttp.ClientSession
) -> None:
    vendor.script(Reset())
    with pytest.raises((aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)):
        await status(client, vendor.url)
    assert await status(client, vendor.url) == 200
    assert len(vendor.requests) == 2


async def test_a_short_body_ends_before_its_announced_length(vendor: FakeVendor, client: aiohttp.ClientSession) -> None:
    vendor.script(ShortBody(201))
    async with client.post(vendor.url) as answer:
        assert answer.status == 201
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.read()


async def test_garbage_is_announced_as_json_and_is_none(vendor: FakeVendor, client: aiohttp.ClientSession) -> None:
    vendor.script(Garbage())
    async with client.post(vendor.url) as answer:
        assert answer.content_type == "application/json"
        with pytest.raises(ValueError, match="decode"):
            await answer.json()


async def test_a_slow_answer_waits_on_the_clock_it_was_given(client: aiohttp.ClientSession) -> None:
    class NoWaiting:
        slept: list[float] = []  # noqa: RUF012 - one test, one instance

        def now_ms(self) -> int:
            return 0

        def monotonic(self) -> float:
            return 0.0

        async def sleep(self, seconds: float) -> None:
            self.slept.append(seconds)

    async with FakeVendor(Reply(delay_s=30.0), clock=NoWaiting()) as vendor:
        assert await status(client, vendor.url) == 200
    assert NoWaiting.slept == [30.0]


async def test_waiting_for_requests_that_do_not_come_times_out(vendor: FakeVendor) -> None:
    with pytest.raises(TimeoutError):
        await vendor.received(1, within_s=0.01)


async def test_it_listens_on_the_loopback_interface_only(vendor: FakeVendor) -> None:
    assert vendor.url.startswith("http://127.0.0.1:")


def test_a_recorded_body_that_is_no_json_raises() -> None:
    with pytest.raises(ValueError, match="JSON"):
        Received("POST", "/", {}, b"<").json()


async def test_a_redirect_says_where_and_a_slow_answer_comes_in_pieces(
    vendor: FakeVendor, client: aiohttp.ClientSession
) -> None:
    vendor.script(Redirect(), Slow(body=b"0123456789", delay_s=0.001, pieces=3))
    async with client.get(vendor.url, allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (302, "https://elsewhere.example.com/")
    async with client.get(vendor.url) as answer:
        assert await answer.read() == b"0123456789"
    assert Slow(body=b"0123456789", pieces=3).parts() == [b"0123", b"4567", b"89"]


async def test_items_are_answered_one_by_one(vendor: FakeVendor, client: aiohttp.ClientSession) -> None:
    vendor.script(per_item(lambda body: body["events"], lambda event: {"ok": event["n"] < 2}, key="told"))
    async with client.post(vendor.url, json={"events": [{"n": 1}, {"n": 2}]}) as answer:
        assert (answer.status, await answer.json()) == (207, {"told": [{"ok": True}, {"ok": False}]})


async def test_a_duplicate_is_known_by_its_key(vendor: FakeVendor, client: aiohttp.ClientSession) -> None:
    vendor.default = once_only(lambda seen: seen.json()["id"], first=Reply(201))
    statuses = []
    for n in (1, 2, 1):
        async with client.post(vendor.url, json={"id": n}) as answer:
            statuses.append(answer.status)
    assert statuses == [201, 201, 409]


@pytest.mark.parametrize("given", ["nope", None, Reset])
async def test_what_is_no_answer_is_refused_when_it_is_scripted(vendor: FakeVendor, given: Any) -> None:
    with pytest.raises(TypeError, match="answers no request: want a Reply"):
        vendor.script(given)


@pytest.mark.parametrize("status", [99, 100, 199, 600, "200"])
def test_a_status_that_ends_no_request_is_refused(status: Any) -> None:
    with pytest.raises(ValueError, match="want 200 to 599"):
        Reply(status)


def unready(seen: Received) -> Any:
    raise KeyError("not in the test")


@pytest.mark.parametrize(
    ("answer", "kind"), [(unready, KeyError), (lambda seen: "fine", TypeError), (Reply(json=object()), TypeError)]
)
async def test_what_an_answer_raises_is_raised_at_the_end(
    client: aiohttp.ClientSession, answer: Any, kind: type[Exception]
) -> None:
    with pytest.raises(kind):
        async with FakeVendor(answer) as vendor:
            assert await status(client, vendor.url) == 500


async def test_a_test_that_fails_says_what_an_answer_raised(client: aiohttp.ClientSession) -> None:
    with pytest.raises(AssertionError) as failure:
        async with FakeVendor(unready) as vendor:
            assert await status(client, vendor.url) == 200
    assert "KeyError: 'not in the test'" in failure.value.__notes__[0]


async def test_a_vendor_that_is_not_open_has_no_url_and_says_why() -> None:
    async with FakeVendor() as vendor:
        pass
    for closed in (vendor, FakeVendor()):
        with pytest.raises(RuntimeError, match="the FakeVendor is not open"):
            print(closed.url)
