"""Who waits for whom: nobody for a user with most of the traffic, no retry for a release, no disk or memory without a bound."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import Any

import pytest

from router.plugin import Context, Delivered, Event, Item, RetryLater, hookimpl
from router.plugin_host import hook_watch
from router.store.outcome_blocks import unpack_ahead
from tests.contract.rig import Gated, Plain, Rig, both_ways, comes_true, commits_counted, spins
from tests.contract.simulation import inside

pytest_generate_tests = both_ways


async def send(rig: Rig, *sent: str, **properties: Any) -> None:
    """Accept tracks in one go: "u1:m1" is m1 of user u1."""
    calls = []
    for one in sent:
        user, message_id = one.split(":")
        calls.append(rig.make("track", message_id, userId=user, event="E", properties=properties))
    await rig.accept(calls)


class Slow:
    """A vendor that answers one request for each `turn.release()`; events whose message id is in `at_once` without one."""

    def __init__(self) -> None:
        self.turn = asyncio.Semaphore(0)
        self.at_once: set[str] = set()

    def __call__(self, bodies: list[dict[str, Any]]) -> Any:
        return self._answer(bodies)

    async def _answer(self, bodies: list[dict[str, Any]]) -> Delivered:
        if bodies[0]["m"] not in self.at_once:
            await self.turn.acquire()
        return Delivered()


async def test_mapping_that_takes_longer_than_a_slice_gives_everybody_else_a_turn_after_each_event(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """200 users with 50 ms each once held up all others for ten seconds."""
    turns, now, mapped_at = 0, 0.0, list[int]()

    class Long(Plain):
        @hookimpl
        def track(self, event: Event, context: Context) -> Item:
            nonlocal now
            now += 0.05
            mapped_at.append(turns)
            return Item({"m": event.message_id})

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    monkeypatch.setattr(hook_watch, "perf_counter", lambda: now)
    await send(rig, *(f"u{n}:m{n}" for n in range(200)))
    beside = asyncio.create_task(others())
    rig.start(Long)
    assert await comes_true(rig, lambda: len(rig.vendor.received) == 200)
    beside.cancel()
    assert len(set(mapped_at)) == 200


# ------------------------------------------------------------ the window


async def test_others_go_on_while_a_user_with_most_of_the_traffic_waits(rig: Rig) -> None:
    slow = rig.vendor.answer = Slow()
    slow.at_once = {f"m{n}" for n in range(20)}
    rig.start(Plain)
    await send(rig, *(f"hot:h{n}" for n in range(2_100)), *(f"u{n}:m{n}" for n in range(20)))
    assert await comes_true(rig, lambda: len(rig.vendor.received) == 20)
    assert rig.vendor.calls[0][0]["m"] == "h0"


async def test_what_a_user_has_beyond_their_part_of_the_window_gets_rows_and_goes_out_in_order(rig: Rig) -> None:
    rig.vendor.answer = slow = Slow()
    rig.start(Plain)
    await send(rig, *(f"hot:h{n}" for n in range(300)))
    assert await comes_true(rig, lambda: bool(rig.vendor.calls))
    assert await comes_true(rig, lambda: passed(rig) >= 300 - inside.USER_EVENTS)
    for _ in range(300):
        slow.turn.release()
    ledger = await rig.quiet()
    assert rig.vendor.ids() == [f"h{n}" for n in range(300)]
    assert (ledger["delivered"], ledger["queued"]) == (300, 0)


@pytest.mark.parametrize(("events", "bytes_each"), [(300, 10), (40, 100_000)])
async def test_a_user_holds_a_bounded_part_of_the_window(rig: Rig, events: int, bytes_each: int) -> None:
    rig.vendor.answer = Slow()
    rig.start(Plain)
    most = (0, 0)
    for n in range(0, events, 20):
        await send(rig, *(f"hot:h{m}" for m in range(n, n + 20)), fill="x" * bytes_each)
        for _ in range(10):
            await rig.vendor_moves()
            held = inside.window(rig.runner).get("u:hot", (0, 0))
            most = (max(most[0], held[0]), max(most[1], held[1]))
    one_read = 20  # what is read at once stands in memory until its users have their turns
    assert most[0] <= inside.USER_EVENTS + one_read
    assert most[1] <= inside.USER_BYTES + one_read * (bytes_each + 1_000)


def passed(rig: Rig) -> int:
    """How many events are settled or have a row, as stored."""
    db = sqlite3.connect(rig.store.path)
    pos, ahead = db.execute("SELECT pos, ahead FROM cursor WHERE destination = 'd'").fetchone()
    db.close()
    return int(pos) + len(unpack_ahead(pos, ahead))


# ------------------------------------------------------------ live, retries, releases


async def held_users(rig: Rig, n: int) -> None:
    """So many users hold one event each: the name of their group is not known."""
    await rig.accept(
        [rig.make("track", f"t{i}", userId=f"u{i}", event="E", context={"groupId": "acme"}) for i in range(n)]
    )
    await rig.quiet()


async def test_a_retry_that_is_due_does_not_wait_behind_a_release(rig: Rig) -> None:
    rig.start(Gated, delivery={"concurrency": 2})
    await held_users(rig, 300)
    rig.vendor.answer = lambda bodies: RetryLater("status_503", after_s=60)
    await rig.call("identify", "again", userId="r")
    await rig.quiet()
    rig.vendor.answer = slow = Slow()
    slow.at_once = {"g"}
    await rig.call("group", "g", userId="boss", groupId="acme", traits={"name": "Acme"})
    assert await comes_true(rig, lambda: len(rig.vendor.calls) >= 3)
    rig.clock.advance(60)
    before = len(rig.vendor.calls)
    while not tried(rig, "again", before) and len(rig.vendor.calls) < before + 30:
        calls = len(rig.vendor.calls)
        slow.turn.release()
        assert await comes_true(rig, lambda calls=calls: len(rig.vendor.calls) > calls)  # type: ignore[misc]
    assert tried(rig, "again", before), f"{len(rig.vendor.calls) - before} requests later it was not tried"


def tried(rig: Rig, message_id: str, since: int) -> bool:
    """Whether a request since that many had this event in it."""
    return any(body["m"] == message_id for bodies in rig.vendor.calls[since:] for body in bodies)


async def test_a_release_uses_most_of_the_requests_while_nothing_else_is_to_be_sent(rig: Rig) -> None:
    rig.start(Gated, delivery={"concurrency": 8})
    await held_users(rig, 100)
    rig.vendor.answer = slow = Slow()
    slow.at_once = {"g"}
    await rig.call("group", "g", userId="boss", groupId="acme", traits={"name": "Acme"})
    for _ in range(20):
        assert await comes_true(rig, lambda: rig.runner.in_flight >= 6)
        slow.turn.release()


async def test_a_destination_with_as_much_before_a_slow_vendor_as_may_be_does_not_spin(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inside.WINDOW_EVENTS, 20)
    rig.start(Gated, delivery={"concurrency": 1})
    await held_users(rig, 40)
    rig.vendor.answer = slow = Slow()
    slow.at_once = {"g"}
    await rig.call("group", "g", userId="boss", groupId="acme", traits={"name": "Acme"})
    assert await comes_true(rig, lambda: tried(rig, "t0", 0) or len(rig.vendor.calls) >= 2)
    for _ in range(3):
        rig.clock.advance(20)
        assert not await spins(rig)
    for _ in range(100):
        slow.turn.release()
    assert (await rig.quiet())["delivered"] == 41


async def test_what_parks_behind_a_released_event_copies_no_body_and_is_all_delivered(rig: Rig) -> None:
    rig.start(Gated, hold={"max_bytes": "20KB"})
    await held_users(rig, 1)
    rig.vendor.answer = slow = Slow()
    slow.at_once = {"g"}
    await rig.call("group", "g", userId="boss", groupId="acme", traits={"name": "Acme"})
    assert await comes_true(rig, lambda: tried(rig, "t0", 0))
    for n in range(10):
        calls = [rig.make("identify", f"i{n}-{i}", userId="u0", traits={"fill": "x" * 1_000}) for i in range(10)]
        await rig.accept(calls)
        for _ in range(20):
            await rig.vendor_moves()
    db = sqlite3.connect(rig.store.path)
    columns = {name for _, name, *_ in db.execute("PRAGMA table_info(parked)")}
    db.close()
    for _ in range(200):
        slow.turn.release()
    ledger = await rig.quiet()
    assert (ledger["delivered"], ledger["dead"]) == (102, 0)
    assert "body" not in columns, "a row refers to its event"


# ------------------------------------------------------------ no step, no memory without a bound


async def test_what_expires_does_so_a_bounded_slice_a_commit(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.start(Gated, hold={"max_age": "1h"})
    await send(rig, *(f"u{n % 60}:m{n}" for n in range(1_200)))
    await rig.quiet()
    sizes = commits_counted(monkeypatch, lambda batch: len(batch.dead))
    ledger = await rig.pass_time(3_700, 1_850)
    for _ in range(30):
        if ledger["held"]:
            ledger = await rig.pass_time(61, 61)
    assert (ledger["held"], ledger["dead"]) == (0, 1_200)
    assert 0 < max(sizes) <= inside.COMMIT_EVENTS


class Remembers(Plain):
    """Keeps as much state as it may, under each user."""

    @hookimpl
    def state_key(self, event: Event) -> str | None:
        return event.user_id

    @hookimpl
    def track(self, event: Event, context: Context) -> Item:
        context.state = "x" * 8_000
        return Item({"m": event.message_id, "user": event.user_id})


async def test_the_keyed_state_in_memory_is_bounded_in_bytes(rig: Rig) -> None:
    rig.start(Remembers)
    for n in range(0, 2_000, 100):
        await send(rig, *(f"u{m}:m{m}" for m in range(n, n + 100)))
        await rig.quiet()
    assert inside.state_bytes(rig.runner) <= 12_000_000
