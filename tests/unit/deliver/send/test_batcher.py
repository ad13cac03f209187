"""How requests are formed: by kind, up to the limits, three lines that share the places, in the order of mapping."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest

from router.deliver.lanes.delivery import Delivery
from router.deliver.lanes.lane import Lane
from router.deliver.send import batcher
from router.deliver.send.batcher import LIVE_MS, SILENT_MS, Batcher
from router.deliver.send.http_client import OnDone, Reply
from router.deliver.send.kind_queue import SHARES
from router.deliver.send.request_batch import RequestBatch
from router.deliver.send.sender import Ended
from router.plugin import (
    Answer,
    Batch,
    Delivered,
    Item,
    Outcome,
    Pause,
    Reject,
    Request,
    Sender,
    hookimpl,
    json_request,
)
from router.testing.clock import START_MS
from router.vocabulary import Line
from tests.contract.clients import VendorClient
from tests.contract.rig import VENDOR_URL, Plain, over_http
from tests.contract.simulation import inside
from tests.unit.deliver.parts import Parts, log_row

LIVE, RETRY, RELEASE = Line.LIVE, Line.RETRY, Line.RELEASE


class Desk:
    """A batcher of its own with a vendor that answers when told."""

    def __init__(
        self,
        kinds: Mapping[str, Batch],
        concurrency: int = 10,
        rate: str = "",
        plugin: type[Plain] = Plain,
    ) -> None:
        made = type("Kinds", (plugin,), {"kinds": kinds})
        self.parts = Parts(made, delivery={"concurrency": concurrency, "rate": rate})
        self.vendor, self.clock, self.breaker = self.parts.vendor, self.parts.clock, self.parts.breaker
        self.answers = asyncio.Event()
        self.answered: list[list[int]] = []
        self.outcomes: list[Outcome] = []
        self.left: list[Delivery] = []  #: to be sent on after the next answer
        self.lines: list[Line] = []  #: of the requests that were started
        self.bookings = 0
        self.was_alone: list[bool] = []  #: of each request, as it was booked: whether nobody else had anything here
        self.wakes = 0
        self.vendor.answer = lambda bodies: self._answer()
        client = VendorClient(self.vendor.exchange)
        self.batcher = Batcher(self.parts.context, client, self.breaker, self._book, self._wake)
        self._pos = 0

    def _wake(self) -> None:
        self.wakes += 1

    async def _answer(self) -> Delivered:
        await self.answers.wait()
        return Delivered()

    def _book(self, ended: Iterable[Ended]) -> Iterator[tuple[RequestBatch, list[Delivery]]]:
        self.bookings += 1
        for batch, _, outcomes in ended:
            self.was_alone.append(self.batcher.is_only(frozenset(part.delivery.user_key for part in batch.parts)))
            self.answered.append([part.delivery.pos for part in batch.parts])
            self.lines.append(batch.line)
            self.outcomes += outcomes
            left, self.left = self.left, []
            yield batch, left

    def add(
        self,
        *kinds: str,
        line: Line = LIVE,
        size: int = 0,
        max_batch: int | None = None,
        user: str = "",
        first: bool = False,
    ) -> Delivery:
        """Queue an event with an item of each of these kinds."""
        self._pos += 1
        key = user or f"u:{self._pos}"
        delivery = Delivery(log_row(self._pos, key), Lane(key, is_loaded=True))
        delivery.items = [
            Item({"p": self._pos, "n": n, "x": "x" * size}, kind) for n, kind in enumerate(kinds or ("",))
        ]
        delivery.max_batch = max_batch
        self.batcher.add(delivery, line, first=first)
        return delivery

    async def pump(self) -> list[list[tuple[int, int]]]:
        """Start what may start; the (event, item) pairs of each request that was started."""
        before = len(self.vendor.calls)
        self.batcher.pump()
        for _ in range(3):
            await asyncio.sleep(0)
        return [[(body["p"], body["n"]) for body in call] for call in self.vendor.calls[before:]]

    async def answer(self) -> None:
        """Answer everything that is in flight. What waits is started then, and waits for an answer of its own."""
        answers, self.answers = self.answers, asyncio.Event()
        answers.set()
        for _ in range(3):
            await asyncio.sleep(0)

    async def order(self, n: int) -> list[Line]:
        """The lines of the next `n` requests, where one is on its way at a time."""
        while len(self.lines) < n:
            self.batcher.pump()
            self.answers.set()
            await asyncio.sleep(0)
        return self.lines[:n]


class Desks:
    """Makes desks and clears them away."""

    def __init__(self) -> None:
        self.all: list[Desk] = []

    def __call__(self, kinds: Mapping[str, Batch] | None = None, **options: Any) -> Desk:
        self.all.append(Desk(kinds or {"": Batch()}, **options))
        return self.all[-1]


@pytest.fixture
async def desk() -> AsyncIterator[Desks]:
    """Hooks take no time: on a busy machine one would use up its slice, and the batcher would start nothing more before the next."""
    desks = Desks()
    with inside.hook_time(lambda: 0.0):
        yield desks
    for one in desks.all:
        one.batcher.cut()
        await asyncio.sleep(0)


# ------------------------------------------------------------ what a request holds


async def test_without_batches_every_event_is_a_request_of_its_own(desk: Desks) -> None:
    made = desk()
    made.add()
    made.add()
    assert await made.pump() == [[(1, 0)], [(2, 0)]]


async def test_a_batch_takes_events_up_to_its_number_of_items_in_order(desk: Desks) -> None:
    made = desk({"": Batch(max_items=3)})
    for _ in range(7):
        made.add()
    assert [len(call) for call in await made.pump()] == [3, 3, 1]
    assert made.vendor.calls[0][0]["p"] == 1


async def test_a_batch_takes_events_up_to_its_bytes(desk: Desks) -> None:
    made = desk({"": Batch(max_items=10, max_bytes=250)})
    for _ in range(5):
        made.add(size=80)
    assert [len(call) for call in await made.pump()] == [2, 2, 1]


async def test_an_item_too_big_for_any_batch_travels_alone(desk: Desks) -> None:
    made = desk({"": Batch(max_items=10, max_bytes=100)})
    made.add()
    made.add(size=500)
    made.add()
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


@pytest.mark.parametrize("most", [1, 2])
async def test_after_a_failed_batch_an_event_travels_with_at_most_so_many_items(desk: Desks, most: int) -> None:
    made = desk({"": Batch(max_items=8)})
    for _ in range(5):
        made.add(max_batch=most)
    started = await made.pump()
    assert max(len(call) for call in started) == most
    assert [p for call in started for p, _ in call] == [1, 2, 3, 4, 5]


async def test_an_event_that_must_travel_alone_joins_no_batch_of_others(desk: Desks) -> None:
    made = desk({"": Batch(max_items=8)})
    made.add()
    made.add(max_batch=1)
    made.add()
    assert await made.pump() == [[(1, 0)], [(2, 0)], [(3, 0)]]


async def test_what_was_there_already_goes_before_all_others(desk: Desks) -> None:
    made = desk()
    made.add()
    made.add(first=True)
    assert await made.pump() == [[(2, 0)], [(1, 0)]]


async def test_what_is_left_of_events_after_an_answer_goes_first_in_their_order(desk: Desks) -> None:
    made = desk({"": Batch(max_items=2)}, concurrency=1)
    first, second, _ = made.add(), made.add(), made.add()
    await made.pump()
    made.left = [first, second]
    await made.answer()
    assert made.vendor.calls[1:] == [[{"p": 1, "n": 0, "x": ""}, {"p": 2, "n": 0, "x": ""}]]


# ------------------------------------------------------------ places


async def test_no_more_requests_than_places_are_in_flight(desk: Desks) -> None:
    made = desk(concurrency=2)
    for _ in range(5):
        made.add()
    assert len(await made.pump()) == 2
    assert await made.pump() == []
    assert (made.batcher.in_flight, made.batcher.waiting) == (2, 3)


async def test_an_answer_starts_what_waits_for_a_place(desk: Desks) -> None:
    made = desk(concurrency=2)
    for _ in range(5):
        made.add()
    await made.pump()
    await made.answer()
    assert made.answered == [[1], [2]]
    assert (made.batcher.in_flight, made.batcher.waiting) == (2, 1)


async def test_a_kind_has_places_of_its_own_within_those_of_the_destination(desk: Desks) -> None:
    made = desk({"a": Batch(concurrency=1), "b": Batch()}, concurrency=3)
    for kind in "aaabbbb":
        made.add(kind)
    started = await made.pump()
    kinds = ["a" if call[0][0] <= 3 else "b" for call in started]
    assert sorted(kinds) == ["a", "b", "b"]


async def test_users_are_known_by_what_waits_and_what_is_on_its_way(desk: Desks) -> None:
    made = desk(concurrency=1)
    made.add(user="u:1")
    await made.pump()
    assert made.batcher.is_only(frozenset({"u:1"}))
    made.add(user="u:2", line=RETRY)
    assert not made.batcher.is_only(frozenset({"u:1"}))
    assert made.batcher.is_only(frozenset({"u:1", "u:2"}))


# ------------------------------------------------------------ three lines


async def test_while_all_lines_wait_each_has_its_share_of_fourteen_requests(desk: Desks) -> None:
    made = desk(concurrency=1)
    for line in Line:
        for _ in range(40):
            made.add(line=line)
    lines = await made.order(42)
    for begin in (0, 14, 28):
        assert Counter(lines[begin : begin + 14]) == SHARES == {LIVE: 8, RETRY: 4, RELEASE: 2}


async def test_the_turns_of_a_line_are_spread_over_the_round(desk: Desks) -> None:
    made = desk(concurrency=1)
    for line in Line:
        for _ in range(40):
            made.add(line=line)
    lines = await made.order(28)
    for line, longest in ((LIVE, 2), (RETRY, 4), (RELEASE, 8)):
        turns = [n for n, chosen in enumerate(lines) if chosen is line]
        assert max(b - a for a, b in pairwise(turns)) <= longest


@pytest.mark.parametrize(
    ("waiting", "shares"),
    [
        ({LIVE, RELEASE}, {LIVE: 8, RELEASE: 2}),
        ({RETRY, RELEASE}, {RETRY: 4, RELEASE: 2}),
        ({LIVE, RETRY}, {LIVE: 8, RETRY: 4}),
        ({RELEASE}, {RELEASE: 6}),
    ],
    ids=["no retries", "nothing live", "nothing released", "released ones alone"],
)
async def test_what_a_line_does_not_use_goes_to_the_others(
    desk: Desks, waiting: set[Line], shares: dict[Line, int]
) -> None:
    made = desk(concurrency=1)
    for line in waiting:
        for _ in range(40):
            made.add(line=line)
    assert Counter(await made.order(sum(shares.values()))) == shares


async def test_room_in_a_request_is_filled_from_the_other_lines(desk: Desks) -> None:
    made = desk({"": Batch(max_items=4)})
    made.add(line=RETRY)
    made.add(line=RELEASE)
    made.add(line=LIVE)
    assert await made.pump() == [[(3, 0), (1, 0), (2, 0)]]


async def test_beside_live_events_released_ones_leave_a_quarter_of_the_places_free(desk: Desks) -> None:
    made = desk(concurrency=8)
    for _ in range(20):
        made.add(line=RELEASE)
    made.add(line=LIVE)
    started = await made.pump()
    assert len(started) == 7  # the live one, and six of eight places
    assert made.batcher.in_flight == 7
    made.add(line=LIVE)
    assert await made.pump() == [[(22, 0)]]


async def test_retries_may_have_the_places_that_released_events_leave_free(desk: Desks) -> None:
    made = desk(concurrency=4)
    made.add(line=LIVE)
    for _ in range(9):
        made.add(line=RELEASE)
    for _ in range(9):
        made.add(line=RETRY)
    await made.pump()
    started = Counter(call[0]["p"] > 10 for call in made.vendor.calls)
    assert made.batcher.in_flight == 4
    assert started[True] >= 1


async def test_alone_released_events_have_all_places(desk: Desks) -> None:
    made = desk(concurrency=8)
    made.add(line=LIVE)
    await made.pump()
    await made.answer()
    for _ in range(20):
        made.add(line=RELEASE)
    made.clock.ms += LIVE_MS
    await made.pump()  # the live one is noticed as late as this
    made.clock.ms += LIVE_MS
    await made.pump()
    assert made.batcher.in_flight == 8


async def test_a_single_place_is_kept_for_nobody(desk: Desks) -> None:
    made = desk(concurrency=1)
    made.add(line=LIVE)
    made.add(line=RELEASE)
    assert Counter(await made.order(2)) == {LIVE: 1, RELEASE: 1}


# ------------------------------------------------------------ bytes

SIZED = 80
"""An item with so much text has 100 bytes."""


@pytest.fixture
def few_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batcher, "ITEM_BYTES", {LIVE: 200, RETRY: 100, RELEASE: 100})
    monkeypatch.setattr(batcher, "MOST_ITEM_BYTES", 400)


def full(made: Desk) -> list[Line]:
    return [line for line in Line if made.batcher.is_full(line)]


@pytest.mark.usefixtures("few_bytes")
async def test_a_line_is_full_of_items_until_a_request_is_done(desk: Desks) -> None:
    made = desk(concurrency=1)
    assert made.batcher.room(LIVE) == 200
    made.add(size=SIZED)
    assert (full(made), made.batcher.room(LIVE)) == ([], 100)
    made.add(size=SIZED)
    assert (full(made), made.batcher.room(LIVE)) == ([LIVE], 0)
    await made.pump()
    assert full(made) == [LIVE], "what is on its way is in memory too"
    await made.answer()
    assert (full(made), made.wakes) == ([], 1), "the loop has to look whose turn it is"
    await made.answer()
    assert (made.batcher.room(LIVE), made.wakes) == (200, 1)


@pytest.mark.usefixtures("few_bytes")
async def test_all_lines_together_have_a_bound_too_and_what_is_taken_out_makes_room(desk: Desks) -> None:
    made = desk()
    waiting = made.add(size=3 * SIZED, line=RETRY)
    assert full(made) == [RETRY]
    made.add(size=SIZED, line=LIVE)
    assert full(made) == [RETRY]
    made.add(size=SIZED, line=RELEASE)
    assert full(made) == list(Line)
    made.batcher.take_out(waiting)
    assert full(made) == [RELEASE]


@pytest.mark.usefixtures("few_bytes")
async def test_what_is_left_of_an_event_counts_as_long_as_it_waits(desk: Desks) -> None:
    made = desk()
    made.left = [made.add(size=2 * SIZED)]
    await made.pump()
    await made.answer()
    assert made.batcher.room(LIVE) == 200 - 180
    await made.answer()
    assert made.batcher.room(LIVE) == 200


@pytest.mark.usefixtures("few_bytes")
async def test_no_batch_waits_for_events_that_have_no_room(desk: Desks) -> None:
    made = desk({"": Batch(max_items=3, linger_s=2.0)})
    made.add(size=SIZED)
    assert await made.pump() == []
    made.add(size=SIZED)
    assert await made.pump() == [[(1, 0), (2, 0)]]


class BySender(Plain):
    """Sends by the sender that its `deliver` is given, first a token and then the items."""

    @hookimpl
    async def deliver(self, items: list[Item], sender: Sender) -> Outcome:
        body = b"[" + b",".join(item.json for item in items) + b"]"
        await sender.send(Request(VENDOR_URL, body=body))
        return Delivered()


@pytest.mark.parametrize("plugin", [over_http(Plain), BySender], ids=["request", "deliver"])
async def test_no_request_begins_while_many_bytes_of_bodies_are_on_their_way(
    desk: Desks, monkeypatch: pytest.MonkeyPatch, plugin: type[Plain]
) -> None:
    monkeypatch.setattr(batcher, "SENT_BYTES", 150)
    made = desk(plugin=plugin)
    made.add()
    made.add(size=200)
    await made.pump()
    for _ in range(2):
        made.add()
    assert await made.pump() == []
    await made.answer()
    await made.pump()
    assert len(made.vendor.calls) == 4
    await made.answer()
    await made.pump()
    made.add(size=200)
    assert len(await made.pump()) == 1, "nothing of what was sent counts any more"


# ------------------------------------------------------------ waiting for a fuller batch, and for the rate


async def test_a_lingering_batch_waits_until_it_is_full_or_its_time_is_over(desk: Desks) -> None:
    made = desk({"": Batch(max_items=3, linger_s=2.0)})
    made.add()
    assert made.batcher.pump() == START_MS + 2000
    made.clock.advance(1)
    made.add()
    assert made.batcher.pump() == START_MS + 2000
    assert await made.pump() == []
    made.add()
    assert await made.pump() == [[(1, 0), (2, 0), (3, 0)]]
    made.add()
    made.clock.advance(2)
    assert await made.pump() == [[(4, 0)]]


async def test_beyond_the_rate_events_wait_where_a_pause_still_finds_them(desk: Desks) -> None:
    made = desk(rate="2/h")
    for _ in range(3):
        made.add()
    assert await made.pump() == [[(1, 0)], [(2, 0)]]
    again = made.batcher.pump()
    assert again is not None
    assert START_MS + 1_800_000 <= again <= START_MS + 1_800_002
    assert (made.batcher.in_flight, made.batcher.waiting) == (2, 1)
    made.clock.ms = again
    assert await made.pump() == [[(3, 0)]]


async def test_after_an_answer_the_loop_is_woken_where_the_next_request_waits_for_its_time(desk: Desks) -> None:
    made = desk(rate="1/h", concurrency=1)
    made.add()
    made.add()
    await made.pump()
    await made.answer()
    assert made.wakes == 1


async def test_a_busy_destination_wakes_the_loop_when_nothing_waits_any_more(
    desk: Desks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batcher, "BUSY_EVENTS", 2)
    made = desk(concurrency=1)
    for _ in range(4):
        made.add()
    await made.pump()
    seen = []
    for _ in range(4):
        await made.answer()
        seen.append((made.batcher.waiting, made.batcher.is_busy, made.wakes))
    assert seen == [(2, True, 0), (1, True, 0), (0, False, 1), (0, False, 1)]


# ------------------------------------------------------------ pauses and probes


async def test_nothing_goes_while_paused(desk: Desks) -> None:
    made = desk()
    made.breaker.pause_by_hand()
    made.add()
    assert await made.pump() == []
    assert made.batcher.waiting == 1


async def test_a_probe_is_one_item_of_one_user_that_has_not_failed(desk: Desks) -> None:
    made = desk({"": Batch(max_items=8)})
    for n in range(10):
        made.breaker.failed({f"u:{n % 4}"}, "timeout")
    made.add("", "", user="u:1")
    made.add("", "", user="u:9")
    made.clock.advance(1)
    assert await made.pump() == [[(2, 0)]]
    assert await made.pump() == []


async def test_a_probe_is_looked_for_in_all_lines(desk: Desks) -> None:
    made = desk()
    for n in range(10):
        made.breaker.failed({f"u:{n % 4}"}, "timeout")
    made.add(user="u:1")
    made.add(user="u:9", line=RELEASE)
    made.clock.advance(1)
    assert await made.pump() == [[(2, 0)]]


async def test_a_probe_is_somebody_who_failed_when_there_is_nobody_else(desk: Desks) -> None:
    made = desk()
    made.breaker.pause(Pause("credentials"))
    made.breaker.failed({"u:1"}, "timeout")
    made.add(user="u:1")
    made.clock.advance(300)
    assert await made.pump() == [[(1, 0)]]


async def test_a_breaker_that_one_user_opened_lets_another_one_try_at_once(desk: Desks) -> None:
    made = desk()
    for _ in range(10):
        made.breaker.failed({"u:1"}, "timeout", is_everybody=True)
    made.add(user="u:1")
    assert await made.pump() == []
    made.add(user="u:9")
    assert await made.pump() == [[(2, 0)]]
    made.add(user="u:8")
    assert await made.pump() == []  # one at a time


# ------------------------------------------------------------ answers


async def test_an_answer_names_the_events_it_is_about(desk: Desks) -> None:
    made = desk({"": Batch(max_items=2)})
    for _ in range(3):
        made.add()
    await made.pump()
    await made.answer()
    assert sorted(made.answered) == [[1, 2], [3]]


async def test_a_plugin_with_a_request_is_answered_the_same_way(desk: Desks) -> None:
    made = desk({"": Batch(max_items=2)}, plugin=over_http(Plain))
    for _ in range(3):
        made.add()
    await made.pump()
    await made.answer()
    assert sorted(made.answered) == [[1, 2], [3]]
    assert made.outcomes == [Delivered()] * 3


@pytest.mark.parametrize(
    ("raised", "told"),
    [(Reject("no"), Reject("no")), (Pause("set_up"), Pause("set_up"))],
    ids=["refused", "paused"],
)
async def test_a_request_that_cannot_be_made_is_booked_in_a_moment_and_never_from_inside_the_pump(
    desk: Desks, raised: Exception, told: Outcome
) -> None:
    class Fails(over_http(Plain)):  # type: ignore[misc]
        @hookimpl
        def request(self, items: list[Item]) -> Request:
            raise raised

    made = desk(plugin=Fails)
    made.add()
    made.batcher.pump()
    assert (made.answered, made.batcher.in_flight) == ([], 1)
    await asyncio.sleep(0)
    assert (made.answered, made.outcomes, made.batcher.in_flight) == ([[1]], [told], 0)


async def test_a_plugin_that_fails_to_make_a_request_takes_no_neighbour_along(desk: Desks) -> None:
    class Fails(over_http(Plain)):  # type: ignore[misc]
        @hookimpl
        def request(self, items: list[Item]) -> Request:
            if any(item.body["p"] == 1 for item in items):
                raise ZeroDivisionError
            return Request(VENDOR_URL, body=b"[]")

    made = desk(plugin=Fails)
    made.add()
    made.batcher.pump()
    await asyncio.sleep(0)
    [outcome] = made.outcomes
    assert isinstance(outcome, Reject)
    assert outcome.reason == "plugin_error"


# ------------------------------------------------------------ the end


async def test_draining_waits_for_what_is_in_flight_and_starts_nothing(desk: Desks) -> None:
    made = desk(concurrency=1)
    made.add()
    made.add()
    await made.pump()
    draining = asyncio.create_task(made.batcher.drain(10))
    await asyncio.sleep(0)
    assert not draining.done()
    made.answers.set()
    await draining
    assert (made.answered, made.batcher.waiting) == ([[1]], 1)


async def test_what_has_no_answer_by_the_deadline_is_cut(desk: Desks) -> None:
    made = desk()
    made.add()
    await made.pump()
    await made.batcher.drain(0)
    assert (made.answered, made.batcher.in_flight) == ([], 0)


async def test_a_cut_request_is_not_booked_even_if_its_answer_is_on_its_way_already(desk: Desks) -> None:
    made = desk()
    made.add()
    await made.pump()
    made.answers.set()
    made.batcher.cut()
    for _ in range(5):
        await asyncio.sleep(0)
    assert (made.answered, made.batcher.in_flight) == ([], 0)


# ------------------------------------------------------------ a claim that may run out


async def test_nothing_is_sent_while_the_claim_may_not_and_it_is_asked_again(desk: Desks) -> None:
    made = desk(plugin=over_http(Plain))
    made.parts.context.claim.is_silent = True  # type: ignore[attr-defined]
    assert made.batcher.pump() is None
    made.add()
    assert made.batcher.pump() == made.clock.now_ms() + SILENT_MS
    assert await made.pump() == []
    made.parts.context.claim.is_silent = False  # type: ignore[attr-defined]
    assert await made.pump() == [[(1, 0)]]


async def test_a_claim_that_runs_out_while_the_request_is_made_keeps_it_back_in_its_place(desk: Desks) -> None:
    class Slow(over_http(Plain)):  # type: ignore[misc]
        @hookimpl
        def request(self, items: list[Item]) -> Request:
            made.parts.context.claim.is_silent = True  # type: ignore[attr-defined]
            return json_request(VENDOR_URL, [item.body for item in items])

    made = desk({"": Batch(max_items=2)}, plugin=Slow)
    for _ in range(4):
        made.add()
    assert await made.pump() == []
    assert (made.batcher.in_flight, made.batcher.waiting) == (0, 4)
    made.parts.context.claim.is_silent = False  # type: ignore[attr-defined]
    assert await made.pump() == []
    queue = made.batcher.queued({"u:1", "u:2", "u:3", "u:4"}, anonymous=False)
    assert [delivery.pos for delivery in queue] == [1, 2, 3, 4]


async def test_a_plugin_that_sends_by_itself_waits_until_the_claim_may_send_again(desk: Desks) -> None:
    class Sending(Plain):
        @hookimpl
        async def deliver(self, items: list[Item], sender: Sender) -> Outcome:
            made.parts.context.claim.is_silent = True  # type: ignore[attr-defined]
            await sender.send(json_request(VENDOR_URL, [item.body for item in items]))
            return Delivered()

    made = desk(plugin=Sending)
    made.add()
    assert await made.pump() == []
    made.parts.context.claim.is_silent = False  # type: ignore[attr-defined]
    made.clock.advance(1)
    for _ in range(3):
        await asyncio.sleep(0)
    assert [[body["p"] for body in call] for call in made.vendor.calls] == [[1]]


# ------------------------------------------------------------ answers of one turn of the loop


async def test_answers_that_come_together_are_booked_together_in_their_order(desk: Desks) -> None:
    made = desk(plugin=over_http(Plain))
    for _ in range(3):
        made.add()
    await made.pump()
    await made.answer()
    assert made.bookings == 1
    assert made.answered == [[1], [2], [3]]


async def test_who_is_answered_in_the_same_turn_is_there_until_its_own_answer_is_booked(desk: Desks) -> None:
    made = desk(plugin=over_http(Plain))
    for _ in range(3):
        made.add()
    await made.pump()
    await made.answer()
    assert made.was_alone == [False, False, True]


async def test_every_verdict_of_a_turn_is_asked_for_before_the_first_answer_is_booked(desk: Desks) -> None:
    booked: list[int] = []

    class Judging(over_http(Plain)):  # type: ignore[misc]
        @hookimpl
        def verdict(self, items: list[Item], answer: Answer) -> Outcome:
            booked.append(len(made.answered))
            return Delivered()

    made = desk(plugin=Judging)
    for _ in range(3):
        made.add()
    await made.pump()
    await made.answer()
    assert booked == [0, 0, 0]


async def test_what_an_answer_leaves_to_be_sent_waits_again_before_the_next_answer_is_booked(desk: Desks) -> None:
    made = desk(plugin=over_http(Plain))
    made.left = [made.add()]
    made.add()
    await made.pump()
    await made.answer()
    assert made.was_alone == [False, False]


class ByHand:
    """A client whose requests are answered by the test."""

    in_flight = 0

    def __init__(self) -> None:
        self.told: list[OnDone] = []

    def start(self, request: Request, on_done: OnDone) -> Any:
        self.told.append(on_done)
        return SimpleNamespace(cancel=lambda: None)


async def test_a_request_that_is_cut_between_its_answer_and_the_booking_is_not_booked(desk: Desks) -> None:
    made, client = desk(plugin=over_http(Plain)), ByHand()
    made.batcher = Batcher(made.parts.context, client, made.breaker, made._book, made._wake)  # type: ignore[arg-type]
    made.add()
    made.batcher.pump()
    client.told[0](Reply(200, {}, b""))
    made.batcher.cut()
    await asyncio.sleep(0)
    assert made.answered == []
