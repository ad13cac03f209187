"""A token that a plugin gets at run time, from a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from router.clock import SystemClock
from router.deliver.send.http_client import open_client
from router.deliver.send.sender import Attempt
from router.plugin import Answer, Pause, Request, RetryLater, Sender, Token, oauth_token
from router.plugin_host import Redactor
from router.testing.vendor import FakeVendor, Received, Reply
from tests.contract.rig import Plain, Vendor, destination


class Bank:
    """Gives tokens by number, and takes requests with the newest one only."""

    def __init__(self) -> None:
        self.given = 0
        self.lasts_s: float | None = 3600
        self.fails: Reply | None = None

    def answer(self, seen: Received) -> Reply:
        """To a request for a token, or with one."""
        if seen.url != "/token":
            return Reply(204 if seen.headers.get("x-token") == f"tok-secret-{self.given}" else 401)
        if self.fails is not None:
            return self.fails
        self.given += 1
        return Reply(200, json={"access_token": f"tok-secret-{self.given}", "expires_in": self.lasts_s})


class Bench:
    """A token of that bank, and senders as the router hands them out."""

    def __init__(self, vendor: FakeVendor, client: Any) -> None:
        self.bank = Bank()
        vendor.answer = self.bank.answer
        self._url, self._client = vendor.url, client
        self.destination = replace(destination(Plain, Vendor()), redactor=Redactor(()))
        self.token = Token(self._ask)

    def sender(self) -> Sender:
        return Attempt(self.destination, self._client, SystemClock())

    async def get(self) -> str:
        return await self.token.get(self.sender())

    async def send(self) -> int:
        """The status of one request with the token."""
        request = lambda token: Request(f"{self._url}/events", headers={"X-Token": token})  # noqa: E731
        return (await self.token.send(self.sender(), request)).status

    async def _ask(self, sender: Sender) -> tuple[str, float | None]:
        return oauth_token(await sender.send(Request(f"{self._url}/token")))


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """With a server of its own."""
    delivery = destination(Plain, Vendor()).config.delivery
    async with FakeVendor() as vendor, open_client(delivery) as client:
        yield Bench(vendor, client)


async def test_however_many_wait_a_token_is_asked_for_once(bench: Bench) -> None:
    assert await asyncio.gather(*(bench.send() for _ in range(20))) == [204] * 20
    assert await bench.send() == 204
    assert bench.bank.given == 1


async def test_when_the_call_that_asked_is_cut_the_others_get_the_token(bench: Bench) -> None:
    first = asyncio.ensure_future(bench.get())
    others = [asyncio.ensure_future(bench.get()) for _ in range(3)]
    await asyncio.sleep(0)
    first.cancel()
    assert await asyncio.gather(*others) == ["tok-secret-1"] * 3
    assert first.cancelled()
    assert bench.bank.given == 1


async def test_a_token_that_has_expired_is_asked_for_anew(bench: Bench) -> None:
    bench.bank.lasts_s = 0
    assert [await bench.get(), await bench.get()] == ["tok-secret-1", "tok-secret-2"]


async def test_a_token_without_an_end_is_kept(bench: Bench) -> None:
    bench.bank.lasts_s = None
    assert [await bench.get(), await bench.get()] == ["tok-secret-1", "tok-secret-1"]


async def test_after_a_401_all_share_one_new_token(bench: Bench) -> None:
    await bench.get()
    bench.bank.given = 41  # the one that we have is refused from now on
    assert await asyncio.gather(*(bench.send() for _ in range(10))) == [204] * 10
    assert bench.bank.given == 42


async def test_a_token_that_is_refused_twice_is_an_answer_for_the_plugin(bench: Bench) -> None:
    asked = 0

    async def ask(sender: Sender) -> tuple[str, float | None]:
        nonlocal asked
        asked += 1
        return "no-such-token", None

    bench.token = Token(ask)
    assert await bench.send() == 401
    assert asked == 2


async def test_what_the_bank_says_instead_of_a_token_reaches_all_who_wait_and_the_next_one_asks_again(
    bench: Bench,
) -> None:
    bench.bank.fails = Reply(503, body=b"busy")
    results = await asyncio.gather(*(bench.get() for _ in range(3)), return_exceptions=True)
    assert [(type(error), str(error)) for error in results] == [(RetryLater, str(RetryLater("status_503", "busy")))] * 3
    bench.bank.fails = None
    assert await bench.get() == "tok-secret-1"


async def test_the_token_is_a_secret(bench: Bench) -> None:
    token = await bench.get()
    assert bench.destination.redact(f"bad token {token}") == "bad token ***"


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Answer(500), RetryLater),
        (Answer(429), RetryLater),
        (Answer(400, body=b'{"error": "invalid_client"}'), Pause),
        (Answer(401), Pause),
        (Answer(302), Pause),
        (Answer(200, body=b"<html>"), Pause),
        (Answer(200, body=b'{"access_token": ""}'), Pause),
        (Answer(200, body=b'["access_token"]'), Pause),
    ],
)
def test_an_answer_without_a_token_is_no_events_fault(answer: Answer, outcome: type[Exception]) -> None:
    with pytest.raises(outcome):
        oauth_token(answer)


def test_a_token_is_read_with_the_time_it_lasts() -> None:
    assert oauth_token(Answer(200, body=b'{"access_token": "a", "expires_in": "3600"}')) == ("a", 3600)
    assert oauth_token(Answer(200, body=b'{"access_token": "a"}')) == ("a", None)
