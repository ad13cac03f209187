"""How requests are formed: by kind, up to the limits, one request per place, in the order of mapping."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from router.deliver.attempt import Attempt
from router.deliver.flow import Flow
from router.deliver.lanes import Entry, Lane
from router.deliver.outbox import Outbox, Shipment
from router.plugin import Batch, Delivered, Item, Outcome, Pause
from router.store import LogRow, Status
from tests.contract.rig import START_MS, FakeClock, Plain, Vendor, destination

NO_SESSION: Any = None


class Desk:
    """An outbox of its own with a vendor that answers when told."""

    def __init__(self, kinds: Mapping[str, Batch], concurrency: int = 10, rate: str = "") -> None:
        class Kinds(Plain):
            pass

        Kinds.kinds = kinds
        self.vendor, self.clock = Vendor(), FakeClock()
        self.flow = Flow(Status(), self.clock)
        self.answers = asyncio.Event()
        self.answered: list[list[int]] = []
        self.vendor.answer = lambda bodies: self._answer()
        made = destination(Kinds, self.vendor, delivery={"concurrency": concurrency, "rate": rate})
        self.outbox = Outbox(made, NO_SESSION, self.flow, self.clock, self._book)
        self._pos = 0

    async def _answer(self) -> Delivered:
        await self.answers.wait()
        return Delivered()

    def _book(self, shipment: Shipment, attempt: Attempt, outcomes: list[Outcome]) -> None:
        self.answered.append([part.entry.pos for part in shipment.parts])

    def add(self, *kinds: str, size: int = 0, share: int | None = None, user: str = "", first: bool = False) -> Entry:
        """Queue an event with an item of each of these kinds."""
        self._pos += 1
        key = user or f"u:{self._pos}"
        row = LogRow(self._pos, START_MS, "web", "track", key, f"m{self._pos}", b"")
        entry = Entry(row, Lane(key, loaded=True))
        entry.items = [Item({"p": self._pos, "n": n, "x": "x" * size}, kind) for n, kind in enumerate(kinds)]
        entry.share = share
        self.outbox.add(entry, first=first)
        return entry

    async def pump(self) -> list[list[tuple[int, int]]]:
        """Start what may start; the (event, item) pairs of each request that was started."""
        before = len(self.vendor.calls)
        self.outbox.pump()
        for _ in range(3):
            await asyncio.sleep(0)
        return [[(body["p"], body["n"]) for body in call] for call in self.vendor.calls[before:]]

    async def answer(self) -> None:
        """Answer everything that is in flight."""
        self.answers.set()
        await self.outbox.drain(10)
        self.answers.clear()


class Desks:
    """Makes desks and clears them away."""

    def __init__(self) -> None:
        self.all: list[Desk] = []

    def __call__(self, kinds: Mapping[str, Batch] | None = None, **options: Any) -> Desk:
        self.all.append(Desk(kinds or {"": Batch()}, **options))
        return self.all[-1]


@pytest.fixture
async def desk() -> AsyncIterator[Desks]:
    desks = Desks()
    yield desks
    for one in desks.all:
        one.outbox.cancel()
        await asyncio.sleep(0)


async def test_without_batches_every_event_is_a_request_of_its_own(desk: Desks) -> None:
    made = desk()
    made.add("")
    made.add("")
    assert await made.pump() == [[(1, 0)], [(2, 0)]]


async def test_a_batch_takes_events_up_to_its_number_of_items_in_order(desk: Desks) -> None:
    made = desk({"": Batch(max_items=3)})
    for _ in range(7):
        made.add("")
    assert [len(call) for call in await made.pump()] == [3, 3, 1]
    assert made.vendor.calls[0][0]["p"] == 1


async def test_a_batch_takes_events_up_to_its_bytes(desk: Desks) -> None:
    made = desk({"": Batch(max_items=10, max_bytes=250)})
    for _ in range(5):
        made.add("", size=80)
    assert [len(call) for call in await made.pump()] == [2, 2, 1]


async def test_an_item_too_big_for_any_batch_travels_alone(desk: Desks) -> None:
    made = desk({"": Batch(max_items=10, max_bytes=100)})
    made.add("")
    made.add("", size=500)
    made.add("")
    assert await made.pump() == [[(1, 0)], [(2, 0)], [(3, 0)]]


async def test_items_of_one_event_keep_to_the_bytes_of_a_batch_too(desk: Desks) -> None:
    made = desk({"": Batch(max_items=10, max_bytes=250)})
    made.add("", "", "", "", size=80)
    [first] = await made.pump()
    assert len(first) == 2


async def test_only_items_of_one_kind_share_a_request(desk: Desks) -> None:
    made = desk({"a": Batch(max_items=5), "b": Batch(max_items=5)})
    for kind in "abab":
        made.add(kind)
    assert sorted(await made.pump()) == [[(1, 0), (3, 0)], [(2, 0), (4, 0)]]


async def test_of_an_event_with_several_kinds_only_the_first_run_goes(desk: Desks) -> None:
    made = desk({"a": Batch(max_items=5), "b": Batch(max_items=5)})
    made.add("a", "a", "b", "a")
    assert await made.pump() == [[(1, 0), (1, 1)]]


async def test_an_event_with_more_items_than_fit_sends_as_many_as_fit(desk: Desks) -> None:
    made = desk({"": Batch(max_items=2)})
    made.add("", "", "")
    assert await made.pump() == [[(1, 0), (1, 1)]]


async def test_a_batch_is_filled_with_the_first_items_of_the_next_event(desk: Desks) -> None:
    made = desk({"": Batch(max_items=3)})
    made.add("", "")
    made.add("", "")
    assert await made.pump() == [[(1, 0), (1, 1), (2, 0)]]


async def test_no_more_requests_than_places_are_in_flight(desk: Desks) -> None:
    made = desk(concurrency=2)
    for _ in range(5):
        made.add("")
    assert len(await made.pump()) == 2
    assert await made.pump() == []
    assert (made.outbox.in_flight, made.outbox.waiting) == (2, 3)
    await made.answer()
    assert len(await made.pump()) == 2


async def test_a_kind_has_places_of_its_own_within_those_of_the_destination(desk: Desks) -> None:
    made = desk({"a": Batch(concurrency=1), "b": Batch()}, concurrency=3)
    for kind in "aaabbbb":
        made.add(kind)
    started = await made.pump()
    kinds = ["a" if call[0][0] <= 3 else "b" for call in started]
    assert sorted(kinds) == ["a", "b", "b"]


@pytest.mark.parametrize("share", [1, 2])
async def test_after_a_failed_batch_an_event_travels_with_at_most_its_share(desk: Desks, share: int) -> None:
    made = desk({"": Batch(max_items=8)})
    for _ in range(5):
        made.add("", share=share)
    started = await made.pump()
    assert max(len(call) for call in started) == share
    assert [p for call in started for p, _ in call] == [1, 2, 3, 4, 5]


async def test_an_event_that_must_travel_alone_joins_no_batch_of_others(desk: Desks) -> None:
    made = desk({"": Batch(max_items=8)})
    made.add("")
    made.add("", share=1)
    made.add("")
    assert await made.pump() == [[(1, 0)], [(2, 0)], [(3, 0)]]


async def test_what_was_there_already_goes_before_all_others(desk: Desks) -> None:
    made = desk()
    made.add("")
    made.add("", first=True)
    assert await made.pump() == [[(2, 0)], [(1, 0)]]


async def test_a_lingering_batch_waits_until_it_is_full_or_its_time_is_over(desk: Desks) -> None:
    made = desk({"": Batch(max_items=3, linger_s=2.0)})
    made.add("")
    assert made.outbox.pump() == START_MS + 2000
    made.clock.advance(1)
    made.add("")
    assert made.outbox.pump() == START_MS + 2000
    assert await made.pump() == []
    made.add("")
    assert await made.pump() == [[(1, 0), (2, 0), (3, 0)]]
    made.add("")
    made.clock.advance(2)
    assert await made.pump() == [[(4, 0)]]


async def test_beyond_the_rate_events_wait_where_a_pause_still_finds_them(desk: Desks) -> None:
    made = desk(rate="2/h")
    for _ in range(3):
        made.add("")
    assert await made.pump() == [[(1, 0)], [(2, 0)]]
    assert made.outbox.pump() == START_MS + 1_800_000
    assert (made.outbox.in_flight, made.outbox.waiting) == (2, 1)


async def test_nothing_goes_while_paused(desk: Desks) -> None:
    made = desk()
    made.flow.pause_by_hand()
    made.add("")
    assert await made.pump() == []
    assert made.outbox.waiting == 1


async def test_a_probe_is_one_item_of_one_user_that_has_not_failed(desk: Desks) -> None:
    made = desk({"": Batch(max_items=8)})
    for n in range(10):
        made.flow.failed({f"u:{n % 4}"}, "timeout")
    made.add("", "", user="u:1")
    made.add("", "", user="u:9")
    made.clock.advance(1)
    assert await made.pump() == [[(2, 0)]]
    assert await made.pump() == []


async def test_a_probe_is_somebody_who_failed_when_there_is_nobody_else(desk: Desks) -> None:
    made = desk()
    made.flow.pause(Pause("credentials"))
    made.flow.failed({"u:1"}, "timeout")
    made.add("", user="u:1")
    made.clock.advance(300)
    assert await made.pump() == [[(1, 0)]]


async def test_an_answer_names_the_events_it_is_about(desk: Desks) -> None:
    made = desk({"": Batch(max_items=2)})
    for _ in range(3):
        made.add("")
    await made.pump()
    await made.answer()
    assert sorted(made.answered) == [[1, 2], [3]]


async def test_draining_waits_for_what_is_in_flight_and_starts_nothing(desk: Desks) -> None:
    made = desk(concurrency=1)
    made.add("")
    made.add("")
    await made.pump()
    draining = asyncio.create_task(made.outbox.drain(10))
    await asyncio.sleep(0)
    assert not draining.done()
    made.answers.set()
    await draining
    assert (made.answered, made.outbox.waiting) == ([[1]], 1)


async def test_what_has_no_answer_by_the_deadline_is_cut(desk: Desks) -> None:
    made = desk()
    made.add("")
    await made.pump()
    await made.outbox.drain(0)
    assert (made.answered, made.outbox.in_flight) == ([], 0)
