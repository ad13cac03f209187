"""`Bench` is the real worker: what a plugin meets there is what it meets in the daemon."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from router.errors import ConfigError
from router.plugin import Event, Item, hookimpl
from router.testing import Bench, Hang, Redirect, Reply, Reset, ShortBody, Slow, every_call, per_item
from tests.unit.testing.desk import Desk, Teller, did


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with Bench(Desk, {"token": "T-4711-secret"}) as bench:
        yield bench


@pytest.fixture
async def known(bench: Bench) -> Bench:
    """With the company of the sample user."""
    await bench.group()
    return bench


async def test_an_event_is_held_until_its_group_call_lets_it_go(bench: Bench) -> None:
    first = await bench.track(event="Hello")
    assert await bench.fate(first) == ("held", "group_unknown")
    await bench.group(traits={})
    assert await bench.fate(first) == ("held", "group_name_unknown")
    await bench.group(traits={"name": "Acme Inc"})
    assert await bench.fate(first) == ("delivered", "")
    (seen,) = bench.requests
    assert (seen.method, seen.url) == ("POST", "https://desk.example.com/events")
    assert seen.json() == [{"who": "u-1042", "did": "Hello", "company": "Acme Inc"}]
    assert seen.headers["authorization"] == "Bearer T-4711-secret"


async def test_what_comes_in_together_shares_requests_but_never_of_one_user(known: Bench) -> None:
    users = ["u-1042", "u2", "u3", "u4", "u-1042"]
    await known.post([{"type": "group", "userId": user} for user in users[1:4]])
    await known.post([{"type": "track", "userId": user, "event": f"E{n}"} for n, user in enumerate(users)])
    first, *others = sorted(did(known))
    assert first == ["E0", "E1", "E2"]
    assert [name for names in others for name in names] == ["E3", "E4"]  # in one request or two


async def test_state_and_timer_can_be_read_and_the_timer_comes_due(known: Bench) -> None:
    await known.track(event="One")
    await known.advance(minutes=10)
    await known.track(event="Two")
    assert known.states() == {"u-1042": {"events": 2}}
    assert known.timers() == {"u-1042": known.now + timedelta(minutes=30)}
    await known.advance(minutes=29, seconds=59)
    assert did(known) == [["One"], ["Two"]]
    await known.advance(seconds=1)
    assert did(known)[2:] == [["Visit ended"]]
    assert (known.states(), known.timers()) == ({}, {})


@pytest.mark.parametrize("again", [Bench.restart, Bench.crash])
async def test_state_and_timer_outlive_an_end_and_a_new_instance_goes_on(known: Bench, again: Any) -> None:
    await known.track(event="One")
    first = known.plugin
    await again(known, minutes=5)
    assert known.plugin is not first
    await known.track(event="Two")
    await known.advance(minutes=31)
    assert did(known) == [["One"], ["Two"], ["Visit ended"]]
    assert known.requests[2].json()[0]["events"] == 2


async def test_what_a_crash_cuts_is_sent_again(known: Bench) -> None:
    known.vendor.script(Hang())
    one = await known.track(event="One")
    assert await known.fate(one) == ("queued", "in_flight")
    await known.crash()
    assert await known.fate(one) == ("delivered", "")
    assert did(known) == [["One"], ["One"]]
    assert known.requests[0] == known.requests[1]


async def test_a_restart_waits_for_what_is_in_flight_until_its_time_out(known: Bench) -> None:
    known.vendor.script(Hang())
    began = known.now
    one = await known.track(event="One")
    await known.restart()
    assert known.now - began >= timedelta(seconds=10)
    await known.advance(minutes=1)
    assert (await known.fate(one), did(known)) == (("delivered", ""), [["One"], ["One"]])


@pytest.mark.parametrize(
    ("reply", "error"),
    [(Reply(503), ""), (Reply(429), ""), (Reset(), "closed"), (Hang(), "in time")],
    ids=["503", "429", "reset", "hang"],
)
async def test_trouble_that_passes_is_tried_again_when_time_passes(known: Bench, reply: Reply, error: str) -> None:
    known.vendor.script(reply)
    one = await known.track(event="One")
    assert (await known.fate(one)).state in ("retrying", "queued")
    await known.advance(minutes=2)
    assert await known.fate(one) == ("delivered", "")
    first, last = (await known.why(one))["attempts"]
    assert (first["status"], last["status"]) == (None if error else reply.status, 200)
    assert (error in first["error"]) if error else not first["error"]


@pytest.mark.parametrize("reply", [ShortBody(), Slow(delay_s=60)], ids=["short", "slow"])
async def test_a_status_that_was_read_decides_whatever_becomes_of_the_body(known: Bench, reply: Reply) -> None:
    known.vendor.script(reply)
    one = await known.track(event="One")
    await known.advance(minutes=1)
    assert (await known.fate(one), len(known.requests)) == (("delivered", ""), 1)


async def test_no_redirect_is_followed(known: Bench) -> None:
    known.vendor.script(Redirect())
    one = await known.track(event="One")
    assert (known.status, await known.fate(one)) == (("paused", "set_up"), ("queued", "paused"))
    await known.resume()
    assert (known.status, await known.fate(one)) == (("running", ""), ("delivered", ""))


async def test_an_item_that_the_vendor_refuses_is_dead_and_its_neighbour_delivered(known: Bench) -> None:
    await known.group(userId="u2")
    known.vendor.default = per_item(lambda body: body, lambda item: {"ok": item["did"] != "Bad"})
    good, bad = await known.post(
        [{"type": "track", "event": "Good"}, {"type": "track", "userId": "u2", "event": "Bad"}]
    )
    assert (await known.fate(good), await known.fate(bad)) == (("delivered", ""), ("dead", "rejected"))
    assert (await known.why(bad))["detail"] == "no"


async def test_secrets_are_masked_wherever_something_is_shown(known: Bench) -> None:
    known.vendor.script(Reply(400, json={"you sent": "Bearer T-4711-secret"}))
    one = await known.track(event="One")
    told = await known.why(one)
    assert "***" in str(told)
    assert "T-4711-secret" not in f"{told} {known.log}"
    assert {line["event"] for line in known.log} >= {"event_accepted", "event_dead"}


async def test_warnings_are_counted(known: Bench) -> None:
    await known.track(event="Odd")
    assert known.warnings == {"odd": 1}


async def test_the_ledger_adds_up(known: Bench) -> None:
    await known.track()
    await known.page()
    ledger = await known.ledger()
    assert [ledger[state] for state in ("delivered", "skipped", "dead", "queued")] == [1, 2, 0, 0]


async def test_a_paused_destination_sends_when_it_is_resumed_and_a_replay_sends_again(known: Bench) -> None:
    await known.pause()
    one = await known.track(event="One")
    assert known.requests == []
    await known.resume()
    assert await known.fate(one) == ("delivered", "")
    await known.replay()
    assert did(known) == [["One"], ["One"]]


async def test_every_oddity_of_real_traffic_is_worked_off(known: Bench) -> None:
    await known.post(every_call().values())
    ledger = await known.ledger()
    assert (ledger["queued"], ledger["dead"], ledger["retrying"]) == (0, 0, 0)
    assert ledger["delivered"] > 30


async def test_what_ingestion_refuses_is_said(bench: Bench) -> None:
    with pytest.raises(ValueError, match="a track call needs event"):
        await bench.track(event="")
    with pytest.raises(KeyError):
        await bench.fate("m-unknown")


async def test_a_rate_of_the_table_is_kept_by_the_clock() -> None:
    async with Bench(Desk, {"token": "T"}, delivery={"rate": "1/m"}) as bench:
        await bench.group()
        for n in range(3):
            await bench.track(event=f"E{n}")
        assert len(bench.requests) == 1
        await bench.advance(minutes=2)
        assert len(bench.requests) == 3


async def test_a_class_that_the_router_would_refuse_is_refused_with_every_fault() -> None:
    class Broken(Desk):
        def page(self, event: Event) -> list[Item]:
            return []

    with pytest.raises(ConfigError, match="page has the name of a hook but no @hookimpl"):
        async with Bench(Broken, {"token": "T"}):
            pass
    with pytest.raises(ConfigError, match=r"settings\.token"):
        async with Bench(Desk):
            pass


async def test_a_deliver_that_waits_for_the_rate_or_for_the_vendor_is_at_rest() -> None:
    async with Bench(Teller, {"token": "T"}, delivery={"rate": "1/m"}) as bench:
        bench.vendor.default = lambda seen: Reply(json={"access_token": "run-time-token", "expires_in": 3600})
        await bench.group()
        one = await bench.track(event="One")
        assert [seen.url for seen in bench.requests] == ["https://desk.example.com/token"]
        bench.vendor.script(Hang())
        await bench.advance(seconds=61)
        assert (len(bench.requests), await bench.fate(one)) == (2, ("queued", "in_flight"))
        bench.vendor.release()
        await bench.rest()
        assert await bench.fate(one) == ("delivered", "")
        assert [seen.headers.get("x-token") for seen in bench.requests] == [None, "run-time-token"]


class Opening(Desk):
    """Cannot open what it needs."""

    @hookimpl
    async def lifetime(self) -> AsyncIterator[None]:
        await asyncio.sleep(0)
        raise OSError("no such socket")
        yield


async def test_a_plugin_whose_lifetime_fails_is_paused_and_opens_later() -> None:
    async with Bench(Opening, {"token": "T"}) as bench:
        assert bench.status == ("paused", "internal")
        assert [line["hook"] for line in bench.log if line["event"] == "plugin_failed"] == ["lifetime"]
