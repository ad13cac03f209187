"""What is counted for plots: by whom, when it is written, and what a restart, a full disk and time do to it. On real files."""

from __future__ import annotations

import asyncio
import io
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from router.counts import STORE, Counted, Counts
from router.daemon.counting import Counting
from router.deliver.runner import ReplayOrder, Runner
from router.errors import StoreError, StoreFull
from router.event import Discard
from router.logger import make_log
from router.metrics import Metrics
from router.plugin import Delivered, Reject, RetryLater
from router.store import HOUR_S, MINUTE_S, DeadLetterFilter
from router.store.sqlite import sizes
from router.testing.clock import START_MS
from tests.contract.rig import Gated, Plain, Rig, destination, open_rig
from tests.contract.store_case import StoreCase
from tests.flow.harness import eventually

pytestmark = pytest.mark.usefixtures("backend")
MINUTE, HOUR = 60_000, 3_600_000
D, WEBSITE = Counted("destination", "d"), Counted("source", "website")


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with open_rig(tmp_path) as rig:
        yield rig


def counting_of(rig: Rig, metrics: Metrics | None = None) -> Counting:
    log = make_log("info", "json", stream=io.StringIO())
    return Counting(rig.store, metrics or Metrics(), rig.clock, log, lambda: [D, WEBSITE])


@asynccontextmanager
async def counted(rig: Rig, plugin: type[Plain] = Plain) -> AsyncIterator[Counting]:
    """The destination at work, and what is counted of it."""
    metrics = Metrics()
    counting = counting_of(rig, metrics)
    chosen = destination(plugin, rig.vendor)
    rig.runner = Runner(chosen, rig.store, rig.clock, rig.log, rig.random, metrics.meter("d"))
    rig._task = asyncio.create_task(rig.runner.run())
    try:
        yield counting
    finally:
        await rig.stop()


async def minutes(store: StoreCase, whom: Counted = D) -> dict[int, Counts]:
    return {at: counts for at, _, counts in await store.counters.buckets(MINUTE_S, 0, *whom)}


async def the_minute(store: StoreCase, whom: Counted = D) -> Counts:
    (counts,) = (await minutes(store, whom)).values()
    return counts


# ---------------------------------------------------------------- what is counted


async def test_a_write_asks_as_often_what_is_configured_however_many_sources_there_are(rig: Rig) -> None:
    async def questions(sources: int) -> int:
        asked = 0

        def configured() -> list[Counted]:
            nonlocal asked
            asked += 1
            return [Counted("source", f"s{n}") for n in range(sources)]

        log = make_log("info", "json", stream=io.StringIO())
        await Counting(rig.store, Metrics(), rig.clock, log, configured).write()
        return asked

    assert await questions(50) == await questions(1)
    assert await minutes(rig.store, Counted("source", "s49"))


async def test_every_end_of_an_event_is_counted_with_its_reason(rig: Rig) -> None:
    rig.vendor.answer = lambda bodies: Reject("no") if bodies[0]["m"].startswith("bad") else Delivered()
    async with counted(rig) as counting:
        for n in range(3):
            await rig.call("track", f"good{n}", userId="u1", event="E")
        await rig.call("track", "bad1", userId="u2", event="E")
        await rig.call("page", "p1", userId="u3")
        await rig.quiet()
        await counting.write()
    counts = await the_minute(rig.store)
    assert counts.n == {"delivered": 3, "dead": 1, "skipped": 1}
    assert counts.why == {"dead no": 1, "skipped unsupported": 1}
    assert sum(counts.latency.values()) == 3


async def test_an_attempt_that_is_made_again_is_counted_and_the_latency_is_from_the_acceptance(rig: Rig) -> None:
    answers = iter([RetryLater("busy"), RetryLater("busy")])
    rig.vendor.answer = lambda bodies: next(answers, Delivered())
    async with counted(rig) as counting:
        await rig.call("track", "m1", userId="u1", event="E")
        await rig.pass_time(300)
        await counting.write()
    counts = await the_minute(rig.store)
    assert (counts.n["retried"], counts.n["delivered"], counts.why["retried busy"]) == (2, 1, 2)
    latency = counts.latency_s(0.5)
    assert latency is not None
    assert latency > 1, "two waits lie between"


async def test_a_replayed_letter_counts_as_delivered_in_the_minute_of_its_delivery_and_never_below_zero(
    rig: Rig,
) -> None:
    rig.vendor.answer = lambda bodies: Reject("no")
    async with counted(rig) as counting:
        await rig.call("track", "m1", userId="u1", event="E")
        await rig.quiet()
        rig.vendor.answer = lambda bodies: Delivered()
        rig.clock.advance(60)
        await counting.write()
        await rig.runner.replay(ReplayOrder(letters=DeadLetterFilter()))
        await rig.pass_time(30)
        await counting.write()
    first, second = (await minutes(rig.store)).values()
    assert (first.n, second.n) == ({"dead": 1}, {"delivered": 1})


async def test_a_source_is_counted_when_its_events_are_durable(rig: Rig) -> None:
    counting = counting_of(rig)
    await rig.call("track", "m1", userId="u1", event="E")
    await rig.call("track", "m1", userId="u1", event="E")
    await rig.store.append([], [], [Discard("website", START_MS, "too_large", "", n=4)])
    await counting.write()
    counts = await the_minute(rig.store, WEBSITE)
    assert counts.n == {"accepted": 1, "duplicates": 1, "discarded": 4}
    assert counts.why == {"discarded too_large": 4}


async def test_events_that_are_forwarded_are_counted_for_the_source_they_are_sent_in(rig: Rig) -> None:
    call = rig.make("track", "m1", userId="u1")
    other = rig.make("track", "v1", userId="u1")
    other.source = "violations"
    await rig.accept([call, other])
    assert {name: counts.n for name, counts in rig.store.counters.of_sources().items()} == {
        "website": {"accepted": 1},
        "violations": {"accepted": 1},
    }


async def test_what_waits_is_sampled(rig: Rig) -> None:
    async with counted(rig, Gated) as counting:
        for n in range(5):
            await rig.call("track", f"m{n}", userId=f"u{n % 2}", event="E")
        rig.vendor.answer = lambda bodies: RetryLater("busy", after_s=1000)
        await rig.call("identify", "i1", userId="u9")
        await rig.quiet()
        rig.clock.advance(50)
        await counting.write()
    assert (await the_minute(rig.store)).peak == {"held_people": 2, "held_events": 5, "oldest_s": 50.0}


async def test_the_size_of_the_store_is_sampled(rig: Rig) -> None:
    counting = counting_of(rig)
    await rig.call("track", "m1", userId="u1", event="E")
    before = await rig.store.sizes.used_bytes()
    await counting.write()
    peak = (await the_minute(rig.store, STORE)).peak
    assert list(peak) == ["bytes"]
    assert before <= peak["bytes"] <= await rig.store.sizes.used_bytes()


@pytest.mark.only_sqlite
async def test_counts_are_stored_also_where_the_size_of_the_store_cannot_be_read(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    counting = counting_of(rig)
    await rig.call("track", "m1", userId="u1", event="E")

    def broken(db: sqlite3.Connection) -> int:
        return int(db.execute("PRAGMA page_count FROM nowhere").fetchone()[0])

    monkeypatch.setattr(sizes, "used_bytes", broken)
    with pytest.raises(StoreError, match=r"the size of the store cannot be read: .*syntax error"):
        await rig.store.sizes.used_bytes()
    await counting.write()
    assert (await the_minute(rig.store, WEBSITE)).n == {"accepted": 1}
    assert await minutes(rig.store, STORE) == {}


# ---------------------------------------------------------------- when it is written


async def test_counts_of_one_minute_add_up_over_a_restart(tmp_path: Path) -> None:
    for n in range(2):
        async with open_rig(tmp_path) as rig, counting_of(rig).running():
            await rig.call("track", f"m{n}", userId="u1", event="E")
    async with open_rig(tmp_path) as rig:
        assert (await the_minute(rig.store, WEBSITE)).n == {"accepted": 2}


async def test_each_minute_is_written_at_its_end_and_belongs_to_itself(rig: Rig) -> None:
    async with counting_of(rig).running():
        for n in range(3):
            await rig.call("track", f"m{n}", userId="u1", event="E")
            await _turn(rig, lambda: rig.clock.advance(60))
            await _until_written(rig, n + 1)
    found = await minutes(rig.store, WEBSITE)
    first = START_MS - START_MS % MINUTE
    assert [(at, counts.n) for at, counts in found.items()][:3] == [
        (first + n * MINUTE, {"accepted": 1}) for n in range(3)
    ]


async def test_a_minute_without_events_leaves_a_row_that_says_the_router_ran(rig: Rig) -> None:
    counting = counting_of(rig)
    await counting.write()
    assert await the_minute(rig.store) == await the_minute(rig.store, WEBSITE) == Counts()


async def test_what_the_store_refuses_is_in_the_next_minute(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    counting = counting_of(rig)
    await rig.call("track", "m1", userId="u1", event="E")

    async def full(*words: object) -> None:
        raise StoreFull

    with monkeypatch.context() as patches:
        patches.setattr(rig.store.counters, "add", full)
        await counting.write()
    assert await minutes(rig.store, WEBSITE) == {}
    rig.clock.advance(60)
    await rig.call("track", "m2", userId="u1", event="E")
    await counting.write()
    assert (await the_minute(rig.store, WEBSITE)).n == {"accepted": 2}


async def test_what_is_not_written_yet_is_told_from_memory(rig: Rig) -> None:
    counting = counting_of(rig)
    await rig.call("track", "m1", userId="u1", event="E")
    at, fresh = counting.unwritten()
    assert (at, fresh[WEBSITE].n) == (START_MS, {"accepted": 1})
    await counting.write()
    assert counting.unwritten()[1][WEBSITE] == Counts()


async def test_of_a_destination_that_is_configured_no_more_nothing_is_written_but_what_it_counted(rig: Rig) -> None:
    metrics = Metrics()
    counting = counting_of(rig, metrics)
    metrics.meter("gone").stored(Counts({"delivered": 1}))
    await counting.write()
    rig.clock.advance(60)
    await counting.write()
    assert [counts.n for counts in (await minutes(rig.store, Counted("destination", "gone"))).values()] == [
        {"delivered": 1}
    ]


# ---------------------------------------------------------------- how long it is kept


async def test_minutes_are_kept_for_two_days_and_hours_for_ninety(rig: Rig) -> None:
    one = {D: Counts({"delivered": 1})}
    await rig.store.counters.add(START_MS, one)
    rig.clock.advance(49 * 3600)
    await rig.store.counters.add(rig.clock.now_ms(), one)
    assert len(await rig.store.counters.buckets(MINUTE_S, 0)) == 1
    assert len(await rig.store.counters.buckets(HOUR_S, 0)) == 2
    rig.clock.advance(91 * 86_400)
    await rig.store.counters.add(rig.clock.now_ms(), one)
    assert len(await rig.store.counters.buckets(HOUR_S, 0)) == 1


async def test_an_hour_has_what_its_minutes_have(rig: Rig) -> None:
    begin = START_MS - START_MS % HOUR
    for n in range(60):
        await rig.store.counters.add(begin + n * MINUTE, {D: Counts({"delivered": 1}, peak={"oldest_s": n})})
    [(at, whom, counts)] = await rig.store.counters.buckets(HOUR_S, 0)
    assert (at, whom, counts) == (begin, D, Counts({"delivered": 60}, peak={"oldest_s": 59}))


async def test_a_destination_that_is_dropped_leaves_no_counts(rig: Rig) -> None:
    await rig.store.cursor("d", START_MS)
    both = {D: Counts({"delivered": 1}), WEBSITE: Counts({"accepted": 1})}
    await rig.store.counters.add(START_MS, both)
    await rig.store.claims.drop("d")
    assert [whom for _, whom, _ in await rig.store.counters.buckets(MINUTE_S, 0)] == [WEBSITE]


async def test_one_source_or_all_can_be_asked_for(rig: Rig) -> None:
    both = {D: Counts({"delivered": 1}), WEBSITE: Counts({"accepted": 1})}
    await rig.store.counters.add(START_MS, both)
    ask = rig.store.counters.buckets
    assert {whom for _, whom, _ in await ask(MINUTE_S, 0)} == {D, WEBSITE}
    assert [whom for _, whom, _ in await ask(MINUTE_S, 0, "source")] == [WEBSITE]
    assert [whom for _, whom, _ in await ask(MINUTE_S, 0, "source", "nobody")] == []
    assert [whom for _, whom, _ in await ask(MINUTE_S, START_MS + MINUTE)] == []


async def _turn(rig: Rig, act: Callable[[], None]) -> None:
    """Once the task sleeps, let it go on."""
    for _ in range(20):
        await asyncio.sleep(0)
    act()


async def _until_written(rig: Rig, n: int) -> None:
    async def is_written() -> bool:
        return len(await minutes(rig.store, WEBSITE)) >= n

    await eventually(is_written)
