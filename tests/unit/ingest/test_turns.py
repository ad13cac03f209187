"""One piece of work that takes long in each turn of the loop."""

from __future__ import annotations

import asyncio

from router.ingest.turns import Turns


async def test_those_who_wait_go_on_in_order_of_arrival_and_one_in_each_turn_of_the_loop() -> None:
    turns, done, turn = Turns(), list[tuple[int, int]](), 0

    async def work(n: int) -> None:
        await turns.wait()
        done.append((n, turn))

    tasks = [asyncio.create_task(work(n)) for n in range(4)]
    while len(done) < 4:
        turn += 1
        await asyncio.sleep(0)
    assert [n for n, _ in done] == [0, 1, 2, 3]
    assert len({at for _, at in done}) == 4
    await asyncio.gather(*tasks)


async def test_one_that_gave_up_keeps_nobody_waiting() -> None:
    turns = Turns()
    first, second = (asyncio.create_task(turns.wait()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await second
    await turns.wait()
