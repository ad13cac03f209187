"""Work for pages: one piece after the other, with gaps in which events are accepted."""

from __future__ import annotations

import asyncio
import itertools

from router.console.turns import GAP, Turns

WORK_S = 0.001


async def test_between_two_pieces_is_a_gap_many_times_as_long_and_they_come_in_the_order_of_asking() -> None:
    turns, loop = Turns(), asyncio.get_running_loop()
    came: list[tuple[int, float]] = []

    async def work(number: int) -> None:
        await turns.take(WORK_S)
        came.append((number, loop.time()))

    await asyncio.gather(*map(work, range(5)))
    assert [number for number, _ in came] == list(range(5))
    gaps = [later - earlier for (_, earlier), (_, later) in itertools.pairwise(came)]
    assert min(gaps) >= GAP * WORK_S / 2, "a loop's timers are as exact as a millisecond"


async def test_who_waits_no_longer_holds_up_nobody() -> None:
    turns = Turns()
    await turns.take(WORK_S)
    waiting, next_one = asyncio.create_task(turns.take(WORK_S)), asyncio.create_task(turns.take(WORK_S))
    await asyncio.sleep(0)
    waiting.cancel()
    await next_one
    assert waiting.cancelled()
