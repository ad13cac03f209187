"""The newest events of one kind in memory: what is asked for again, how quickly they come, and what is left out."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from router.clock import to_iso
from router.console import live_rows, live_tails
from router.console.live_rate import Rate
from router.console.live_rows import Row, Rows
from router.console.live_tail import OF_A_ROW, Tail
from router.console.live_tails import Tails
from router.console.turns import Turns
from router.errors import StoreError
from router.ingest import limits
from router.store import EventAsk, EventQuery


class Log:
    """Events at positions from 1 on, one in a millisecond; those behind `settled` wait."""

    def __init__(self) -> None:
        self.now_ms, self.head, self.settled, self.trimmed = 1_000_000, 0, 0, 0
        self.forgotten: set[int] = set()
        self.asked: list[EventQuery] = []
        self.shared = Rows()
        self.goes_on = asyncio.Event()  #: before that no search ends
        self.goes_on.set()
        self.begun, self.refuses = 0, False

    def grow(self, n: int, in_ms: int) -> None:
        self.head, self.now_ms = self.head + n, self.now_ms + in_ms

    async def ask(self, asks: Sequence[EventAsk]) -> list[dict[str, Any]]:
        self.begun += 1
        await self.goes_on.wait()
        if self.refuses:
            raise StoreError("away")
        return [self.found(*one) for one in asks]

    def found(self, which: EventQuery, before: int | None, limit: int) -> dict[str, Any]:
        self.asked.append(which)
        upto = min(self.head + 1, before or self.head + 1)
        found = [pos for pos in range(upto - 1, max(which.after, self.trimmed), -1) if not which.at or pos in which.at]
        if which.every == 0:
            return {"items": [], "next": None, "searched_to": None, "head": self.head, "count": len(found)}
        shown = [pos for pos in found if pos % which.every == 0][:limit]
        items = [{"position": pos} if pos in which.known else self.event(pos) for pos in shown]
        return {"items": items, "next": None, "searched_to": None, "head": self.head}

    def event(self, pos: int) -> Mapping[str, Any]:
        state = "delivered" if pos <= self.settled else "queued"
        at = to_iso(1_000_000 + pos)
        user = None if pos in self.forgotten else f"user:u{pos}"
        destinations = {"d": {"state": state, "reason": ""}}
        return {"position": pos, "received_at": at, "user": user, "destinations": destinations}

    def tail(self, before: int | None = None, state: str | None = None) -> Tail:
        return Tail(EventQuery(state=state), before, self.ask, lambda: self.now_ms, self.shared)


async def test_only_what_is_new_and_what_was_not_settled_is_asked_for_again() -> None:
    log = Log()
    log.grow(5, 1_000)
    log.settled = 3
    tail = log.tail()
    await tail.look()
    log.asked.clear()
    log.grow(2, 1_000)
    log.settled = 7
    await tail.look()
    assert [(which.at, which.after) for which in log.asked] == [((), 5), ((5, 4), 3)]
    assert [row.event["position"] for row in tail.rows] == [7, 6, 5, 4, 3, 2, 1]
    assert all(row.is_settled for row in tail.rows)


async def test_a_row_that_a_page_made_is_kept_until_its_event_changes() -> None:
    log = Log()
    log.grow(1, 1_000)
    tail = log.tail()
    await tail.look()
    tail.rows[0].html = b"made"
    await tail.look()
    assert tail.rows[0].html == b"made"
    log.settled = 1
    await tail.look()
    assert tail.rows[0].html == b""


async def test_what_comes_too_quickly_is_shared_out_and_all_is_shown_again_when_it_comes_slowly() -> None:
    log = Log()
    log.grow(4_000, 2_000)
    tail = log.tail()
    await tail.look()
    assert tail.every > 10
    assert len(tail.rows) <= 100
    first = tail.rows[-1].event["position"]
    assert tail.left_out == 4_000 - first + 1 - len(tail.rows)
    for _ in range(8):
        log.grow(1, 1_000)
        await tail.look()
    assert (tail.every, tail.left_out) == (1, 0)
    assert [row.event["position"] for row in tail.rows[:3]] == [4_008, 4_007, 4_006]


async def test_a_page_that_was_open_before_anything_came_says_at_its_second_look_what_it_leaves_out() -> None:
    log = Log()
    tail = log.tail()
    await tail.look()
    log.grow(2_000, 2_000)
    await tail.look()
    assert tail.every == 20
    assert tail.left_out > 1_000


async def test_a_tail_that_stands_still_counts_each_newer_event_once() -> None:
    log = Log()
    log.grow(10, 1_000)
    tail = log.tail(before=11)
    for newer in (0, 3, 6):
        await tail.look()
        assert (tail.newer, len(tail.rows)) == (newer, 10)
        log.grow(3, 1_000)


def test_the_rate_is_that_of_the_last_seconds() -> None:
    rate = Rate()
    rate.note(0, 0)
    rate.note(1_000, 500)
    assert rate.per_s == 500
    for second in range(2, 9):
        rate.note(second * 1_000, 10)
    assert rate.per_s == 10


def positions(tail: Tail) -> list[int]:
    return [row.position for row in tail.rows]


async def test_pages_that_are_looked_at_in_turn_keep_their_tails_however_many_they_are() -> None:
    tails, log = Tails(Turns()), Log()
    log.grow(1, 1_000)
    pages = range(limits.STREAMS)
    assert live_tails.MOST > limits.STREAMS, "one that is read once needs room beside them"
    made = [await tails.fresh(page, log.tail, 0) for page in pages]
    assert [await tails.fresh(page, log.tail, 0) for page in pages] == made


async def test_the_number_of_tails_is_bounded_and_the_one_looked_at_longest_ago_goes() -> None:
    tails, log = Tails(Turns()), Log()
    log.grow(1, 1_000)
    made = [await tails.fresh(page, log.tail, 0) for page in range(live_tails.MOST + 1)]
    assert await tails.fresh(1, log.tail, 0) is made[1]
    assert await tails.fresh(0, log.tail, 0) is not made[0]


async def test_many_tails_share_the_memory_by_showing_fewer_rows_and_the_older_ones_follow() -> None:
    tails, log = Tails(Turns()), Log()
    log.grow(200, 20_000)
    alone = await tails.fresh("alone", log.tail, 0)
    assert len(alone.rows) == 200
    for page in range(99):
        tail = await tails.fresh(page, log.tail, 0)
    share = live_tails.MOST_CHARACTERS // 100
    assert tail.rows
    assert len(tail.rows) * OF_A_ROW <= share
    alone.fit(share)
    assert positions(alone) == positions(tail)
    assert alone.next == alone.rows[-1].position


async def test_a_tail_whose_rows_are_long_keeps_fewer_of_them() -> None:
    log = Log()
    log.grow(100, 10_000)
    tail = log.tail()
    await tail.look()
    for row in tail.rows:
        row.html = b"x" * 99_000
    tail.fit(1_000_000)
    assert positions(tail) == list(range(100, 90, -1))


async def test_what_one_tail_knows_to_be_settled_is_looked_up_for_no_other_and_its_row_is_the_same() -> None:
    log = Log()
    log.grow(5, 1_000)
    log.settled = 4
    first, second = log.tail(), log.tail()
    await first.look()
    log.settled = 5
    await second.look()
    assert log.asked[-1].known == {1, 2, 3, 4}
    assert first.rows[1:] == second.rows[1:]
    log.asked.clear()
    await first.look()
    assert [which.at for which in log.asked] == [()], "the second one has looked at what was not settled"
    assert first.rows == second.rows


async def test_a_row_is_made_once_for_all_pages_that_wait_for_it() -> None:
    log, tails, made = Log(), Tails(Turns()), list[int]()
    log.grow(30, 1_000)
    tail = log.tail()
    await tail.look()

    def render(row: Row) -> str:
        made.append(row.position)
        return "made"

    await asyncio.gather(tails.make(tail.rows, render, 1), tails.make(tail.rows, render, 1))
    assert made == list(range(30, 0, -1))


async def test_other_modes_of_the_destinations_are_other_rows() -> None:
    tails = Tails(Turns())
    rows = tails.rows({"a": "live"})
    assert tails.rows({"a": "live"}) is rows
    assert tails.rows({"a": "dry-run"}) is not rows


async def test_another_order_of_the_destinations_is_other_rows() -> None:
    tails = Tails(Turns())
    rows = tails.rows({"a": "live", "b": "live"})
    assert tails.rows({"b": "live", "a": "live"}) is not rows


async def test_a_row_that_was_read_some_time_ago_is_asked_for_again_though_it_was_settled() -> None:
    log = Log()
    log.grow(3, 1_000)
    log.settled = 3
    first, second = log.tail(), log.tail()
    await first.look()
    log.forgotten = {2}
    log.grow(0, live_rows.FRESH_MS)
    log.asked.clear()
    await first.look()
    assert [which.at for which in log.asked] == [(), (3, 2, 1)]
    assert [row.event["user"] for row in first.rows] == ["user:u3", None, "user:u1"]
    await second.look()
    assert [row.event["user"] for row in second.rows] == ["user:u3", None, "user:u1"]


async def test_a_new_page_takes_no_row_that_was_read_some_time_ago() -> None:
    log = Log()
    log.grow(3, 1_000)
    log.settled = 3
    await log.tail().look()
    log.forgotten = {2}
    log.grow(0, live_rows.FRESH_MS)
    tail = log.tail()
    await tail.look()
    assert log.asked[-1].known == frozenset()
    assert [row.event["user"] for row in tail.rows] == ["user:u3", None, "user:u1"]


async def test_an_event_that_the_store_no_longer_has_leaves_the_page() -> None:
    log = Log()
    log.grow(3, 1_000)
    tail = log.tail()
    await tail.look()
    log.trimmed = 1
    await tail.look()
    assert positions(tail) == [3, 2]


def test_the_rows_that_were_used_longest_ago_go() -> None:
    log, rows = Log(), Rows()
    log.settled = 10_000
    first = rows.of_event(log.event(1), 0)
    for pos in range(2, live_rows.MOST + 1):
        rows.of_event(log.event(pos), 0)
    assert rows.of_event(log.event(1), 0) is first
    rows.of_event(log.event(live_rows.MOST + 1), 0)
    assert (rows.fresh_at(1, 0), rows.fresh_at(2, 0)) == (first, None)


async def test_a_page_that_has_rows_shows_them_while_a_look_takes_its_time_and_the_new_ones_once_it_has_ended() -> None:
    log, tails = Log(), Tails(Turns(), patience_s=0)
    log.grow(1, 1_000)
    tail = await tails.fresh("page", log.tail, 0)
    log.grow(1, 1_000)
    log.goes_on.clear()
    while log.begun < 2:  # until the next look is due
        await tails.fresh("page", log.tail, 0)
    assert positions(await tails.fresh("page", log.tail, 0)) == [1]
    log.goes_on.set()
    while positions(tail) != [2, 1]:
        await tails.fresh("page", log.tail, 0)


async def test_a_search_that_may_go_far_back_holds_up_no_look_at_what_is_new() -> None:
    log, tails, slow = Log(), Tails(Turns()), Log()
    slow.goes_on.clear()
    log.grow(1, 1_000)
    far = asyncio.create_task(tails.fresh("far", lambda: slow.tail(state="dead"), 0))
    await asyncio.sleep(0)
    assert positions(await tails.fresh("near", log.tail, 0)) == [1]
    assert not far.done()
    slow.goes_on.set()
    await far


async def test_what_a_look_raises_is_for_whoever_waits_and_the_next_one_looks_again() -> None:
    log, tails = Log(), Tails(Turns())
    log.refuses = True
    with pytest.raises(StoreError):
        await tails.fresh("page", log.tail, 0)
    log.refuses = False
    log.grow(1, 1_000)
    assert positions(await tails.fresh("page", log.tail, 0)) == [1]
