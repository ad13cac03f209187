"""Which time counts towards the end of an event: none while its destination is disabled, and none while it waits for its turn."""

from __future__ import annotations

import asyncio

import pytest

from router.plugin import Delivered, Reject, RetryLater
from router.store import DeadLetterFilter
from tests.contract.rig import Gated, Plain, Rig, both_ways, comes_true

HOUR = 3600.0

pytest_generate_tests = both_ways
pytestmark = pytest.mark.usefixtures("backend")


async def test_what_is_held_does_not_age_while_its_destination_is_disabled(rig: Rig) -> None:
    rig.start(Gated, hold={"max_age": "1h"})
    await rig.call("track", "t", userId="u1", event="E")
    await rig.pass_time(0.5 * HOUR, 900)
    await rig.stop()
    rig.start(Gated, hold={"max_age": "1h"}, enabled=False)
    await rig.pass_time(5 * HOUR, HOUR)
    await rig.stop()
    rig.start(Gated, hold={"max_age": "1h"})
    ledger = await rig.pass_time(0.4 * HOUR, 300)
    assert (ledger["held"], ledger["dead"]) == (1, 0)
    for _ in range(20):
        ledger = await rig.pass_time(61, 61)
    assert (ledger["held"], ledger["dead"]) == (0, 1)
    assert await rig.fate("t") == ("dead", "hold_expired")


async def test_what_is_tried_again_does_not_age_while_its_destination_is_disabled(rig: Rig) -> None:
    rig.vendor.answer = lambda bodies: RetryLater("status_503")
    rig.start(Plain, delivery={"max_age": "1h"})
    await rig.call("track", "t", userId="u1", event="E")
    await rig.pass_time(60, 5)
    await rig.stop()
    rig.start(Plain, delivery={"max_age": "1h"}, enabled=False)
    await rig.pass_time(5 * HOUR, HOUR)
    await rig.stop()
    rig.start(Plain, delivery={"max_age": "1h"})
    ledger = await rig.pass_time(400, 10)
    assert (ledger["retrying"], ledger["dead"]) == (1, 0)


@pytest.fixture(autouse=True)
def slices_wait_for_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """The shortest waits pass without time passing: between two slices the worker would go round and round."""
    monkeypatch.setattr("router.deliver.jobs.expiry.SLICE_MS", 100)


async def test_more_dead_letters_than_a_slice_go_soon_after_each_other(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("router.deliver.jobs.expiry.LETTERS", 2)
    rig.vendor.answer = lambda bodies: Reject("bad")
    rig.start(Plain, dead={"max_age": "1h"})
    for n in range(7):
        await rig.call("track", f"t{n}", userId="u1", event="E")
    await rig.quiet()
    assert len((await rig.store.queries.dead("d", DeadLetterFilter(), None))["items"]) == 7
    rig.clock.advance(HOUR + 1)
    await rig.pass_time(70, 10)
    assert (await rig.store.queries.dead("d", DeadLetterFilter(), None))["items"] == []


async def test_released_events_do_not_expire_while_they_wait_for_their_turn(rig: Rig) -> None:
    rig.start(Gated, hold={"max_age": "1h"}, delivery={"concurrency": 1})
    users = 250
    tracks = [rig.make("track", f"t{n}", userId=f"u{n}", event="E", context={"groupId": "acme"}) for n in range(users)]
    await rig.accept(tracks)
    await rig.quiet()
    turn = asyncio.Semaphore(0)

    async def slowly() -> Delivered:
        await turn.acquire()
        return Delivered()

    rig.vendor.answer = lambda bodies: Delivered() if bodies[0]["m"] == "g" else slowly()
    await rig.call("group", "g", userId="boss", groupId="acme", traits={"name": "Acme"})
    assert await comes_true(rig, lambda: len(rig.vendor.calls) == 2)
    for _ in range(3):
        rig.clock.advance(HOUR)
        for _ in range(30):
            await rig.vendor_moves()
        turn.release()
    for _ in range(2 * users):
        turn.release()
    ledger = await rig.pass_time(130, 65)
    assert (ledger["delivered"], ledger["dead"], ledger["held"]) == (users + 1, 0, 0)


async def test_a_lane_whose_oldest_event_went_out_takes_nobodys_place(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("router.deliver.jobs.expiry.LANES", 1)
    rig.start(Gated, hold={"max_age": "1h"})
    await rig.call("track", "a1", userId="a", groupId="early", event="E")
    await rig.pass_time(60)
    await rig.call("track", "b1", userId="b", groupId="never", event="E")
    await rig.pass_time(1_200, 300)
    await rig.call("track", "a2", userId="a", groupId="never", event="E")
    await rig.call("group", "g", userId="boss", groupId="early", traits={"name": "Early"})
    await rig.pass_time(2_100, 300)
    assert await rig.fate("a1") == ("delivered", "")
    ledger = await rig.pass_time(600, 20)
    assert await rig.fate("b1") == ("dead", "hold_expired")
    assert ledger["held"] == 1, "a2 is younger"
