"""Trouble at a bench: pauses and breakers can be seen, a token expires when time passes, and an end in the middle loses nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any, ClassVar

import pytest

from router.plugin import Context, Event, Item, hookimpl
from router.testing import Bench, Received, Reply
from tests.unit.testing.desk import Desk, Teller, did

SETTINGS = {"token": "T-4711-secret"}
MANY = [f"u{n}" for n in range(33)]


class OpenDesk(Desk):
    """Holds nothing."""

    requires: ClassVar[Any] = {}

    @hookimpl
    def track(self, event: Event, context: Context) -> Item:
        return Item({"did": event.name})


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with Bench(OpenDesk, SETTINGS) as bench:
        yield bench


async def track_all(bench: Bench, *users: str) -> list[str]:
    return await bench.post([{"type": "track", "userId": user, "event": user} for user in users])


def until(bench: Bench) -> timedelta:
    """How long the pause or the open breaker lasts from now."""
    return datetime.fromisoformat(bench.describe()["state_until"]) - bench.now


def told(bench: Bench, event: str) -> list[dict[str, Any]]:
    """Lines of the log."""
    return [line for line in bench.log if line["event"] == event]


# ---------------------------------------------------------------- pauses and breakers


async def test_a_pause_says_why_and_until_when_and_a_probe_ends_it(bench: Bench) -> None:
    bench.vendor.script(Reply(401, json={"wrong": "T-4711-secret"}))
    one = await bench.track(event="One")
    shown = bench.describe()
    assert (shown["state"], shown["state_reason"]) == bench.status == ("paused", "credentials")
    assert shown["state_detail"] == 'status 401: {"wrong":"***"}'
    assert until(bench) == timedelta(minutes=5)
    await bench.advance(minutes=4, seconds=59)
    assert did(bench) == [["One"]]
    await bench.advance(seconds=1)
    assert (bench.status, await bench.fate(one)) == (("running", ""), ("delivered", ""))


async def test_a_vendor_that_asks_for_a_wait_gets_it(bench: Bench) -> None:
    bench.vendor.script(Reply(429, headers={"Retry-After": "90"}))
    await bench.track()
    assert (bench.status, until(bench)) == (("paused", "retry_after"), timedelta(seconds=90))


async def test_a_breaker_opens_probes_and_closes_and_nothing_is_lost(bench: Bench) -> None:
    bench.vendor.default = Reply(503)
    events = await track_all(bench, *MANY)
    assert bench.status == ("breaker_open", "status_503")
    assert until(bench) == timedelta(seconds=1)
    so_far = len(bench.requests)
    await bench.advance(seconds=1)
    assert (len(bench.requests), bench.status) == (so_far + 1, ("breaker_open", "status_503"))
    bench.vendor.default = Reply(200)
    await bench.advance(minutes=2)
    assert bench.status == ("running", "")
    assert {await bench.fate(event) for event in events} == {("delivered", "")}
    assert (len(told(bench, "breaker_opened")), len(told(bench, "breaker_closed"))) == (1, 1)


# ---------------------------------------------------------------- a token


class Bank:
    """A vendor that gives a new token for an hour at each request for one."""

    def __init__(self) -> None:
        self.given = 0

    def __call__(self, seen: Received) -> Reply:
        if not seen.url.endswith("/token"):
            return Reply(200)
        self.given += 1
        return Reply(json={"access_token": f"run-time-{self.given}", "expires_in": 3600})


@pytest.fixture
async def teller() -> AsyncIterator[tuple[Bench, Bank]]:
    """With the company of the sample user."""
    async with Bench(Teller, SETTINGS) as bench:
        bench.vendor.answer = bank = Bank()
        await bench.group()
        yield bench, bank


def tokens(bench: Bench) -> list[str]:
    """Those that events were sent with."""
    return [seen.headers["x-token"] for seen in bench.requests if seen.url.endswith("/events")]


async def test_a_token_expires_when_the_time_of_the_bench_passes(teller: tuple[Bench, Bank]) -> None:
    bench, bank = teller
    await bench.track()
    await bench.advance(minutes=58, seconds=59)
    await bench.track()
    assert (bank.given, tokens(bench)[-2:]) == (1, ["run-time-1", "run-time-1"])
    await bench.advance(seconds=2)
    await bench.track()
    assert (bank.given, tokens(bench)[-1]) == (2, "run-time-2")


async def test_a_new_instance_asks_for_a_token_of_its_own(teller: tuple[Bench, Bank]) -> None:
    bench, _ = teller
    for _ in range(2):
        await bench.track()
        await bench.restart()
    assert tokens(bench) == ["run-time-1", "run-time-2"]


# ---------------------------------------------------------------- an end in the middle

both_ends = pytest.mark.parametrize("end", [Bench.restart, Bench.crash])


@both_ends
async def test_what_is_held_is_held_by_the_next_worker_and_released_in_order(end: Any) -> None:
    async with Bench(Desk, SETTINGS) as bench:
        held = [await bench.track(event=name) for name in ("One", "Two", "Three")]
        await end(bench, minutes=10)
        assert [await bench.fate(event) for event in held] == [("held", "group_unknown")] * 3
        await bench.group()
        assert did(bench) == [["One"], ["Two"], ["Three"]]


@both_ends
async def test_a_batch_that_waits_to_be_fuller_is_sent_once(end: Any) -> None:
    async with Bench(OpenDesk, SETTINGS, delivery={"linger": "5s"}) as bench:
        await track_all(bench, "u1", "u2")
        assert bench.requests == []
        await end(bench)
        await bench.advance(seconds=6)
        assert did(bench) == [["u1", "u2"]]


@both_ends
async def test_a_retry_comes_at_its_time_or_as_soon_as_the_worker_is_back(bench: Bench, end: Any) -> None:
    bench.vendor.script(Reply(503))
    one = await bench.track(event="One")
    await end(bench, minutes=30)
    assert (await bench.fate(one), did(bench)) == (("delivered", ""), [["One"], ["One"]])
    assert len((await bench.why(one))["attempts"]) == 2


@both_ends
async def test_a_pause_by_hand_and_an_open_breaker_outlive_it(bench: Bench, end: Any) -> None:
    bench.vendor.default = Reply(503)
    await track_all(bench, *MANY)
    await end(bench)
    assert bench.status == ("breaker_open", "status_503")
    await bench.pause()
    await end(bench, hours=2)
    assert bench.status == ("paused", "by_hand")
    bench.vendor.default = Reply(200)
    await bench.resume()
    assert (await bench.ledger())["delivered"] == len(MANY)


@pytest.mark.parametrize("minutes", [-3, float("nan"), float("inf")])
async def test_no_time_passes_that_no_clock_can_pass(bench: Bench, minutes: float) -> None:
    begun = bench.now
    for pass_time in (bench.advance, bench.restart, bench.crash):
        with pytest.raises(ValueError, match="want 0 or more, and a finite number"):
            await pass_time(minutes=minutes)
    assert bench.now == begun


async def test_a_bench_that_is_not_open_says_how_to_open_it() -> None:
    bench = Bench(OpenDesk, SETTINGS)
    with pytest.raises(RuntimeError, match=r"async with Bench\(\.\.\.\)"):
        await bench.track()
    with pytest.raises(RuntimeError, match=r"async with Bench\(\.\.\.\)"):
        bench.states()


async def test_a_vendor_that_the_test_has_closed_is_named(bench: Bench) -> None:
    await bench.vendor.__aexit__(None, None, None)
    with pytest.raises(RuntimeError, match="the vendor of the bench was closed"):
        await bench.track()
