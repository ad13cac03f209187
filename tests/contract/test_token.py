"""A token that a plugin gets at run time, from a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from router.plugin import Answer, Pause, Request, RetryLater, Sender, Token, oauth_token, raise_for_login
from router.testing import FakeVendor, PluginSender, Received, Reply, open_sender
from tests.contract.rig import Plain

URL = "https://bank.test"


class Bank:
    """Gives tokens by number, and takes requests with the newest one only."""

    def __init__(self) -> None:
        self.given = 0
        self.lasts_s: float | None = 3600
        self.fails: Reply | None = None

    def answer(self, seen: Received) -> Reply:
        """To a request for a token, or with one."""
        if seen.url != f"{URL}/token":
            return Reply(204 if seen.headers.get("x-token") == f"tok-secret-{self.given}" else 401)
        if self.fails is not None:
            return self.fails
        self.given += 1
        return Reply(200, json={"access_token": f"tok-secret-{self.given}", "expires_in": self.lasts_s})


class Customer:
    """A token of that bank, and the router's Sender."""

    def __init__(self, vendor: FakeVendor, sender: PluginSender) -> None:
        self.bank = Bank()
        vendor.answer = self.bank.answer
        self.sender = sender
        self.token = Token(self._ask)

    async def get(self) -> str:
        return await self.token.get(self.sender)

    async def send(self) -> int:
        """The status of one request with the token."""
        request = lambda token: Request(f"{URL}/events", headers={"X-Token": token})  # noqa: E731
        return (await self.token.send(self.sender, request)).status

    async def _ask(self, sender: Sender) -> tuple[str, float | None]:
        return oauth_token(await sender.send(Request(f"{URL}/token")))


@pytest.fixture
async def customer(fake_vendor: FakeVendor) -> AsyncIterator[Customer]:
    async with open_sender(Plain, {}, fake_vendor) as sender:
        yield Customer(fake_vendor, sender)


async def test_however_many_wait_a_token_is_asked_for_once(customer: Customer) -> None:
    assert await asyncio.gather(*(customer.send() for _ in range(20))) == [204] * 20
    assert await customer.send() == 204
    assert customer.bank.given == 1


async def test_when_the_call_that_asked_is_cut_the_others_get_the_token(customer: Customer) -> None:
    first = asyncio.ensure_future(customer.get())
    others = [asyncio.ensure_future(customer.get()) for _ in range(3)]
    await asyncio.sleep(0)
    first.cancel()
    assert await asyncio.gather(*others) == ["tok-secret-1"] * 3
    assert first.cancelled()
    assert customer.bank.given == 1


@pytest.mark.parametrize(("lasts_s", "early_s"), [(3600, 60), (100, 10)])
async def test_a_token_is_asked_for_anew_shortly_before_it_expires(
    customer: Customer, lasts_s: int, early_s: int
) -> None:
    customer.bank.lasts_s = lasts_s
    assert await customer.get() == "tok-secret-1"
    customer.sender.clock.advance(lasts_s - early_s - 1)
    assert await customer.get() == "tok-secret-1"
    customer.sender.clock.advance(1)
    assert await customer.get() == "tok-secret-2"


async def test_a_sender_that_a_test_has_made_itself_needs_no_clock(customer: Customer) -> None:
    class Alone:
        async def send(self, request: Request) -> Answer:
            return await customer.sender.send(request)

        def secret(self, value: str) -> None:
            """Masks nothing."""

    for lasts_s, given in ((3600, 1), (3600, 1), (0, 2)):
        customer.bank.lasts_s = lasts_s
        if not lasts_s:
            customer.token.drop("tok-secret-1")
        await customer.token.get(Alone())
        assert customer.bank.given == given


async def test_a_token_without_an_end_is_kept(customer: Customer) -> None:
    customer.bank.lasts_s = None
    for _ in range(2):
        assert await customer.get() == "tok-secret-1"
        customer.sender.clock.advance(days=400)


async def test_after_a_401_all_share_one_new_token(customer: Customer) -> None:
    await customer.get()
    customer.bank.given = 41  # the one that we have is refused from now on
    assert await asyncio.gather(*(customer.send() for _ in range(10))) == [204] * 10
    assert customer.bank.given == 42


async def test_a_token_that_is_refused_twice_is_an_answer_for_the_plugin(customer: Customer) -> None:
    asked = 0

    async def ask(sender: Sender) -> tuple[str, float | None]:
        nonlocal asked
        asked += 1
        return "no-such-token", None

    customer.token = Token(ask)
    assert await customer.send() == 401
    assert asked == 2


async def test_what_the_bank_says_instead_of_a_token_reaches_all_who_wait_and_the_next_one_asks_again(
    customer: Customer,
) -> None:
    customer.bank.fails = Reply(503, body=b"busy")
    results = await asyncio.gather(*(customer.get() for _ in range(3)), return_exceptions=True)
    assert [(type(error), str(error)) for error in results] == [(RetryLater, str(RetryLater("status_503", "busy")))] * 3
    customer.bank.fails = None
    assert await customer.get() == "tok-secret-1"


async def test_the_token_is_a_secret(customer: Customer) -> None:
    token = await customer.get()
    assert customer.sender.shown(f"bad token {token}") == "bad token ***"


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Answer(500), RetryLater),
        (Answer(429), RetryLater),
        (Answer(400, body=b'{"error": "invalid_client"}'), Pause),
        (Answer(401), Pause),
        (Answer(302), Pause),
        (Answer(200, body=b"<html>"), RetryLater),
        (Answer(204), RetryLater),
        (Answer(200, body=b'{"access_token": ""}'), Pause),
        (Answer(200, body=b'{"access_token": 1}'), Pause),
        (Answer(200, body=b'["access_token"]'), RetryLater),
    ],
)
def test_an_answer_without_a_token_is_no_events_fault(answer: Answer, outcome: type[Exception]) -> None:
    with pytest.raises(outcome):
        oauth_token(answer)


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 413, 422])
def test_a_login_that_is_refused_is_a_sure_pause_for_credentials(status: int) -> None:
    with pytest.raises(Pause) as raised:
        raise_for_login(Answer(status, body=b"who are you?"))
    told = raised.value
    assert (told.reason, told.detail, told.sure) == ("credentials", f"no token: status {status}: who are you?", True)


@pytest.mark.parametrize("status", [408, 429, 503])
def test_a_login_that_the_vendor_could_not_answer_is_asked_for_later(status: int) -> None:
    with pytest.raises(RetryLater):
        raise_for_login(Answer(status))


def test_a_login_that_is_taken_raises_nothing() -> None:
    raise_for_login(Answer(204))


@pytest.mark.parametrize(
    "token", ["abcdefgh\n", "abcdefgh\r\nX-Evil: 1", "abc defgh", "  ", "abcdefgh\U0001f600", "a" * 100_000]
)
async def test_a_token_that_no_header_can_hold_is_not_taken_and_not_shown(customer: Customer, token: str) -> None:
    customer.bank.fails = Reply(200, json={"access_token": token})
    with pytest.raises(Pause) as raised:
        await customer.get()
    assert raised.value.reason == "credentials"
    assert "abc" not in str(raised.value)
    assert "aaa" not in str(raised.value)
    customer.bank.fails = None
    assert await customer.get() == "tok-secret-1"


def test_a_token_is_read_with_the_time_it_lasts() -> None:
    assert oauth_token(Answer(200, body=b'{"access_token": "a", "expires_in": "3600"}')) == ("a", 3600)
    assert oauth_token(Answer(200, body=b'{"access_token": "a"}')) == ("a", None)
