"""Pauses and the breaker when things are not as they mostly are: few users, a wrong key behind a vendor that is down as well."""

from __future__ import annotations

from typing import Any

import pytest

from router.plugin import Delivered, Outcome, Pause, RetryLater
from tests.contract.rig import Plain, Rig, both_ways, spins

HOUR = 3600.0

pytest_generate_tests = both_ways
pytestmark = pytest.mark.usefixtures("backend")


async def send(rig: Rig, *sent: str) -> None:
    """Accept tracks in one go: "u1:m1" is m1 of user u1."""
    named = [one.split(":") for one in sent]
    await rig.accept([rig.make("track", m, userId=user, event="E") for user, m in named])


# ------------------------------------------------------------ a wrong key


@pytest.mark.parametrize(
    "met",
    [
        Pause("credentials", "wrong key"),
        RetryLater("status_503"),
        RetryLater("connection"),
        RetryLater("timeout"),
    ],
    ids=["the wrong key", "503", "a refused connection", "no answer"],
)
@pytest.mark.parametrize("reason", ["credentials", "set_up"])
async def test_a_pause_for_credentials_or_set_up_paces_its_probes_whatever_they_meet(
    rig: Rig, reason: str, met: Outcome
) -> None:
    rig.vendor.answer = lambda bodies: Pause(reason, "wrong")
    rig.start(Plain)
    await send(rig, *(f"u{n}:m{n}" for n in range(100)))
    ledger = await rig.quiet()
    assert (ledger["state"], ledger["state_reason"]) == ("paused", reason)
    before = len(rig.vendor.calls)
    rig.vendor.answer = lambda bodies: met
    ledger = await rig.pass_time(1_500, 75)
    assert 4 <= len(rig.vendor.calls) - before <= 6
    assert (ledger["state"], ledger["retrying"] <= 6) == ("paused", True)


async def test_a_pause_for_credentials_ends_with_the_probe_that_succeeds_after_others_that_met_errors(rig: Rig) -> None:
    rig.vendor.answer = lambda bodies: Pause("credentials", "wrong key")
    rig.start(Plain)
    await send(rig, *(f"u{n}:m{n}" for n in range(30)))
    await rig.quiet()
    rig.vendor.answer = lambda bodies: RetryLater("status_503")
    ledger = await rig.pass_time(310, 31)
    assert (ledger["state"], ledger["retrying"]) == ("paused", 1)
    rig.vendor.answer = lambda bodies: Delivered()
    ledger = await rig.pass_time(700, 10)
    assert (ledger["state"], ledger["delivered"]) == ("running", 30)


# ------------------------------------------------------------ few users


@pytest.mark.parametrize("users", [1, 2])
async def test_the_breaker_opens_when_the_failing_users_are_every_user_there_is(rig: Rig, users: int) -> None:
    rig.vendor.answer = lambda bodies: RetryLater("status_503")
    rig.start(Plain, delivery={"max_age": "1h"})
    await send(rig, *(f"u{n % users}:m{n}" for n in range(6)))
    ledger = await rig.pass_time(0.7 * HOUR, 10)
    assert ledger["state"] == "breaker_open"
    ledger = await rig.pass_time(2 * HOUR, 60)
    assert (ledger["state"], ledger["dead"]) == ("breaker_open", 0)
    rig.vendor.answer = lambda bodies: Delivered()
    ledger = await rig.pass_time(700, 10)
    assert (ledger["state"], ledger["delivered"]) == ("running", 6)


async def test_an_outage_that_begins_after_many_users_were_served_opens_the_breaker_for_the_one_who_is_left(
    rig: Rig,
) -> None:
    rig.start(Plain, delivery={"max_age": "1h"})
    await send(rig, *(f"v{n}:n{n}" for n in range(30)))
    await rig.quiet()
    rig.vendor.answer = lambda bodies: RetryLater("status_503")
    await send(rig, "u:m")
    ledger = await rig.pass_time(3 * HOUR, 30)
    assert (ledger["state"], ledger["dead"]) == ("breaker_open", 0)


async def test_one_user_whose_events_fail_beside_others_that_go_through_opens_no_breaker(rig: Rig) -> None:
    def answer(bodies: list[dict[str, Any]]) -> Outcome:
        return RetryLater("status_503") if bodies[0]["user"] == "bad" else Delivered()

    rig.vendor.answer = answer
    rig.start(Plain)
    await send(rig, "bad:m")
    for n in range(30):
        await send(rig, f"u{n % 3}:n{n}")
        ledger = await rig.pass_time(20, 10)
        assert (ledger["state"], ledger["delivered"]) == ("running", n + 1)


# ------------------------------------------------------------ nothing to probe with


async def test_an_open_breaker_without_an_event_to_probe_with_waits_and_does_not_spin(rig: Rig) -> None:
    rig.vendor.answer = lambda bodies: RetryLater("status_503", after_s=600)
    rig.start(Plain, delivery={"concurrency": 1})
    await send(rig, *(f"u{n}:m{n}" for n in range(10)))
    assert (await rig.quiet())["state"] == "breaker_open"
    rig.clock.advance(30)
    assert not await spins(rig)
    ledger = await rig.pass_time(700, 10)
    assert (ledger["state"], len(rig.vendor.calls) > 10) == ("breaker_open", True)


@pytest.mark.parametrize("state", ["running", "by_hand", "credentials"])
async def test_a_destination_at_rest_does_not_spin(rig: Rig, state: str) -> None:
    rig.start(Plain)
    if state == "credentials":
        rig.vendor.answer = lambda bodies: Pause("credentials", "wrong key")
    await send(rig, *(f"u{n}:m{n}" for n in range(5)))
    await rig.quiet()
    if state == "by_hand":
        await rig.runner.pause()
    for _ in range(3):
        rig.clock.advance(100)
        assert not await spins(rig)


async def test_resume_tries_at_once_what_waits_for_a_retry(rig: Rig) -> None:
    rig.vendor.answer = lambda bodies: (
        RetryLater("status_503", after_s=80_000) if bodies[0]["m"] == "b1" else Delivered()
    )
    rig.start(Plain)
    await rig.call("track", "b1", userId="b", event="E")
    await rig.call("track", "b2", userId="b", event="E")
    await rig.pass_time(300)
    rig.vendor.answer = lambda bodies: Delivered()
    await rig.pass_time(3_600, 600)
    assert (await rig.fate("b1"))[0] == "retrying"
    await rig.runner.resume()
    await rig.quiet()
    assert rig.vendor.ids() == ["b1", "b2"]


async def test_resume_tries_at_once_what_an_earlier_worker_left_for_a_retry(rig: Rig) -> None:
    rig.vendor.answer = lambda bodies: RetryLater("status_503", after_s=80_000)
    rig.start(Plain)
    await rig.call("track", "b1", userId="b", event="E")
    await rig.pass_time(5)
    await rig.stop()
    rig.vendor.answer = lambda bodies: Delivered()
    rig.start(Plain)
    await rig.pass_time(3_600, 600)
    assert rig.vendor.ids() == []
    await rig.runner.resume()
    await rig.quiet()
    assert rig.vendor.ids() == ["b1"]


async def test_a_breaker_that_many_failing_users_opened_is_closed_by_others_who_are_well(rig: Rig) -> None:
    rig.vendor.answer = lambda bodies: (
        RetryLater("status_503") if str(bodies[0]["user"]).startswith("bad") else Delivered()
    )
    rig.start(Plain)
    for n in range(40):
        await rig.call("track", f"b{n}", userId=f"bad{n}", event="E")
        await rig.call("track", f"g{n}", userId=f"good{n}", event="E")
        await rig.quiet()
    await rig.crash()
    rig.clock.advance(3_600)
    rig.start(Plain)  # all retries are due at once
    await rig.pass_time(2, 1)
    for n in range(40):
        await rig.call("track", f"h{n}", userId=f"well{n}", event="E")
    await rig.pass_time(10, 1)
    assert {f"h{n}" for n in range(40)} <= set(rig.vendor.ids())
